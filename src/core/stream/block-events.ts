const LF = 10
const CR = 13

/**
 * The events of a block, in order, each with the blank line that ends it; what follows the last blank line comes last
 * (WHATWG HTML §9.2.6). Together they are the block.
 */
export function* blockEvents(block: Uint8Array): Generator<Uint8Array, void> {
  let start = 0
  let isLineEmpty = true
  for (let at = 0; at < block.length; at += 1) {
    const byte = block[at]
    const endsLine = byte === LF || byte === CR
    if (byte === CR && block[at + 1] === LF) at += 1
    if (endsLine && isLineEmpty) {
      yield block.subarray(start, at + 1)
      start = at + 1
    }
    isLineEmpty = endsLine
  }
  if (start < block.length) yield block.subarray(start)
}
