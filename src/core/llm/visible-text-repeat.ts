/** Longer beginnings of events are not kept. */
const bytesMax = 2_048
/** After so many beginnings in a row that were not met again, only every 64th is kept. */
const triesMax = 8
const nothing = new Uint8Array(0)

/**
 * How the last event began, up to its text. In most streams the next one begins with the very same bytes, which can
 * then be passed by comparing them, for they lead to the same place.
 */
export class RepeatedBeginning {
  /** Where the bytes lead to. */
  node = 0
  #bytes: Uint8Array = nothing
  #misses = 0

  /** @returns index after the same bytes, or `at` when other ones stand there or not all of them do */
  pass(piece: Uint8Array, at: number): number {
    const bytes = this.#bytes
    const { length } = bytes
    if (length === 0 || piece.length - at < length) return at
    for (let n = 0; n < length; n += 1) {
      if (piece[at + n] !== bytes[n]) return at
    }
    this.#misses = 0
    return at + length
  }

  /** @param node where the bytes lead to */
  keep(bytes: Uint8Array, node: number): void {
    this.#misses += 1
    if (bytes.length > bytesMax || (this.#misses > triesMax && this.#misses % 64 !== 0)) return
    this.#bytes = bytes.slice()
    this.node = node
  }
}
