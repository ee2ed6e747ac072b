import type { CacheKey } from '../../core/cache/cache-key.ts'
import type { Flights, Landing } from '../../core/cache/flights.ts'
import type { Clock } from '../../ports.ts'

/** How long a request waits for another one's answer before it fetches for itself. */
const waitMs = 10_000
/** How long those who wait for an answer that has arrived wait for the store. */
const storeMs = 100

/** The first of the requests that fetch the same thing; those that wait for it are told once how it ended. */
export class Lead {
  readonly #flights: Flights
  readonly #key: CacheKey
  readonly #clock: Clock
  #over = false
  #keeping = false

  private constructor(flights: Flights, key: CacheKey, clock: Clock) {
    this.#flights = flights
    this.#key = key
    this.#clock = clock
  }

  /**
   * Leads, or waits for who does; null fetches for itself without being waited for. The wait ends by a timer of the
   * request's own: the runtime ends a request that waits for nothing but another one's promise.
   */
  static join(
    flights: Flights,
    key: CacheKey,
    clock: Clock,
  ): Lead | { readonly landing: Promise<Landing> } | null {
    const joined = flights.join(key, clock.nowMs())
    if (joined === null) return null
    if (joined === 'lead') return new Lead(flights, key, clock)
    return { landing: orGo(joined.landed, clock) }
  }

  /**
   * The answer will be kept, or not: those who wait are told then, or when it has arrived and the store takes too long.
   */
  keeping(kept: Promise<boolean>, arrived: Promise<unknown>): void {
    this.#keeping = true
    void arrived.finally(() => this.#clock.after(storeMs, () => this.#land('go', false)))
    void kept.then(
      (stored) => this.#land(stored ? 'stored' : 'go', false),
      () => this.#land('go', false),
    )
  }

  /** The answer is not one to keep; who asks for it in the next seconds need not wait either. */
  notKept(): void {
    this.#land('go', true)
  }

  /** @param left whether the leader's client left before there was an answer: those who wait go on without it */
  landUnlessKeeping(left: boolean): void {
    if (!this.#keeping) this.#land(left ? 'again' : 'go', false)
  }

  #land(how: Landing, unkept: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#flights.land(this.#key, how, unkept ? this.#clock.nowMs() : null)
  }
}

function orGo(landed: Promise<Landing>, clock: Clock): Promise<Landing> {
  return new Promise((resolve) => {
    const cancel = clock.after(waitMs, () => resolve('go'))
    void landed.finally(cancel).then(resolve)
  })
}
