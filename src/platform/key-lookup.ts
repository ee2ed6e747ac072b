import { equalText } from '../core/key/constant-time.ts'
import type { KeyRecord } from '../core/key/key-record.ts'
import type { KeyRing } from '../core/key/key-ring.ts'
import { parseKeyText } from '../core/key/key-text.ts'
import { readRecord } from '../core/key/record-life.ts'
import { firstGeneration, keyRecordCacheSeconds, keyRecordName } from '../core/storage-layout.ts'
import type { Ledger } from '../durable/ledger/ledger.ts'
import type { Clock, Digest, Operation, Scope } from '../ports.ts'
import { within } from './deadline.ts'
import { isGenuine, keyHash } from './key-mac.ts'
import { ledgerStub } from './ledger-stub.ts'

/** What a lookup needs; `ring` is null when the Worker has none. */
export interface KeyLookupDeps {
  readonly kv: Pick<KVNamespace, 'get'>
  readonly ledgers: DurableObjectNamespace<Ledger>
  readonly ring: KeyRing | null
  readonly digest: Digest
  readonly clock: Clock
}

/**
 * What the stores know of a presented key: its record; `forged`, found out with no I/O; `unknown`, said by the Ledger,
 * or a record of another key; `unavailable`, nobody could say.
 */
export type Found =
  | { readonly kind: 'record'; readonly record: KeyRecord }
  | { readonly kind: 'forged' | 'unknown' | 'unavailable' }

/** Milliseconds. KV is asked first, the Ledger as well once KV is late, failing or has no record. */
export const lookupTimes = { ledgerAskedAfterMs: 250, kvMs: 1_000, ledgerMs: 1_000 } as const

type Answer =
  | { readonly kind: 'record'; readonly record: KeyRecord }
  | { readonly kind: 'none' }
  | { readonly kind: 'failing' }

const failing = { kind: 'failing' } as const
const late = { kind: 'late' } as const

/**
 * Looks a key up in KV and, where KV cannot say, in the Ledger of its account. Never rejects.
 * @param awaited whether a request waits for it, so that the waits are noted
 */
export async function lookUpKey(
  presented: string,
  deps: KeyLookupDeps & { readonly ring: KeyRing },
  scope: Scope,
  awaited: boolean,
): Promise<Found> {
  const parts = parseKeyText(presented)
  if (parts === null || !(await isGenuine(parts, deps.ring, deps.digest))) return { kind: 'forged' }
  const hash = await keyHash(presented, deps.digest)
  const noteWait = awaited ? (operation: Operation, ms: number) => scope.waited(operation, ms) : null
  const answer = await askStores(parts.account, parts.id, deps, { scope, noteWait })
  if (answer.kind === 'failing') return { kind: 'unavailable' }
  if (answer.kind === 'none' || !equalText(answer.record.hash, hash)) return { kind: 'unknown' }
  return answer
}

interface Noting {
  readonly scope: Scope
  readonly noteWait: ((operation: Operation, ms: number) => void) | null
}

/** The first definitive answer: a record from either, or the Ledger's word that there is none. */
async function askStores(
  account: string,
  id: string,
  deps: KeyLookupDeps,
  { scope, noteWait }: Noting,
): Promise<Answer> {
  const kvStartedMs = deps.clock.nowMs()
  scope.count('kv')
  const kv = within(deps.clock, lookupTimes.kvMs, askKv(account, id, deps), failing)
  const early = await within(deps.clock, lookupTimes.ledgerAskedAfterMs, kv, late)
  noteWait?.('kv', deps.clock.nowMs() - kvStartedMs)
  if (early.kind === 'record') return early

  const ledgerStartedMs = deps.clock.nowMs()
  scope.count('ledger')
  const ledger = within(deps.clock, lookupTimes.ledgerMs, askLedger(account, id, deps), failing)
  const first = await Promise.race([kv.then(recordOnly), ledger])
  const answer = first.kind === 'failing' ? await otherAnswer(kv, ledger) : first
  noteWait?.('ledger', deps.clock.nowMs() - ledgerStartedMs)
  return answer
}

/** KV may not have heard of a key yet, so only its records count. */
function recordOnly(answer: Answer): Answer {
  return answer.kind === 'record' ? answer : failing
}

async function otherAnswer(kv: Promise<Answer>, ledger: Promise<Answer>): Promise<Answer> {
  const [fromKv, fromLedger] = await Promise.all([kv, ledger])
  return fromLedger.kind === 'failing' ? recordOnly(fromKv) : fromLedger
}

async function askKv(account: string, id: string, { kv }: KeyLookupDeps): Promise<Answer> {
  const options = { type: 'json', cacheTtl: keyRecordCacheSeconds } as const
  const value: unknown = await kv.get(keyRecordName(account, id), options)
  if (value === null) return { kind: 'none' }
  return asAnswer(value)
}

async function askLedger(account: string, id: string, { ledgers }: KeyLookupDeps): Promise<Answer> {
  const answer = await ledgerStub(ledgers, account, firstGeneration).findKey(id)
  if (answer.found === 'unknown') return { kind: 'none' }
  return answer.found === 'key' ? asAnswer(answer.record) : failing
}

function asAnswer(value: unknown): Answer {
  const record = readRecord(value)
  return record === null ? failing : { kind: 'record', record }
}
