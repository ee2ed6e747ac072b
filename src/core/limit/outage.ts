const probesMs = [500, 1000, 2000]

/** Whether the Ledger answers, and when to try it again when it does not. */
export class Outage {
  #sinceMs: number | null = null
  #failures = 0
  #probeMs = 0

  /** Since when it has not answered; null while it does. Milliseconds since the epoch. */
  get sinceMs(): number | null {
    return this.#sinceMs
  }

  failed(nowMs: number): void {
    this.#sinceMs ??= nowMs
    this.#probeMs = nowMs + (probesMs[Math.min(this.#failures, probesMs.length - 1)] ?? 0)
    this.#failures += 1
  }

  answered(): void {
    this.#sinceMs = null
    this.#failures = 0
  }

  /** Whether it is time to try again. */
  probeDue(nowMs: number): boolean {
    return this.#sinceMs !== null && nowMs >= this.#probeMs
  }
}
