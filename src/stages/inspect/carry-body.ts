import { joinBytes } from '../../core/join-bytes.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { Refusal } from '../../core/refusal.ts'

/** A request body on its way. */
export interface CarriedBody {
  readonly stream: ReadableStream<Uint8Array>
  /**
   * Resolves when the last byte is on its way; rejects when the body was cut. Then the call must be aborted: a stream
   * that only ends would leave the upstream with a body that looks whole.
   */
  readonly sent: Promise<void>
  /** Why the body was cut; known once the call has failed or answered. */
  cut(): Refusal | null
  /** Bytes of the client's that have been taken so far. */
  bytes(): number
}

/** Changes a body on its way. */
export interface PieceRewriter {
  /** @returns what to send on for these bytes, or why the body must not go on */
  push(chunk: Uint8Array): Outcome<readonly Uint8Array[]>
  /** @returns a refusal when the body was not whole */
  end(): Outcome<unknown>
}

export const unreadable: Refusal = {
  refused: 'malformed_request',
  detail: 'The body broke off or is not well framed; send it whole.',
}

/** Carries a body of declared length: the runtime moves the bytes and keeps the length. */
export function carryDeclared(body: ReadableStream<Uint8Array>, length: number): CarriedBody {
  const through = new FixedLengthStream(length)
  let cut: Refusal | null = null
  const kept = { preventAbort: true, preventCancel: true }
  const sent = body.pipeTo(through.writable, kept).catch(async (error: unknown) => {
    // An upstream that takes no more of it has its own say.
    if (!(await isBroken(body))) return
    cut = unreadable
    throw error
  })
  return { stream: through.readable, sent, cut: () => cut, bytes: () => length }
}

/** Whether a stream that is not being read has failed. */
function isBroken(stream: ReadableStream<Uint8Array>): Promise<boolean> {
  const failed = stream.getReader().closed.then(
    () => false,
    () => true,
  )
  // A failed stream says so at once.
  const otherwise = Promise.resolve(false)
    .then((no) => no)
    .then((no) => no)
  return Promise.race([failed, otherwise])
}

const pieceBytes = 65_536
/** A read returns at most one chunk of a chunked body; past so many of them, so small on average, they are gathered. */
const tinyReads = 1_000
const tinyBytes = 256
const gatheredBytes = 4_096

/** What is left of a body, and what was read of it before. */
export interface BegunBody {
  readonly stream: ReadableStream<Uint8Array>
  readonly front: Uint8Array
}

/**
 * Carries a body of unknown length, or one that is rewritten on its way, and cuts it past `bytesMax` or where the
 * rewriter refuses it. Reads in pieces of 64 KB, with back-pressure and one buffer.
 */
export function carryPieces(
  body: ReadableStream<Uint8Array> | BegunBody,
  bytesMax: number,
  rewriter: PieceRewriter | null,
): CarriedBody {
  const through = new IdentityTransformStream()
  const begun = 'front' in body ? body : { stream: body, front: null }
  const pump = new Pump(begun, through.writable, bytesMax, rewriter)
  return { stream: through.readable, sent: pump.run(), cut: () => pump.cut, bytes: () => pump.bytes }
}

/** What a read brings. */
type Read = { readonly done: true } | { readonly done: false; readonly value: Uint8Array }

class Pump {
  cut: Refusal | null = null
  bytes = 0
  readonly #reader: ReadableStreamBYOBReader
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #bytesMax: number
  readonly #rewriter: PieceRewriter | null
  #reads = 0
  #buffer = new ArrayBuffer(pieceBytes)
  #front: Uint8Array | null

  constructor(
    { stream, front }: { readonly stream: BegunBody['stream']; readonly front: Uint8Array | null },
    writable: WritableStream<Uint8Array>,
    bytesMax: number,
    rewriter: PieceRewriter | null,
  ) {
    this.#front = front
    this.#reader = stream.getReader({ mode: 'byob' })
    this.#writer = writable.getWriter()
    this.#bytesMax = bytesMax
    this.#rewriter = rewriter
  }

  async run(): Promise<void> {
    for (;;) {
      const read = await this.#read().catch(() => null)
      const pieces = this.#take(read)
      if (isRefusal(pieces)) return this.#cutOff(pieces)
      // One write a read: a form of many parts is rewritten in many pieces, each of which would wake the runtime.
      const [first, ...more] = pieces
      if (first !== undefined && !(await this.#send(more.length === 0 ? first : joinBytes(pieces)))) return
      if (read === null || read.done) return this.#writer.close()
    }
  }

  /** @returns false when the upstream takes no more, about which it has its own say */
  async #send(bytes: Uint8Array): Promise<boolean> {
    try {
      await this.#writer.write(bytes)
      return true
    } catch {
      this.#reader.cancel().catch(() => {})
      return false
    }
  }

  async #read(): Promise<Read> {
    const front = this.#front
    this.#front = null
    if (front !== null) return { done: false, value: front }
    this.#reads += 1
    // Otherwise a client could make every byte of its body cost a turn of the loop and a chunk upstream.
    const tiny = this.#reads > tinyReads && this.bytes < this.#reads * tinyBytes
    const read = await this.#reader.readAtLeast(tiny ? gatheredBytes : 1, new Uint8Array(this.#buffer))
    if (read.done) return { done: true }
    this.#buffer = read.value.buffer
    return read
  }

  /** What to send on for a read; a refusal where the body is unreadable, too large, or must not go on. */
  #take(read: Read | null): Outcome<readonly Uint8Array[]> {
    if (read === null) return unreadable
    if (read.done) {
      const ended = this.#rewriter?.end()
      return isRefusal(ended) ? ended : []
    }
    this.bytes += read.value.length
    if (this.bytes > this.#bytesMax) return { refused: 'body_too_large', bytesMax: this.#bytesMax }
    return this.#rewriter === null ? [read.value] : this.#rewriter.push(read.value)
  }

  #cutOff(refusal: Refusal): never {
    this.cut = refusal
    this.#reader.cancel().catch(() => {})
    throw new Error('the request body was cut')
  }
}
