const encoder = new TextEncoder()

/** Bytes to put in place of those from `start` to before `end`. */
export interface Splice {
  readonly start: number
  readonly end: number
  readonly bytes: Uint8Array
}

/**
 * Puts splices into bytes and leaves all others as they are.
 * @param splices in ascending order, without overlap
 * @returns the bytes themselves when there is nothing to splice
 */
export function applySplices(bytes: Uint8Array, splices: readonly Splice[]): Uint8Array {
  if (splices.length === 0) return bytes
  let length = bytes.length
  for (const splice of splices) length += splice.bytes.length - (splice.end - splice.start)
  const spliced = new Uint8Array(length)
  let from = 0
  let to = 0
  for (const splice of splices) {
    spliced.set(bytes.subarray(from, splice.start), to)
    to += splice.start - from
    spliced.set(splice.bytes, to)
    to += splice.bytes.length
    from = splice.end
  }
  spliced.set(bytes.subarray(from), to)
  return spliced
}

/** A member to be added before the brace that ends an object. */
export function memberText(key: string, value: Uint8Array, first: boolean): Uint8Array {
  const before = encoder.encode(`${first ? '' : ','}${JSON.stringify(key)}:`)
  const text = new Uint8Array(before.length + value.length)
  text.set(before)
  text.set(value, before.length)
  return text
}
