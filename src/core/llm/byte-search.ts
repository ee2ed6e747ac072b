/** Finds one sequence of bytes in others, skipping what cannot be part of it (Boyer-Moore-Horspool). */
export class ByteSearch {
  readonly length: number
  private readonly wanted: Uint8Array
  /** By the byte under the end of the sequence: how far the sequence can move on. */
  private readonly skip: Uint8Array

  /** @param wanted 1 to 255 bytes */
  constructor(wanted: Uint8Array) {
    this.wanted = wanted
    this.length = wanted.length
    this.skip = new Uint8Array(256).fill(wanted.length)
    for (let at = 0; at < wanted.length - 1; at += 1) this.skip[wanted[at] as number] = wanted.length - 1 - at
  }

  /** @returns the offset of the first match that begins at `from` or later, -1 when there is none */
  in(bytes: Uint8Array, from = 0): number {
    const { wanted, skip, length } = this
    const final = length - 1
    const lastByte = wanted[final]
    let end = from + final
    while (end < bytes.length) {
      const byte = bytes[end] as number
      if (byte === lastByte && this.isAt(bytes, end - final)) return end - final
      end += skip[byte] as number
    }
    return -1
  }

  /** Whether the sequence begins at an offset. */
  isAt(bytes: Uint8Array, start: number): boolean {
    for (let at = 0; at < this.length; at += 1) if (bytes[start + at] !== this.wanted[at]) return false
    return true
  }
}
