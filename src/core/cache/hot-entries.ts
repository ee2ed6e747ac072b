import type { CacheRecord } from './entry.ts'

/** A record and the bytes that lie with it; `bytes` is null for an index, and for a body that lies apart. */
export interface StoredAnswer {
  readonly record: CacheRecord
  readonly bytes: Uint8Array | null
}

interface Held {
  readonly answer: StoredAnswer
  readonly weight: number
  confirmedMs: number
  /** Whether somebody asks the store about it right now. */
  asking: boolean
}

/** What an entry weighs beside its bytes: the record's fields, the map's own. */
const recordWeight = 2_048

/**
 * Small hot entries in isolate memory, the least recently used thrown out first. Bounded by weight, so by memory; an
 * entry is trusted for a short time after the store was last seen to have it, and not at all after that.
 */
export class HotEntries {
  readonly #entries = new Map<string, Held>()
  readonly #limits: { readonly weightMax: number; readonly bodyBytesMax: number; readonly trustedMs: number }
  #weight = 0

  constructor(limits: {
    readonly weightMax: number
    readonly bodyBytesMax: number
    readonly trustedMs: number
  }) {
    this.#limits = limits
  }

  /** What is held and may still be trusted; `due` once it should be confirmed soon and nobody is at it. */
  get(name: string, nowMs: number): { readonly answer: StoredAnswer; readonly due: boolean } | null {
    const held = this.#entries.get(name)
    if (held === undefined) return null
    const ageMs = nowMs - held.confirmedMs
    if (ageMs > this.#limits.trustedMs || ageMs < 0) return null
    this.#entries.delete(name)
    this.#entries.set(name, held)
    const due = !held.asking && ageMs > this.#limits.trustedMs / 2
    if (due) held.asking = true
    return { answer: held.answer, due }
  }

  /** What is held, trusted or not; good for a guess. */
  guess(name: string): StoredAnswer | null {
    return this.#entries.get(name)?.answer ?? null
  }

  /** Notes what the store was just seen to have. Large bodies are not held. */
  confirm(name: string, answer: StoredAnswer, nowMs: number): void {
    this.drop(name)
    const bytes = answer.bytes?.length ?? 0
    if (bytes > this.#limits.bodyBytesMax) return
    const weight = bytes + recordWeight + name.length
    this.#entries.set(name, { answer, weight, confirmedMs: nowMs, asking: false })
    this.#weight += weight
    for (const [oldest] of this.#entries) {
      if (this.#weight <= this.#limits.weightMax) break
      this.drop(oldest)
    }
  }

  drop(name: string): void {
    const held = this.#entries.get(name)
    if (held === undefined) return
    this.#entries.delete(name)
    this.#weight -= held.weight
  }

  get weight(): number {
    return this.#weight
  }
}
