const chunkBytes = 65_536

/** A request body that is counted on its way; how its reading ended is known once the call has failed or answered. */
export interface LimitedBody {
  readonly stream: ReadableStream<Uint8Array>
  /** Why the body was cut, if it was: too many bytes, or the client's body itself broke. */
  cut(): 'too_large' | 'unreadable' | null
}

/**
 * Passes a body of unknown length on and breaks it off past `bytesMax`, so that the upstream never takes a cut body for
 * a whole one. Reads in pieces of 64 KB with back-pressure.
 */
export function limitBody(
  body: ReadableStream<Uint8Array>,
  bytesMax: number,
  defer: (work: Promise<unknown>) => void,
): LimitedBody {
  const through = new IdentityTransformStream()
  let cut: 'too_large' | 'unreadable' | null = null
  const pump = async () => {
    const reader = body.getReader({ mode: 'byob' })
    const writer = through.writable.getWriter()
    let buffer = new ArrayBuffer(chunkBytes)
    let total = 0
    for (;;) {
      const read = await reader.read(new Uint8Array(buffer)).catch(() => null)
      if (read === null) cut = 'unreadable'
      if (read === null || read.done) break
      total += read.value.length
      if (total > bytesMax) cut = 'too_large'
      if (cut !== null) break
      await writer.write(read.value)
      buffer = read.value.buffer
    }
    if (cut === null) return writer.close()
    reader.cancel(cut).catch(() => {})
    return writer.abort(new Error(`the request body was cut: ${cut}`))
  }
  defer(pump().catch(() => {}))
  return { stream: through.readable, cut: () => cut }
}
