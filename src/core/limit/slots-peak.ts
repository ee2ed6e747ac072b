/** The highest of what was noted in the last span, or up to twice as long ago. */
export class Peak {
  readonly #spanMs: number
  #beganMs = 0
  #before = 0
  #now = 0

  constructor(spanMs: number) {
    this.#spanMs = spanMs
  }

  note(value: number, nowMs: number): void {
    this.#roll(nowMs)
    this.#now = Math.max(this.#now, value)
  }

  of(nowMs: number): number {
    this.#roll(nowMs)
    return Math.max(this.#before, this.#now)
  }

  /** When it may sink next. Milliseconds since the epoch. */
  changesMs(nowMs: number): number {
    this.#roll(nowMs)
    return this.#beganMs + this.#spanMs
  }

  #roll(nowMs: number): void {
    const spans = Math.floor((nowMs - this.#beganMs) / this.#spanMs)
    if (spans < 1) return
    this.#before = spans === 1 ? this.#now : 0
    this.#now = 0
    this.#beganMs = nowMs
  }
}
