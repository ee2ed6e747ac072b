import { isAdminRefusal, type AdminOutcome } from '../core/key/admin-refusal.ts'
import type { KeyPrincipal } from '../core/key/principal.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Refusal } from '../core/refusal.ts'
import { firstGeneration } from '../core/storage-layout.ts'
import { within } from '../core/within.ts'
import type { Ledger } from '../durable/ledger/ledger.ts'
import type { Clock, Scope, UsageReader } from '../ports.ts'
import { ledgerStub } from './ledger-stub.ts'

export interface UsageReaderDeps {
  readonly ledgers: DurableObjectNamespace<Ledger>
  readonly clock: Clock
}

/** How long the holder of a key waits for its Ledger. */
const answerMs = 1_000

const unavailable: Refusal = { refused: 'limits_unavailable', retryAfterMs: 1_000 }

/** Asks the Ledger of the key's account, each time. */
export function createUsageReader(deps: UsageReaderDeps): UsageReader {
  return {
    standing: (holder, scope) => ask(deps, holder, scope, (ledger) => ledger.keyStanding(holder.keyId)),
    usage: (holder, days, scope) => ask(deps, holder, scope, (ledger) => ledger.keyUsage(holder.keyId, days)),
  }
}

async function ask<T extends object>(
  { ledgers, clock }: UsageReaderDeps,
  { account }: KeyPrincipal,
  scope: Scope,
  question: (ledger: DurableObjectStub<Ledger>) => PromiseLike<AdminOutcome<T>>,
): Promise<Outcome<T>> {
  scope.count('ledger')
  const askedMs = clock.nowMs()
  const asked = (async () => question(ledgerStub(ledgers, account, firstGeneration)))()
  const answer = await within(clock, answerMs, asked, null)
  scope.waited('ledger', clock.nowMs() - askedMs)
  if (answer === null) return unavailable
  // Only a key that was revoked, or an account that was deleted, since it was let in.
  return isAdminRefusal(answer) ? { refused: 'key_invalid' } : answer
}
