/** Everything that looks random in the mock: a pure function of a seed and a position. */

const TEXT_LENGTH = 65_536
/** A prime period, so that a body shifted or cut at a power of two never looks right. */
const BYTES_PERIOD = 65_521
export const PIECE_BYTES_MAX = 1_048_576

const TEXT = lettersAndSpaces(TEXT_LENGTH)
const BYTES = patternOf(BYTES_PERIOD + TEXT_LENGTH)

/** Mixes two numbers into 32 bits (murmur3's finaliser over a golden-ratio step). */
function mix32(seed: number, position: number): number {
  let h = (Math.imul(position + 1, 0x9e3779b1) ^ Math.imul(seed | 0, 0x85ebca6b)) | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** A number in [0, 1) for a seed and a position. */
export function fraction(seed: number, position: number): number {
  return mix32(seed, position) / 0x1_0000_0000
}

/** Hashes text to a seed (FNV-1a). */
export function seedOfText(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h >>> 0
}

/** The text of one token: `size` ASCII letters and spaces, so it needs no JSON escaping and a byte is a character. */
export function tokenText(seed: number, index: number, size: number): string {
  const room = TEXT_LENGTH - size
  if (room <= 0) return TEXT.repeat(Math.ceil(size / TEXT_LENGTH)).slice(0, size)
  const from = mix32(seed, index) % room
  return TEXT.slice(from, from + size)
}

/** Bytes `offset … offset+length` of the endless deterministic body behind `/bytes/{n}`. */
export function patternBytes(offset: number, length: number): Uint8Array {
  const from = offset % BYTES_PERIOD
  if (from + length <= BYTES.length) return BYTES.subarray(from, from + length)
  const piece = new Uint8Array(length)
  for (let at = 0; at < length; at += BYTES_PERIOD) {
    const start = (from + at) % BYTES_PERIOD
    piece.set(BYTES.subarray(start, start + Math.min(BYTES_PERIOD, length - at)), at)
  }
  return piece
}

function lettersAndSpaces(length: number): string {
  let text = ''
  for (let i = 0; i < length; i += 1) {
    const draw = mix32(0, i) % 31
    text += draw < 26 ? String.fromCharCode(97 + draw) : ' '
  }
  return text
}

function patternOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i += 1) bytes[i] = mix32(1, i % BYTES_PERIOD) & 0xff
  return bytes
}
