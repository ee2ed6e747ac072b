import { dialectOf } from '../../../src/core/dialect/dialect.ts'
import { closingBytes } from '../../../src/core/stream/broken-stream.ts'
import type { Delivered, Delivery } from '../../../src/gateway/delivery.ts'
import { errorEventFor, type StreamTerms } from '../../../src/gateway/stream-terms.ts'
import type { StopReason } from '../../../src/ports.ts'
import { createCallTimer } from '../../../src/platform/call-timer.ts'
import { bytesOf, charsOf, joined } from '../../support/byte-pieces.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** An upstream, a client and the time, each of which does what a test says. */
export class StreamWorld {
  readonly clock = new FakeClock()
  readonly #client = new AbortController()
  readonly #seen: Uint8Array[] = []
  readonly #got: Uint8Array[] = []
  #upstream: ReadableStreamDefaultController<Uint8Array> | null = null
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null
  /** Whether the upstream has been told to stop. */
  stopped = false
  /** What the tier promised, once it is there. */
  readonly results: Delivered[] = []
  /** How the client's body ended. */
  clientEnd: 'open' | 'ended' | 'broken' = 'open'

  /** Why the stream is stopped, once it is. */
  stopWith: StopReason = 'key_revoked'
  /** Stops the stream, as a grant does. */
  stop: () => void = () => {}

  readonly body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      this.#upstream = controller
    },
    cancel: () => {
      this.stopped = true
    },
  })

  /** The terms of a stream in the OpenAI dialect. */
  terms(changes: Partial<StreamTerms> & { readonly totalMs?: number } = {}): StreamTerms {
    const { totalMs = 600_000, ...others } = changes
    const answer = {
      response: new Response(null),
      abort: () => this.failUpstream(),
      remainingMs: totalMs,
      timer: createCallTimer(this.clock),
    }
    return {
      answer,
      client: this.#client.signal,
      clock: this.clock,
      idleMs: 60_000,
      length: null,
      drainMs: 0,
      see: (piece) => void this.#seen.push(piece.slice()),
      onStop: (stop) => {
        this.stop = stop
      },
      closingWords: (ending) => {
        const event = errorEventFor(ending, { idleMs: 1, totalMs: 2, stopped: this.stopWith }, (facts) =>
          dialectOf('openai').errorEvent(facts, 'id', '/v1/chat/completions'),
        )
        return closingBytes(new Uint8Array(0), event)
      },
      ...others,
    }
  }

  /** Hands the client its body. @param reads whether it reads; one that does not is a client that stalls */
  deliver({ body, ended }: Delivery, reads = true): void {
    if (!(body instanceof ReadableStream)) throw new Error('not a stream')
    this.#reader = body.getReader()
    void Promise.resolve(ended).then((result) => this.results.push(result))
    if (reads) void this.#readOn(this.#reader)
  }

  async #readOn(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    try {
      for (let read = await reader.read(); !read.done; read = await reader.read()) this.#got.push(read.value)
      this.clientEnd = 'ended'
    } catch {
      this.clientEnd = 'broken'
    }
  }

  /** The upstream sends; what that sets off has run by then. */
  async send(text: string): Promise<void> {
    if (!this.stopped) this.#upstream?.enqueue(bytesOf(text))
    await this.clock.advance(0)
  }

  async endUpstream(): Promise<void> {
    if (!this.stopped) this.#upstream?.close()
    await this.clock.advance(0)
  }

  failUpstream(): void {
    if (!this.stopped) this.#upstream?.error(new Error('reset'))
  }

  /** The client goes away, as the runtime tells it: by the signal, by a body that is no longer read, or by both. */
  async leave(tells: 'signal' | 'body' | 'both' = 'both'): Promise<void> {
    if (tells !== 'body') this.#client.abort()
    if (tells !== 'signal') await this.#reader?.cancel().catch(() => {})
    await this.clock.advance(0)
  }

  /** What the client has got. */
  get got(): string {
    return charsOf(joined(this.#got))
  }

  /** What whoever counts has seen. */
  get seen(): string {
    return charsOf(joined(this.#seen))
  }
}
