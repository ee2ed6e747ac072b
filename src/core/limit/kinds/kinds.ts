import type { LimitKindName } from '../spec.ts'
import { concurrentRequests } from './concurrent-requests.ts'
import { concurrentStreams } from './concurrent-streams.ts'
import type { LimitKind } from './kind.ts'
import { moneyBudget } from './money-budget.ts'
import { requestRate } from './request-rate.ts'
import { requestWindow } from './request-window.ts'
import { tokenBudget } from './token-budget.ts'
import { tokenRate } from './token-rate.ts'
import { tokenWindow } from './token-window.ts'

const kinds: Readonly<Record<LimitKindName, LimitKind>> = {
  'request-rate': requestRate,
  'request-window': requestWindow,
  'token-rate': tokenRate,
  'token-window': tokenWindow,
  'token-budget': tokenBudget,
  'money-budget': moneyBudget,
  'concurrent-requests': concurrentRequests,
  'concurrent-streams': concurrentStreams,
}

/** The descriptor of a kind of limit. */
export function limitKind(name: LimitKindName): LimitKind {
  return kinds[name]
}
