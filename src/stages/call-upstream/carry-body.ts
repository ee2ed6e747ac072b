/** Why a request body was cut on its way to the upstream. */
export type Cut = 'too_large' | 'unreadable'

/** A request body on its way. */
export interface CarriedBody {
  readonly stream: ReadableStream<Uint8Array>
  /**
   * Resolves when the last byte is on its way; rejects when the body was cut. Then the call must be aborted: a stream
   * that only ends would leave the upstream with a body that looks whole.
   */
  readonly sent: Promise<void>
  /** Known once the call has failed or answered. */
  cut(): Cut | null
}

/** Carries a body of declared length: the runtime moves the bytes and keeps the length. */
export function carryDeclared(body: ReadableStream<Uint8Array>, length: number): CarriedBody {
  const through = new FixedLengthStream(length)
  let cut: Cut | null = null
  const sent = body.pipeTo(through.writable, { preventAbort: true }).catch((error: unknown) => {
    cut = 'unreadable'
    throw error
  })
  return { stream: through.readable, sent, cut: () => cut }
}

const pieceBytes = 65_536

/**
 * Carries a body of unknown length and cuts it past `bytesMax`. Reads in pieces of 64 KB, with back-pressure.
 */
export function carryUndeclared(body: ReadableStream<Uint8Array>, bytesMax: number): CarriedBody {
  const through = new IdentityTransformStream()
  let cut: Cut | null = null
  const pump = async () => {
    const reader = body.getReader({ mode: 'byob' })
    const writer = through.writable.getWriter()
    let buffer = new ArrayBuffer(pieceBytes)
    for (let total = 0; ;) {
      const read = await reader.read(new Uint8Array(buffer)).catch(() => null)
      if (read?.done === true) return writer.close()
      total += read?.value.length ?? 0
      if (read === null) cut = 'unreadable'
      else if (total > bytesMax) cut = 'too_large'
      if (read === null || cut !== null) break
      await writer.write(read.value)
      buffer = read.value.buffer
    }
    reader.cancel().catch(() => {})
    throw new Error(`the request body was cut: ${cut}`)
  }
  return { stream: through.readable, sent: pump(), cut: () => cut }
}
