import type { NeedAnswer } from '../core/limit/messages.ts'
import type { Taken } from '../core/limit/permit-holder.ts'
import type { AppliedLimit } from '../core/limit/spec.ts'
import type { LimitStanding } from '../core/limit/standing.ts'
import type { Refusal } from '../core/refusal.ts'

/** What stands in the way of a request. */
export type Obstacle = Exclude<Taken, { kind: 'taken' }>

/** What a client may do about limits that cannot be checked. Milliseconds. */
const retryAfterMs = 1_000

/**
 * Says in the words of the catalogue what stands in the way.
 * @param applied the limits that were asked about
 * @param need the Ledger's answer, which may name limits that are not among them
 */
export function refusalOf(
  obstacle: Obstacle,
  applied: readonly AppliedLimit[],
  need: NeedAnswer | null,
  standings: readonly LimitStanding[],
): Refusal {
  if (obstacle.kind !== 'denied') return { refused: 'limits_unavailable', retryAfterMs }
  const { violated, waitMs } = obstacle
  // The Ledger names none where the key or its account is no more.
  if (violated.length === 0) return { refused: 'key_invalid' }
  const known = [...applied, ...(need?.limits ?? [])]
  const limits = violated.flatMap((counter) => known.find((limit) => limit.counter === counter) ?? [])
  const names = [...new Set(limits.map(({ spec }) => spec.name))]
  const money = limits.length > 0 && limits.every(({ spec }) => spec.kind === 'money-budget')
  return { refused: money ? 'budget_exhausted' : 'limit_reached', violated: names, waitMs, standings }
}
