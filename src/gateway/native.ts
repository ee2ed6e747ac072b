import type { Ending } from '../core/stream/ending.ts'
import type { Delivered, Delivery } from './delivery.ts'
import type { StreamTerms } from './stream-terms.ts'

/** What the native tier needs to know beyond the body itself. */
type NativeTerms = Pick<StreamTerms, 'answer' | 'client' | 'length' | 'onStop'>

/**
 * The native tier: the runtime moves the bytes, no JavaScript runs per chunk. Passes back-pressure and content-length;
 * what the upstream breaks is broken for the client; the total time is kept, and a body that must not go on ends.
 *
 * The hop through a pipe is what lets the gateway learn how the body ended: a body handed over as it is leaves the
 * Worker's sight at once, and a client that leaves would go unnoticed.
 */
export function deliverNative(
  body: ReadableStream<Uint8Array>,
  { answer, client, length, onStop }: NativeTerms,
): Delivery {
  const through = length === null ? new IdentityTransformStream() : new FixedLengthStream(length)
  const pipe = new AbortController()
  /** Why it broke, where that is known; the first reason counts. */
  let why: Ending | null = null
  const breakOff = (ending: Ending) => {
    why ??= ending
    answer.abort()
    // A pipe whose client does not read would wait for it for ever.
    pipe.abort()
  }
  answer.timer.set(answer.remainingMs, () => breakOff('total_timeout'))
  // A pipe learns that the client has left at its next write only.
  const leave = () => {
    why ??= 'client_left'
    answer.abort()
  }
  client.addEventListener('abort', leave, { once: true })
  if (client.aborted) leave()
  const ended = body.pipeTo(through.writable, { signal: pipe.signal }).then(
    (): Delivered => {
      answer.timer.stop()
      return { ending: 'complete', bytes: length }
    },
    (): Delivered => {
      answer.timer.stop()
      return { ending: why ?? (client.aborted ? 'client_left' : 'upstream_failed'), bytes: null }
    },
  )
  // It may be stopped by now, and a pipe that begins with a signal that has fired leaves its client waiting.
  onStop(() => breakOff('stopped'))
  return { body: through.readable, tier: 'native', ended }
}

/** The declared length of a body, or null when there is none that could be kept. */
export function contentLength(headers: Headers): number | null {
  const declared = headers.get('content-length')
  return declared !== null && /^\d{1,15}$/.test(declared) ? Number(declared) : null
}
