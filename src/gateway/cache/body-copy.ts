import { joinBytes } from '../../core/join-bytes.ts'

/** A copy of a body as it passes, up to a limit; one that grows longer is given up. */
export class BodyCopy {
  readonly #bytesMax: number
  #pieces: Uint8Array[] | null = []
  #length = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** @param piece copied, so its buffer may be used again */
  push(piece: Uint8Array): void {
    if (this.#pieces === null) return
    this.#length += piece.length
    if (this.#length > this.#bytesMax) this.#pieces = null
    else this.#pieces.push(piece.slice())
  }

  /** What came; null when it was too much. */
  bytes(): Uint8Array | null {
    return this.#pieces === null ? null : joinBytes(this.#pieces)
  }
}
