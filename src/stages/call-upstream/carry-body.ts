import type { Clock } from '../../ports.ts'

/** Why a request body was cut on its way to the upstream. */
export type Cut = 'too_large' | 'too_slow' | 'unreadable'

/** A request body on its way; whether it was cut is known once the call has failed or answered. */
export interface CarriedBody {
  readonly stream: ReadableStream<Uint8Array>
  cut(): Cut | null
}

export interface CarryTerms {
  readonly bytesMax: number
  /** How long the body may take, in milliseconds. */
  readonly patienceMs: number
  readonly clock: Clock
  defer(work: Promise<unknown>): void
}

/** Carries a body of declared length: the runtime moves the bytes and keeps the length. */
export function carryDeclared(
  body: ReadableStream<Uint8Array>,
  length: number,
  terms: CarryTerms,
): CarriedBody {
  const through = new FixedLengthStream(length)
  const stop = new AbortController()
  let cut: Cut | null = null
  const cancelTimer = terms.clock.after(terms.patienceMs, () => {
    cut = 'too_slow'
    stop.abort()
  })
  const unreadable = () => {
    cut ??= 'unreadable'
  }
  void body.pipeTo(through.writable, { signal: stop.signal }).catch(unreadable).finally(cancelTimer)
  return { stream: through.readable, cut: () => cut }
}

const pieceBytes = 65_536

/**
 * Carries a body of unknown length and breaks it off past `bytesMax`, so that the upstream never takes a cut body for a
 * whole one. Reads in pieces of 64 KB, with back-pressure.
 */
export function carryUndeclared(body: ReadableStream<Uint8Array>, terms: CarryTerms): CarriedBody {
  const through = new IdentityTransformStream()
  const reader = body.getReader({ mode: 'byob' })
  let cut: Cut | null = null
  const cancelTimer = terms.clock.after(terms.patienceMs, () => {
    cut = 'too_slow'
    reader.cancel().catch(() => {})
  })
  const pump = async () => {
    const writer = through.writable.getWriter()
    let buffer = new ArrayBuffer(pieceBytes)
    for (let total = 0; cut === null;) {
      const read = await reader.read(new Uint8Array(buffer)).catch(() => null)
      if (read === null) cut ??= 'unreadable'
      if (cut !== null || read === null) break
      if (read.done) return writer.close()
      total += read.value.length
      if (total > terms.bytesMax) cut = 'too_large'
      else await writer.write(read.value)
      buffer = read.value.buffer
    }
    reader.cancel().catch(() => {})
    return writer.abort(new Error(`the request body was cut: ${cut}`))
  }
  terms.defer(
    pump()
      .catch(() => {})
      .finally(cancelTimer),
  )
  return { stream: through.readable, cut: () => cut }
}
