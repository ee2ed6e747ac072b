import type { Ending } from '../../core/stream/ending.ts'
import type { Grant } from '../../ports.ts'

/** Bytes on their way to the client through a hop of the runtime's; where they come from may go on without it. */
export class ClientPipe {
  /** Rejects when the pipe breaks. */
  readonly done: Promise<void>
  readonly #stop = new AbortController()
  #why: Ending | null = null

  constructor(from: ReadableStream<Uint8Array>, to: WritableStream<Uint8Array>) {
    this.done = from.pipeTo(to, { signal: this.#stop.signal })
  }

  /** Why it was broken off; null when it was not. */
  get why(): Ending | null {
    return this.#why
  }

  /** Ends the pipe; the first reason counts. */
  breakOff(ending: Ending): void {
    this.#why ??= ending
    this.#stop.abort()
  }

  /**
   * Ends it with its client, of whom a pipe learns at its next write only, and when the request may not go on. Called
   * once the pipe runs: one that begins with a signal that has fired leaves its client waiting.
   */
  breakOffWith(client: AbortSignal, grant: Pick<Grant, 'onStop'>): void {
    const leave = () => this.breakOff('client_left')
    client.addEventListener('abort', leave, { once: true })
    if (client.aborted) leave()
    grant.onStop(() => this.breakOff('stopped'))
  }
}
