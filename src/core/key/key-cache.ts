import { dropOldest } from '../drop-oldest.ts'
import type { KeyRecord } from './key-record.ts'

/** Sizes and times of a `KeyCache`; times in milliseconds. */
export interface KeyCacheLimits {
  readonly entriesMax: number
  readonly unknownEntriesMax: number
  readonly unknownTtlMs: number
}

export const defaultKeyCacheLimits: KeyCacheLimits = {
  entriesMax: 1_000,
  unknownEntriesMax: 1_000,
  unknownTtlMs: 5_000,
}

/** A record in memory. */
export interface HeldKey {
  readonly record: KeyRecord
  /** Term of the account lease in which the Ledger was asked for it; null: it is KV's, and the Ledger said nothing. */
  readonly term: object | null
  /** When KV or the Ledger was asked for it last. */
  readonly readAtMs: number
}

/**
 * Key records by the presented text, least recently used first out, so that a known key costs one look into a map.
 * Whether a record may be used is not said here: the lease of its account says so. Keys known not to exist are kept
 * apart, so that they cannot push out real ones. Time is always an argument.
 */
export class KeyCache {
  readonly #limits: KeyCacheLimits
  readonly #entries = new Map<string, HeldKey>()
  /** Presented texts by account and id. */
  readonly #texts = new Map<string, string>()
  readonly #unknown = new Map<string, number>()

  constructor(limits: KeyCacheLimits = defaultKeyCacheLimits) {
    this.#limits = limits
  }

  /** What is held of a key; `'unknown'` for one known not to exist, null for one that nothing is known of. */
  get(presented: string, nowMs: number): HeldKey | 'unknown' | null {
    const held = this.#entries.get(presented)
    if (held === undefined) return this.#isUnknown(presented, nowMs) ? 'unknown' : null
    this.#entries.delete(presented)
    this.#entries.set(presented, held)
    return held
  }

  /** Keeps what was read of a key. An older version never overrides a newer one. @returns what is held now */
  put(presented: string, read: HeldKey): HeldKey {
    const before = this.#entries.get(presented)
    const record = before === undefined ? read.record : newer(before.record, read.record)
    const held: HeldKey = {
      record,
      term: read.term ?? before?.term ?? null,
      readAtMs: Math.max(before?.readAtMs ?? read.readAtMs, read.readAtMs),
    }
    this.#unknown.delete(presented)
    this.#entries.delete(presented)
    this.#entries.set(presented, held)
    this.#texts.set(nameOf(record), presented)
    this.#bound()
    return held
  }

  /** Overrides what is held of a key by a newer record of it; a key that is not held is not taken in. */
  override(record: KeyRecord): void {
    const presented = this.#texts.get(nameOf(record))
    const held = presented === undefined ? undefined : this.#entries.get(presented)
    if (presented === undefined || held === undefined) return
    this.#entries.set(presented, { ...held, record: newer(held.record, record) })
  }

  /** Notes that a key does not exist. */
  putUnknown(presented: string, nowMs: number): void {
    this.#forget(presented)
    this.#unknown.delete(presented)
    this.#unknown.set(presented, nowMs + this.#limits.unknownTtlMs)
    dropOldest(this.#unknown, this.#limits.unknownEntriesMax)
  }

  #bound(): void {
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > this.#limits.entriesMax && oldest !== undefined) this.#forget(oldest)
  }

  #forget(presented: string): void {
    const held = this.#entries.get(presented)
    if (held === undefined) return
    this.#entries.delete(presented)
    const name = nameOf(held.record)
    if (this.#texts.get(name) === presented) this.#texts.delete(name)
  }

  #isUnknown(presented: string, nowMs: number): boolean {
    const untilMs = this.#unknown.get(presented)
    if (untilMs === undefined) return false
    if (nowMs < untilMs) return true
    this.#unknown.delete(presented)
    return false
  }
}

function nameOf({ account, id }: KeyRecord): string {
  return `${account}:${id}`
}

function newer(before: KeyRecord, read: KeyRecord): KeyRecord {
  return before.version > read.version ? before : read
}
