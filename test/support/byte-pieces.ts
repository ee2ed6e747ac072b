const encoder = new TextEncoder()

/** The UTF-8 bytes of a text. */
export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text)
}

/** A character for each byte, so that bytes which are no text compare and print well. */
export function charsOf(bytes: Uint8Array): string {
  let chars = ''
  for (const byte of bytes) chars += String.fromCharCode(byte)
  return chars
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

/** Bytes in pieces, some of them empty. @param cuts any numbers; taken modulo the length */
export function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const offsets = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b)
  return [0, ...offsets].map((from, at) => bytes.subarray(from, offsets[at] ?? bytes.length))
}
