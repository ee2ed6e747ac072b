import type { UpstreamAnswer } from '../ports.ts'
import type { Delivered, Delivery } from './delivery.ts'

/**
 * The native tier: the runtime moves the bytes, no JavaScript runs per chunk. Passes back-pressure and content-length;
 * what the upstream breaks is broken for the client; the total time is kept.
 *
 * The hop through a pipe is what lets the gateway learn how the body ended: a body handed over as it is leaves the
 * Worker's sight at once, and a client that leaves would go unnoticed.
 */
export function deliverNative(
  answer: UpstreamAnswer,
  body: ReadableStream<Uint8Array>,
  client: AbortSignal,
): Delivery {
  const length = contentLength(answer.response.headers)
  const through = length === null ? new IdentityTransformStream() : new FixedLengthStream(length)
  const stop = new AbortController()
  let late = false
  answer.timer.set(answer.remainingMs, () => {
    late = true
    answer.abort()
    // A pipe whose client does not read would wait for it for ever.
    stop.abort()
  })
  // A pipe learns that the client has left at its next write only.
  const leave = () => answer.abort()
  client.addEventListener('abort', leave, { once: true })
  if (client.aborted) leave()
  const ended = body.pipeTo(through.writable, { signal: stop.signal }).then(
    (): Delivered => {
      answer.timer.stop()
      return { ending: 'complete', bytes: length }
    },
    (): Delivered => {
      answer.timer.stop()
      if (late) return { ending: 'total_timeout', bytes: null }
      return { ending: client.aborted ? 'client_left' : 'upstream_failed', bytes: null }
    },
  )
  return { body: through.readable, tier: 'native', ended }
}

/** The declared length of a body, or null when there is none that could be kept. */
export function contentLength(headers: Headers): number | null {
  const declared = headers.get('content-length')
  return declared !== null && /^\d{1,15}$/.test(declared) ? Number(declared) : null
}
