import type { Ending } from '../core/stream/ending.ts'
import { EventBlocks } from '../core/stream/event-blocks.ts'
import { verdict, type Cut, type StreamFacts } from '../core/stream/verdict.ts'
import type { Delivery } from './delivery.ts'
import type { Slices } from './slices.ts'
import { sayFarewell, type StreamTerms } from './stream-terms.ts'

/** Silence after which a keep-alive is sent; clients give up after 20 s and more. */
const keepAliveMs = 15_000

/** What the pump does to a stream, beyond passing it on. */
export interface PumpEdits {
  /** What of a block of whole events the client gets. */
  edit(block: Uint8Array): Uint8Array
  /** Sent after 15 s of silence, between events; null sends nothing. */
  readonly keepAlive: Uint8Array | null
  /** What lets events through, where output is reserved in slices; else null. */
  readonly slices: Slices | null
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

const nothing = new Uint8Array(0)

class Pump {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #writable: WritableStream<Uint8Array>
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #terms: StreamTerms
  readonly #edits: PumpEdits
  readonly #blocks = new EventBlocks()
  readonly #deadlineMs: number
  #facts: StreamFacts = { clientLeft: false, cut: null, upstream: 'open' }
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
    terms.onStop(() => this.#cut('stopped'))
  }

  async run(): Promise<{ readonly ending: Ending; readonly bytes: number }> {
    while (this.#facts.upstream === 'open') await this.#step()
    if (verdict(this.#facts) === 'complete') await this.#close()
    this.#terms.answer.timer.stop()
    const ending = verdict(this.#facts) ?? 'complete'
    if (ending === 'limit_reached' && this.#blocks.isBetweenEvents) await this.#endAtLength()
    else if (ending !== 'complete' && ending !== 'client_left') await this.#breakOff(ending)
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
    if (this.#edits.slices === null) this.#terms.see(chunk)
    const block = this.#blocks.push(chunk)
    if (block.length > 0) await this.#pass(block)
    this.#watch()
  }

  /** Sends of a block what its client is to get and what is reserved for. */
  async #pass(block: Uint8Array): Promise<void> {
    const { slices } = this.#edits
    if (slices === null) return this.#send(this.#edits.edit(block))
    const passing = slices.pass(block)
    const { bytes, over } = passing instanceof Promise ? await passing : passing
    await this.#send(this.#edits.edit(bytes))
    if (over) this.#cut('limit_reached')
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const { clientLeft, cut } = this.#facts
    if (bytes.length === 0 || clientLeft || cut !== null) return
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
    if (this.#facts.clientLeft || this.#facts.cut !== null) return
    this.#note({ clientLeft: true })
    this.#letGo()
    const { drainMs, answer } = this.#terms
    if (drainMs === 0) this.#stop()
    else answer.timer.set(drainMs, () => this.#stop())
  }

  /** The stream ends here. Of a client that has left, only its upstream is left to be stopped. */
  #cut(cut: Cut): void {
    if (this.#facts.cut === null && !this.#facts.clientLeft) this.#note({ cut })
    this.#stop()
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
    if (nowMs >= this.#deadlineMs || idle)
      return this.#cut(nowMs >= this.#deadlineMs ? 'total_timeout' : 'idle_timeout')
    const { keepAlive } = this.#edits
    if (keepAlive !== null && this.#facts.upstream === 'open' && this.#blocks.isBetweenEvents)
      this.#writer.write(keepAlive).catch(() => this.#leave())
    this.#watch()
  }

  async #close(): Promise<void> {
    await this.#pass(this.#blocks.rest())
    if (verdict(this.#facts) === 'complete') await this.#untilTaken(this.#writer.close())
  }

  /** As if the model had reached a length that its client asked for; waits for the client as long as it may idle. */
  async #endAtLength(): Promise<void> {
    const { clock, idleMs, answer } = this.#terms
    const words = this.#edits.slices?.words() ?? nothing
    const written = words.length === 0 ? Promise.resolve() : this.#write(words)
    let ended = false
    const end = async () => {
      await written
      await this.#writer.close()
      ended = true
    }
    answer.timer.set(Math.max(0, Math.min(idleMs, this.#deadlineMs - clock.nowMs())), () => this.#letGo())
    await this.#untilTaken(end())
    answer.timer.stop()
    if (!ended) await this.#writer.abort(new Error('the client stopped reading')).catch(() => {})
  }

  async #breakOff(ending: Ending): Promise<void> {
    this.#writer.releaseLock()
    const words = this.#blocks.isBetweenEvents ? this.#terms.closingWords(ending) : null
    await sayFarewell(this.#writable, words, this.#terms.clock)
  }
}
