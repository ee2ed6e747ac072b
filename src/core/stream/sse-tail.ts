const LF = 10
const CR = 13

/**
 * The unfinished event at the end of a stream: what follows the last blank line, with LF, CRLF or CR line ends
 * (WHATWG HTML, "server-sent events").
 *
 * @param tail the last bytes of the stream
 * @param whole whether `tail` is the stream from its beginning
 * @returns the bytes after the last blank line, empty when the stream ended on one; null when `tail` holds no blank
 *   line and does not begin the stream
 */
export function unfinishedEvent(tail: Uint8Array, whole: boolean): Uint8Array | null {
  for (let at = tail.length; at > 0; at--) {
    if (endsBlankLine(tail, at)) return tail.subarray(at)
  }
  return whole ? tail : null
}

/** Whether the bytes before `at` end with two line ends. */
function endsBlankLine(bytes: Uint8Array, at: number): boolean {
  const last = lineEndBefore(bytes, at)
  return last > 0 && lineEndBefore(bytes, at - last) > 0
}

/** Length of the line end just before `at`: 0, 1 or 2 bytes. */
function lineEndBefore(bytes: Uint8Array, at: number): number {
  if (bytes[at - 1] === LF) return bytes[at - 2] === CR ? 2 : 1
  return bytes[at - 1] === CR ? 1 : 0
}

/** The last bytes of a stream, as far as they are needed, and how many there were in all. */
export class Tail {
  readonly #keep: number
  /** Twice what is kept, so that bytes are moved once in as many as are kept. */
  readonly #buffer: Uint8Array
  #end = 0
  #bytes = 0

  /** @param keep how many bytes at the end are kept */
  constructor(keep: number) {
    this.#keep = keep
    this.#buffer = new Uint8Array(2 * keep)
  }

  /** @param chunk copied, so its buffer may be used again */
  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length
    const last = chunk.subarray(Math.max(0, chunk.length - this.#keep))
    if (this.#end + last.length > this.#buffer.length) {
      const keptFrom = Math.max(0, this.#end + last.length - this.#keep)
      this.#buffer.copyWithin(0, Math.min(keptFrom, this.#end), this.#end)
      this.#end = Math.max(0, this.#end - keptFrom)
    }
    this.#buffer.set(last, this.#end)
    this.#end += last.length
  }

  /** Bytes seen since the beginning. */
  get bytes(): number {
    return this.#bytes
  }

  /** The last bytes, all of them as long as there are no more than are kept; valid until the next push. */
  get last(): Uint8Array {
    return this.#buffer.subarray(Math.max(0, this.#end - this.#keep), this.#end)
  }

  /** The unfinished event at the end; null when it is longer than what was kept. */
  unfinished(): Uint8Array | null {
    return unfinishedEvent(this.last, this.#bytes <= this.#keep)
  }
}
