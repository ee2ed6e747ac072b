import { dropOldest } from '../core/drop-oldest.ts'
import type { KeyRecord } from '../core/key/key-record.ts'
import type { KeyRing } from '../core/key/key-ring.ts'
import { parseKeyText } from '../core/key/key-text.ts'
import { readRecord } from '../core/key/record-life.ts'
import { keyRecordCacheSeconds, keyRecordName } from '../core/storage-layout.ts'
import { within } from '../core/within.ts'
import type { Clock, Digest, Scope } from '../ports.ts'
import { isGenuine, keyHash } from './key-mac.ts'

/** A key that was issued under the ring. */
export interface GenuineKey {
  readonly account: string
  readonly id: string
  /** SHA-256 of its text, lower-case hex, as its record has to hold it. */
  readonly hash: string
}

/** What a presented text names, if it was issued under this ring; null for anything else. No I/O. */
export async function genuineKey(
  presented: string,
  ring: KeyRing,
  digest: Digest,
): Promise<GenuineKey | null> {
  const parts = parseKeyText(presented)
  if (parts === null || !(await isGenuine(parts, ring, digest))) return null
  return { account: parts.account, id: parts.id, hash: await keyHash(presented, digest) }
}

/** What KV says of a key: its record, none, or nothing that can be used. */
export type Projected =
  | { readonly kind: 'record'; readonly record: KeyRecord }
  | { readonly kind: 'none' | 'failing' }

/** How long KV is waited for. Milliseconds. */
const kvMs = 1_000

/** How much longer others wait for a read than it may take; then the request that began it has died. */
const overdueMs = 50

/** Reads whose request died stay until their key is read again; this bounds them. */
const readsMax = 1_000

const failing: Projected = { kind: 'failing' }

interface Reading {
  readonly startedMs: number
  readonly answer: Promise<Projected>
}

/** Key records as KV has them. Requests for the same record share a read, each with a timer of its own. */
export class KeyProjection {
  readonly #kv: Pick<KVNamespace, 'get'>
  readonly #clock: Clock
  readonly #reads = new Map<string, Reading>()

  constructor(kv: Pick<KVNamespace, 'get'>, clock: Clock) {
    this.#kv = kv
    this.#clock = clock
  }

  /** Never rejects, and takes 1 s at most (2 s where another request had begun the read and died). */
  read(key: Pick<GenuineKey, 'account' | 'id'>, scope: Scope): Promise<Projected> {
    const name = keyRecordName(key.account, key.id)
    const reading = this.#reads.get(name)
    const nowMs = this.#clock.nowMs()
    if (reading === undefined || nowMs - reading.startedMs >= kvMs + overdueMs) return this.#lead(name, scope)
    return this.#follow(name, reading, scope)
  }

  /** Begins a read that others may share; it is deferred, so that it outlives the request that began it. */
  #lead(name: string, scope: Scope): Promise<Projected> {
    const answer = this.#ask(name, scope)
    const reading: Reading = { startedMs: this.#clock.nowMs(), answer }
    this.#reads.set(name, reading)
    dropOldest(this.#reads, readsMax)
    const landed = answer.finally(() => {
      if (this.#reads.get(name) === reading) this.#reads.delete(name)
    })
    scope.defer(landed)
    return answer
  }

  /** A promise whose request has died never settles; then this request reads for itself. */
  async #follow(name: string, reading: Reading, scope: Scope): Promise<Projected> {
    const leftMs = reading.startedMs + kvMs + overdueMs - this.#clock.nowMs()
    return (await within(this.#clock, leftMs, reading.answer, null)) ?? this.#ask(name, scope)
  }

  #ask(name: string, scope: Scope): Promise<Projected> {
    scope.count('kv')
    return within(this.#clock, kvMs, this.#get(name), failing)
  }

  async #get(name: string): Promise<Projected> {
    const value: unknown = await this.#kv.get(name, { type: 'json', cacheTtl: keyRecordCacheSeconds })
    if (value === null) return { kind: 'none' }
    const record = readRecord(value)
    return record === null ? failing : { kind: 'record', record }
  }
}
