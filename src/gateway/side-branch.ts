import type { Clock } from '../ports.ts'

const pieceBytes = 65_536
/**
 * A read that finds nothing pulls the upstream on, past a client that has stopped reading. So the sweeps take at most
 * this much in all beyond what an unhurried stream brings between two of them; of a larger burst no more is seen.
 */
const creditBytes = 8_388_608
const unhurriedBytes = 65_536
/** One sweep takes no more, so that it ends although more keeps coming. */
const sweepBytesMax = 4_194_304

type Read = ReadableStreamReadResult<Uint8Array>

/**
 * The second branch of a teed body, read seldom and in large pieces. It must never be read eagerly while the client's
 * branch is live: that would starve the client.
 */
export class SideBranch {
  readonly #take: (piece: Uint8Array) => void
  readonly #reader: ReadableStreamBYOBReader
  readonly #clock: Clock
  #buffer = new ArrayBuffer(pieceBytes)
  #pending: Promise<Read> | null = null
  #done = false
  #failed = false
  #givenUp = false
  #credit = creditBytes

  /** @param take gets every piece, whose buffer is used again afterwards */
  constructor(stream: ReadableStream<Uint8Array>, take: (piece: Uint8Array) => void, clock: Clock) {
    this.#take = take
    this.#reader = stream.getReader({ mode: 'byob' })
    this.#clock = clock
  }

  /** Takes what is buffered. A read that finds nothing within `ms` stays pending for the next sweep. @returns bytes */
  async sweep(ms: number): Promise<number> {
    let total = 0
    // A read may bring less than is buffered, so only one that brings nothing says that nothing is left.
    for (let bytes = -1; bytes !== 0 && total < sweepBytesMax; total += bytes) bytes = await this.#read(ms)
    this.#credit -= Math.max(0, total - unhurriedBytes)
    if (this.#credit <= 0) await this.cancel()
    return total
  }

  /** Reads to the end, for at most `ms`. @returns whether the end was reached */
  async drain(ms: number): Promise<boolean> {
    const deadlineMs = this.#clock.nowMs() + ms
    while (!this.#done) {
      const leftMs = deadlineMs - this.#clock.nowMs()
      if (leftMs <= 0) return false
      await this.#read(Math.min(leftMs, 1000))
    }
    return !this.#failed
  }

  /** Whether the branch was given up before its end was read. */
  get isGivenUp(): boolean {
    return this.#givenUp
  }

  /** Gives the branch up; with the client's branch gone too, this closes the upstream. */
  async cancel(): Promise<void> {
    if (this.#done) return
    this.#done = true
    this.#givenUp = true
    await this.#reader.cancel().catch(() => {})
  }

  async #read(ms: number): Promise<number> {
    if (this.#done) return 0
    this.#pending ??= this.#reader.read(new Uint8Array(this.#buffer))
    const pending = this.#pending.catch((): Read => {
      this.#failed = true
      return { done: true, value: undefined }
    })
    const read = await Promise.race([pending, this.#clock.wait(ms)])
    if (read === undefined) return 0
    this.#pending = null
    this.#done = read.done
    if (read.value === undefined) return 0
    this.#buffer = read.value.buffer as ArrayBuffer
    if (read.value.length > 0) this.#take(read.value)
    return read.value.length
  }
}
