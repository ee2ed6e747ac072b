const namesMax = 10_000

/**
 * When names were last invalidated in this isolate: what was asked for before that is neither used nor stored, however
 * long it was on its way. Bounded: where the oldest are forgotten, their time holds for every name that is not known.
 */
export class Invalidations {
  readonly #atMs = new Map<string, number>()
  #forgottenMs = 0

  note(name: string, nowMs: number): void {
    this.#atMs.delete(name)
    this.#atMs.set(name, nowMs)
    if (this.#atMs.size <= namesMax) return
    const [oldest] = this.#atMs
    if (oldest === undefined) return
    this.#atMs.delete(oldest[0])
    this.#forgottenMs = Math.max(this.#forgottenMs, oldest[1])
  }

  /** Whether what was asked for at `requestedMs` still holds. */
  holds(name: string, requestedMs: number): boolean {
    return requestedMs > (this.#atMs.get(name) ?? this.#forgottenMs)
  }
}
