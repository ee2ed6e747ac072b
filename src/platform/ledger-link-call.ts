/**
 * Calls a Ledger, and once more with a new stub when the runtime says that this may help. An overloaded object is never
 * called again: that would overload it further.
 * @param call makes a stub and a message of its own; a stub may be broken after an error
 * @throws {Error} what the last call threw
 */
export async function callTwice<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (!mayBeRetried(error)) throw error
    return call()
  }
}

function mayBeRetried(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { retryable, overloaded, durableObjectReset } = error as Readonly<Record<string, unknown>>
  return overloaded !== true && (retryable === true || durableObjectReset === true)
}

/** A Ledger that has never answered this isolate may be far away, or has to start first. */
const unmeasuredMs = 1_000
const patienceMinMs = 250
const patienceMaxMs = 1_000

/** How long a call of a Ledger usually takes, and how long it is waited for. Milliseconds. */
export class RoundTrip {
  #averageMs: number | null = null

  /** A call was answered, late or not. */
  note(tookMs: number): void {
    const before = this.#averageMs
    this.#averageMs = before === null || tookMs > before ? tookMs : before + (tookMs - before) / 4
  }

  /** 250 ms or twice the round trip, whichever is longer, and never more than 1 s. */
  get patienceMs(): number {
    if (this.#averageMs === null) return unmeasuredMs
    return Math.min(patienceMaxMs, Math.max(patienceMinMs, 2 * this.#averageMs))
  }
}
