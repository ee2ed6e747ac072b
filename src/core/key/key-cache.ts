import type { KeyRecord } from './key-record.ts'

/** Sizes and times of a `KeyCache`; times in milliseconds. */
export interface KeyCacheLimits {
  readonly entriesMax: number
  /** How long a record is used without asking again. */
  readonly ttlMs: number
  /** The last part of the TTL, in which a use asks for a refresh. */
  readonly refreshWindowMs: number
  /** How long after its TTL a record goes on being used while refreshes fail. */
  readonly graceMs: number
  /** How long after a failed refresh the next one is due. */
  readonly retryMs: number
  /** How long a failed refresh is taken to mean that the next would fail too, so that nobody waits for it. */
  readonly failureMs: number
  readonly unknownEntriesMax: number
  readonly unknownTtlMs: number
}

export const defaultKeyCacheLimits: KeyCacheLimits = {
  entriesMax: 1_000,
  ttlMs: 30_000,
  refreshWindowMs: 10_000,
  graceMs: 60_000,
  retryMs: 1_000,
  failureMs: 5_000,
  unknownEntriesMax: 1_000,
  unknownTtlMs: 5_000,
}

interface Entry {
  readonly record: KeyRecord
  readonly readAtMs: number
  failedAtMs: number | null
}

/** A record that may be used now, and whether a refresh is due. */
export interface KeyHit {
  readonly record: KeyRecord
  readonly refreshDue: boolean
}

/**
 * Key records by the presented text, least recently used first out, so that a known key costs one look into a map.
 * Keys known not to exist are kept apart, so that they cannot push out real ones. Time is always an argument.
 */
export class KeyCache {
  readonly #limits: KeyCacheLimits
  readonly #entries = new Map<string, Entry>()
  readonly #unknown = new Map<string, number>()

  constructor(limits: KeyCacheLimits = defaultKeyCacheLimits) {
    this.#limits = limits
  }

  /**
   * A record that may be used without asking, `'unknown'` for a key known not to exist, or null: ask.
   * Past its TTL a record is used only while refreshes are known to fail, and only for the grace.
   */
  get(presented: string, nowMs: number): KeyHit | 'unknown' | null {
    const entry = this.#entries.get(presented)
    if (entry === undefined) return this.#isUnknown(presented, nowMs) ? 'unknown' : null
    const { ttlMs, refreshWindowMs, retryMs, failureMs } = this.#limits
    const ageMs = nowMs - entry.readAtMs
    const sinceFailureMs = entry.failedAtMs === null ? Infinity : nowMs - entry.failedAtMs
    if (ageMs >= ttlMs && (sinceFailureMs >= failureMs || !this.#inGrace(entry, nowMs))) return null
    this.#entries.delete(presented)
    this.#entries.set(presented, entry)
    return { record: entry.record, refreshDue: sinceFailureMs >= retryMs && ageMs >= ttlMs - refreshWindowMs }
  }

  /**
   * Keeps a record that was asked for at `readAtMs`. An older version never overrides a newer one.
   * @returns the record that is now held.
   */
  put(presented: string, record: KeyRecord, readAtMs: number): KeyRecord {
    const held = this.#entries.get(presented)
    const newest = held !== undefined && held.record.version > record.version ? held.record : record
    const latestMs = Math.max(held?.readAtMs ?? readAtMs, readAtMs)
    this.#unknown.delete(presented)
    this.#entries.delete(presented)
    this.#entries.set(presented, { record: newest, readAtMs: latestMs, failedAtMs: null })
    dropOldest(this.#entries, this.#limits.entriesMax)
    return newest
  }

  /** Notes that a key does not exist. */
  putUnknown(presented: string, nowMs: number): void {
    this.#entries.delete(presented)
    this.#unknown.delete(presented)
    this.#unknown.set(presented, nowMs + this.#limits.unknownTtlMs)
    dropOldest(this.#unknown, this.#limits.unknownEntriesMax)
  }

  /**
   * Notes that nobody could be asked about a key.
   * @returns the record that may still be used, or null when there is none or its grace is over.
   */
  refreshFailed(presented: string, nowMs: number): KeyRecord | null {
    const entry = this.#entries.get(presented)
    if (entry === undefined) return null
    if (!this.#inGrace(entry, nowMs)) {
      this.#entries.delete(presented)
      return null
    }
    entry.failedAtMs = nowMs
    return entry.record
  }

  #inGrace(entry: Entry, nowMs: number): boolean {
    return nowMs - entry.readAtMs < this.#limits.ttlMs + this.#limits.graceMs
  }

  #isUnknown(presented: string, nowMs: number): boolean {
    const untilMs = this.#unknown.get(presented)
    if (untilMs === undefined) return false
    if (nowMs < untilMs) return true
    this.#unknown.delete(presented)
    return false
  }
}

function dropOldest(map: Map<string, unknown>, entriesMax: number): void {
  if (map.size <= entriesMax) return
  const oldest = map.keys().next()
  if (oldest.done !== true) map.delete(oldest.value)
}
