const bytesAtFirst = 256
const noBytes = new Uint8Array(0)

/** Bytes kept beyond the chunk they came in, in one piece; grows by doubling. */
export class HeldBytes {
  length = 0
  private bytes: Uint8Array = noBytes

  append(more: Uint8Array): void {
    const length = this.length + more.length
    if (length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(bytesAtFirst, length, this.bytes.length * 2))
      grown.set(this.bytes.subarray(0, this.length))
      this.bytes = grown
    }
    this.bytes.set(more, this.length)
    this.length = length
  }

  /** A copy that stays as it is when more is held. */
  copy(start = 0, end = this.length): Uint8Array {
    return this.bytes.slice(start, Math.min(end, this.length))
  }

  /** The bytes themselves; valid until the next `append` or `clear`. */
  view(start = 0, end = this.length): Uint8Array {
    return this.bytes.subarray(start, Math.min(end, this.length))
  }

  clear(): void {
    this.length = 0
  }
}
