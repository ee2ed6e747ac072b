/** The one alarm of a Ledger, as far as its present life knows it. */
export class Agenda {
  readonly #storage: DurableObjectStorage
  #setMs: number | null = null

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage
  }

  /** Whether an alarm is known to be set for a time or sooner. */
  covers(atMs: number): boolean {
    return this.#setMs !== null && this.#setMs <= atMs
  }

  /**
   * Sets the alarm, in the same write as the change before it. It takes the place of any other, so `atMs` has to be the
   * soonest of all there is to do.
   */
  async set(atMs: number): Promise<void> {
    this.#setMs = atMs
    await this.#storage.setAlarm(atMs)
  }

  /** The alarm has gone off. */
  begun(): void {
    this.#setMs = null
  }
}
