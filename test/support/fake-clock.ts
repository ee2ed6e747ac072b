import type { Clock } from '../../src/ports.ts'

interface Timer {
  readonly atMs: number
  readonly action: () => void
}

/** Lets everything that is ready run: promise callbacks, WebCrypto, RPC that does not wait. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0))
}

/** A clock that moves only when told to. */
export class FakeClock implements Clock {
  #nowMs: number
  #timers: Timer[] = []

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve)
    })
  }

  after(ms: number, action: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, action }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** Moves time on, firing what falls due on the way, in order. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settle()
    for (;;) {
      const next = this.#timers.toSorted((left, right) => left.atMs - right.atMs)[0]
      if (next === undefined || next.atMs > endMs) break
      await this.#fire(next)
    }
    this.#nowMs = endMs
  }

  /** Moves time on until the work is done; what it came to and how long it took. Fails after a minute. */
  async until<T>(work: Promise<T> | T): Promise<{ readonly value: T; readonly tookMs: number }> {
    const startedMs = this.#nowMs
    const done: { value: T }[] = []
    void Promise.resolve(work).then((value) => done.push({ value }))
    for (;;) {
      await settle()
      const [result] = done
      if (result !== undefined) return { value: result.value, tookMs: this.#nowMs - startedMs }
      const next = this.#timers.toSorted((left, right) => left.atMs - right.atMs)[0]
      if (next === undefined || next.atMs > startedMs + 60_000) throw new Error('the work never ends')
      await this.#fire(next)
    }
  }

  async #fire(timer: Timer): Promise<void> {
    this.#timers = this.#timers.filter((other) => other !== timer)
    this.#nowMs = Math.max(this.#nowMs, timer.atMs)
    timer.action()
    await settle()
  }
}
