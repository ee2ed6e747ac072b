/** A moving average of what is asked for, right from the first second on. */
export class Demand {
  readonly #spanMs: number
  #sum = 0
  #lastMs = 0
  #firstMs = 0
  #cost = 1
  #count = 0

  constructor(spanMs: number) {
    this.#spanMs = spanMs
  }

  /** When something was asked for last. Milliseconds. */
  get lastMs(): number {
    return this.#lastMs
  }

  note(cost: number, nowMs: number): void {
    const sinceMs = nowMs - this.#lastMs
    if (this.#count === 0 || sinceMs > 4 * this.#spanMs) this.#begin(cost, nowMs)
    else if (sinceMs > 0) {
      this.#sum = this.#sum * Math.exp(-sinceMs / this.#spanMs) + cost
      this.#lastMs = nowMs
    } else this.#sum += cost
    this.#cost += (cost - this.#cost) / 8
    this.#count += 1
  }

  /** Permits in a second. */
  perSecond(nowMs: number): number {
    if (this.#count === 0) return 0
    const idleMs = Math.max(0, nowMs - this.#lastMs)
    const ageMs = Math.max(1000, nowMs - this.#firstMs)
    const seenMs = this.#spanMs * (1 - Math.exp(-ageMs / this.#spanMs))
    return (this.#sum * Math.exp(-idleMs / this.#spanMs) * 1000) / seenMs
  }

  /** Whether more than one request came lately: one alone says nothing of how often they come. */
  get repeats(): boolean {
    return this.#count > 1
  }

  /** What one request costs, about. */
  get cost(): number {
    return this.#cost
  }

  #begin(cost: number, nowMs: number): void {
    this.#count = 0
    this.#sum = cost
    this.#cost = cost
    this.#firstMs = nowMs
    this.#lastMs = nowMs
  }
}
