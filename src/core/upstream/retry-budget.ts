import type { RetryPolicy } from '../config/types.ts'

/** At most so many retries are saved up: a store of many would be one burst at the worst moment. */
const savedMax = 10

/**
 * How many attempts beyond the first an upstream may see: a share of the requests and a minimum a second, whatever
 * there is to retry. It is what keeps retries from multiplying an outage (Finagle's retry budget).
 */
export class RetryBudget {
  readonly #policy: Pick<RetryPolicy, 'budgetShare' | 'minPerSecond'>
  readonly #hedgeShare: number
  #saved = savedMax
  #hedges = 0
  #countedMs: number

  constructor(policy: Pick<RetryPolicy, 'budgetShare' | 'minPerSecond'>, hedgeShare: number, nowMs: number) {
    this.#policy = policy
    this.#hedgeShare = hedgeShare
    this.#countedMs = nowMs
  }

  /** Notes a request, by whose number the budget grows. */
  noteRequest(): void {
    this.#saved = Math.min(savedMax, this.#saved + this.#policy.budgetShare)
    this.#hedges = Math.min(savedMax, this.#hedges + this.#hedgeShare)
  }

  /** Takes one retry. @returns false when there is none left */
  take(nowMs: number): boolean {
    this.#grow(nowMs)
    if (this.#saved < 1) return false
    this.#saved -= 1
    return true
  }

  /** Takes one hedge, which is a retry too. @returns false when there is none left of either */
  takeHedge(nowMs: number): boolean {
    if (this.#hedges < 1 || !this.take(nowMs)) return false
    this.#hedges -= 1
    return true
  }

  #grow(nowMs: number): void {
    const seconds = Math.max(0, nowMs - this.#countedMs) / 1000
    this.#countedMs = nowMs
    this.#saved = Math.min(savedMax, this.#saved + seconds * this.#policy.minPerSecond)
  }
}
