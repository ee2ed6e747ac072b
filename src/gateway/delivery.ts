import type { Ending } from '../core/stream/ending.ts'
import type { Awaitable } from '../core/outcome.ts'

/** How a body ended, and how many of its bytes were handed to the client where the tier knows. */
export interface Delivered {
  readonly ending: Ending
  readonly bytes: number | null
}

/** A body on its way to the client. `ended` never rejects. */
export interface Delivery {
  /** A stream, or the bytes of an answer of the gateway itself. */
  readonly body: ReadableStream<Uint8Array> | Uint8Array | null
  readonly tier: 'none' | 'native' | 'whole' | 'tap' | 'pump'
  readonly ended: Awaitable<Delivered>
}
