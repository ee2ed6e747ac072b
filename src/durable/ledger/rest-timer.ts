/** How long a Ledger is left alone before it rests; well before it hibernates, which is after 10 s. Milliseconds. */
const restAfterMs = 5_000

/**
 * Runs an action once a Ledger has been left alone for a while. A timer of this life and not an alarm, which would cost
 * a written row: where it is lost, the rows still hold a bound.
 */
export class RestTimer {
  readonly #rest: () => void
  #running = false
  #touchedMs = 0

  /** @param rest must not throw */
  constructor(rest: () => void) {
    this.#rest = rest
  }

  /** Something has happened. */
  touch(nowMs: number): void {
    this.#touchedMs = nowMs
    if (!this.#running) this.#run(restAfterMs)
  }

  #run(afterMs: number): void {
    this.#running = true
    setTimeout(() => {
      this.#running = false
      const leftMs = this.#touchedMs + restAfterMs - Date.now()
      if (leftMs > 0) this.#run(leftMs)
      else this.#rest()
    }, afterMs)
  }
}
