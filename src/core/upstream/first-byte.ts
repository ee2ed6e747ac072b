/** Time over which an old observation loses most of its weight. */
const decayMs = 10_000
/** Buckets of the distribution: each is a quarter of a doubling wide, the last begins at 2^16 ms. */
const bucketsPerDoubling = 4
const buckets = 16 * bucketsPerDoubling + 1
/** After so many observations all counts are halved, so that the distribution follows the target. */
const halveAfter = 1_000
/** A quantile of fewer observations would be a guess. */
const observationsMin = 50

/**
 * Times to the first byte of one target: a peak-sensitive moving average (a slow answer counts at once and in full, a
 * fast one by and by: Finagle's peak EWMA) and a distribution for quantiles.
 */
export class FirstByteTimes {
  #averageMs = 0
  #observedMs = -Infinity
  readonly #counts = new Uint32Array(buckets)
  #total = 0

  /** Moving average in milliseconds, 0 before the first observation. It fades while nothing is heard. */
  averageMs(nowMs: number): number {
    return this.#averageMs * this.#weight(nowMs)
  }

  observe(tookMs: number, nowMs: number): void {
    const weight = this.#weight(nowMs)
    this.#averageMs = tookMs >= this.#averageMs ? tookMs : this.#averageMs * weight + tookMs * (1 - weight)
    this.#observedMs = nowMs
  }

  /** Adds to the distribution; failures have no place in it. */
  record(tookMs: number): void {
    const doublings = Math.log2(Math.max(1, tookMs))
    const at = Math.min(buckets - 1, Math.ceil(doublings * bucketsPerDoubling))
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#total += 1
    if (this.#total >= halveAfter) this.#halve()
  }

  /**
   * The time within which this share of the answers began, rounded up by at most a fifth.
   * @returns null while too little is known
   */
  quantileMs(share: number): number | null {
    if (this.#total < observationsMin) return null
    let left = share * this.#total
    for (const [at, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0) return 2 ** (at / bucketsPerDoubling)
    }
    return 2 ** ((buckets - 1) / bucketsPerDoubling)
  }

  #weight(nowMs: number): number {
    const ageMs = nowMs - this.#observedMs
    return ageMs <= 0 ? 1 : Math.exp(-ageMs / decayMs)
  }

  #halve(): void {
    this.#total = 0
    for (const [at, count] of this.#counts.entries()) {
      this.#counts[at] = count >> 1
      this.#total += count >> 1
    }
  }
}
