import type { Ending } from '../core/stream/ending.ts'
import { EventBlocks } from '../core/stream/event-blocks.ts'
import { verdict, type StreamFacts } from '../core/stream/verdict.ts'
import type { Delivery } from './delivery.ts'
import { sayFarewell, type StreamTerms } from './stream-terms.ts'

/** Silence after which a keep-alive is sent; clients give up after 20 s and more. */
const keepAliveMs = 15_000

/** What the pump does to a stream, beyond passing it on. */
export interface PumpEdits {
  /** What of a block of whole events the client gets. */
  edit(block: Uint8Array): Uint8Array
  /** Sent after 15 s of silence, between events; null sends nothing. */
  readonly keepAlive: Uint8Array | null
}

/**
 * The pump tier: JavaScript reads each chunk and passes whole events on, so it can leave events out, keep a silent
 * stream alive, and never lets a half event through. Costs about three times the native tier's CPU per event.
 */
export function deliverPump(
  body: ReadableStream<Uint8Array>,
  terms: StreamTerms,
  edits: PumpEdits,
): Delivery {
  const through = new IdentityTransformStream()
  const pump = new Pump(body, through.writable, terms, edits)
  return { body: through.readable, tier: 'pump', ended: pump.run() }
}

class Pump {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #writable: WritableStream<Uint8Array>
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #terms: StreamTerms
  readonly #edits: PumpEdits
  readonly #blocks = new EventBlocks()
  readonly #deadlineMs: number
  #facts: StreamFacts = { clientLeft: false, expired: null, upstream: 'open' }
  #movedMs: number
  #bytes = 0
  /** Ends the wait for a client to take what was written: one that has stopped reading never does. */
  #letGo: () => void = () => {}

  constructor(
    body: ReadableStream<Uint8Array>,
    writable: WritableStream<Uint8Array>,
    terms: StreamTerms,
    edits: PumpEdits,
  ) {
    this.#reader = body.getReader()
    this.#writable = writable
    this.#writer = writable.getWriter()
    this.#terms = terms
    this.#edits = edits
    this.#movedMs = terms.clock.nowMs()
    this.#deadlineMs = this.#movedMs + terms.answer.remainingMs
    terms.client.addEventListener('abort', () => this.#leave(), { once: true })
    if (terms.client.aborted) this.#leave()
    this.#watch()
  }

  async run(): Promise<{ readonly ending: Ending; readonly bytes: number }> {
    while (this.#facts.upstream === 'open') await this.#step()
    if (verdict(this.#facts) === 'complete') await this.#close()
    this.#terms.answer.timer.stop()
    const ending = verdict(this.#facts) ?? 'complete'
    if (ending !== 'complete' && ending !== 'client_left') await this.#breakOff(ending)
    return { ending, bytes: this.#bytes }
  }

  async #step(): Promise<void> {
    const read = await this.#reader.read().catch(() => null)
    if (read === null) this.#note({ upstream: 'failed' })
    else if (read.done) this.#note({ upstream: 'ended' })
    else await this.#take(read.value)
  }

  async #take(chunk: Uint8Array): Promise<void> {
    this.#movedMs = this.#terms.clock.nowMs()
    this.#terms.see(chunk)
    const block = this.#blocks.push(chunk)
    if (block.length > 0) await this.#send(this.#edits.edit(block))
    this.#watch()
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const { clientLeft, expired } = this.#facts
    if (bytes.length === 0 || clientLeft || expired !== null) return
    await this.#untilTaken(this.#write(bytes))
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#writer.write(bytes)
    this.#bytes += bytes.length
    this.#movedMs = this.#terms.clock.nowMs()
  }

  /** Waits until the client has taken something or need not any more; a failure means that it has left. */
  #untilTaken(taken: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      this.#letGo = resolve
      void taken.catch(() => this.#leave()).finally(resolve)
    })
  }

  #note(facts: Partial<StreamFacts>): void {
    this.#facts = { ...this.#facts, ...facts }
  }

  /** The client is gone: stop the upstream, or read on for a while. */
  #leave(): void {
    if (this.#facts.clientLeft || this.#facts.expired !== null) return
    this.#note({ clientLeft: true })
    this.#letGo()
    const { drainMs, answer } = this.#terms
    if (drainMs === 0) this.#stop()
    else answer.timer.set(drainMs, () => this.#stop())
  }

  #stop(): void {
    this.#letGo()
    this.#reader.cancel().catch(() => {})
  }

  /** Sets the call's timer to what is due next: a keep-alive, the idle time, the total. */
  #watch(): void {
    const { clock, idleMs, answer } = this.#terms
    if (this.#facts.clientLeft) return
    const nowMs = clock.nowMs()
    const silenceMs = nowMs - this.#movedMs
    const pingMs = this.#edits.keepAlive === null ? Infinity : keepAliveMs - (silenceMs % keepAliveMs)
    answer.timer.set(Math.min(pingMs, idleMs - silenceMs, this.#deadlineMs - nowMs), () => this.#due())
  }

  #due(): void {
    const nowMs = this.#terms.clock.nowMs()
    const idle = nowMs - this.#movedMs >= this.#terms.idleMs
    if (nowMs >= this.#deadlineMs || idle) {
      this.#note({ expired: nowMs >= this.#deadlineMs ? 'total_timeout' : 'idle_timeout' })
      return this.#stop()
    }
    const { keepAlive } = this.#edits
    if (keepAlive !== null && this.#facts.upstream === 'open' && this.#blocks.isBetweenEvents)
      this.#writer.write(keepAlive).catch(() => this.#leave())
    this.#watch()
  }

  async #close(): Promise<void> {
    await this.#send(this.#edits.edit(this.#blocks.rest()))
    if (verdict(this.#facts) === 'complete') await this.#untilTaken(this.#writer.close())
  }

  async #breakOff(ending: Ending): Promise<void> {
    this.#writer.releaseLock()
    const words = this.#blocks.isBetweenEvents ? this.#terms.closingWords(ending) : null
    await sayFarewell(this.#writable, words, this.#terms.clock)
  }
}
