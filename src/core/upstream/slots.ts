/** Who goes first in a queue. */
export type Priority = 'high' | 'normal' | 'low'

const rank: Readonly<Record<Priority, number>> = { high: 0, normal: 1, low: 2 }

/** One of a target's places, held by a call. */
export interface Slot {
  /** Gives the place to the next in the queue; does nothing the second time. */
  release(): void
}

/** A request in the queue for a place. */
export interface Waiter {
  /** Leaves the queue; does nothing once a place was given. */
  leave(): void
}

interface Queued {
  readonly rank: number
  readonly untilMs: number
  readonly give: (slot: Slot | null) => void
}

/** What a target's places are like. */
export interface SlotLimits {
  /** Null for as many as come. */
  readonly max: number | null
  readonly queueMax: number
}

/**
 * The places of one target in one isolate, and the short queue for them. A place whose holder is never heard of again
 * (the platform may end a request without a word) is taken back after its time.
 */
export class Slots {
  readonly #limits: SlotLimits
  /** Held places, and when each is taken back. */
  readonly #held = new Map<Slot, number>()
  /** Places held where there are as many as come. */
  #uncapped = 0
  #queue: Queued[] = []

  constructor(limits: SlotLimits) {
    this.#limits = limits
  }

  get held(): number {
    return this.#held.size + this.#uncapped
  }

  get queued(): number {
    return this.#queue.length
  }

  hasRoom(nowMs: number): boolean {
    const { max } = this.#limits
    if (max === null || this.#held.size < max) return true
    for (const [slot, untilMs] of this.#held) if (untilMs <= nowMs) slot.release()
    return this.#held.size < max
  }

  /** A place, held until `untilMs` at most; null when there is none. */
  take(nowMs: number, untilMs: number): Slot | null {
    if (this.#limits.max === null) return this.#holdUncapped()
    return this.hasRoom(nowMs) ? this.#hold(untilMs) : null
  }

  /**
   * Waits for a place, behind all of the same or a higher priority. A full queue takes one of a higher priority in
   * place of its last one, which is then given null.
   * @param untilMs when the place, once given, is taken back
   * @param give called at most once, later, with a place or null
   * @returns null when the queue is full
   */
  wait(priority: Priority, untilMs: number, give: (slot: Slot | null) => void): Waiter | null {
    const last = this.#queue.at(-1)
    if (this.#queue.length >= this.#limits.queueMax) {
      if (last === undefined || last.rank <= rank[priority]) return null
      this.#queue.pop()
      last.give(null)
    }
    const queued: Queued = { rank: rank[priority], untilMs, give }
    const at = this.#queue.findIndex((other) => other.rank > queued.rank)
    this.#queue.splice(at === -1 ? this.#queue.length : at, 0, queued)
    return { leave: () => this.#leave(queued) }
  }

  #leave(queued: Queued): void {
    this.#queue = this.#queue.filter((other) => other !== queued)
  }

  #hold(untilMs: number): Slot {
    const slot: Slot = { release: () => this.#release(slot) }
    this.#held.set(slot, untilMs)
    return slot
  }

  #holdUncapped(): Slot {
    this.#uncapped += 1
    let isHeld = true
    const release = (): void => {
      if (isHeld) this.#uncapped -= 1
      isHeld = false
    }
    return { release }
  }

  #release(slot: Slot): void {
    if (!this.#held.delete(slot)) return
    if (this.#held.size >= (this.#limits.max ?? Infinity)) return
    const next = this.#queue.shift()
    next?.give(this.#hold(next.untilMs))
  }
}
