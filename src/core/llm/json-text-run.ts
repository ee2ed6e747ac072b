import { rowBits, transitions } from './json-grammar.ts'

/** Every byte of four at once: its high bit, its low bit. */
const highBits = 0x80808080 | 0
const lowBits = 0x01010101
const quoteToSpace = 0x02020202
const belowSpaceAndQuote = 0x21212121
const backslashes = 0x5c5c5c5c
/** A three-byte character (RFC 3629): which bits of the lead and of its two followers are fixed, and how. */
const wideMask = 0x00c0c0f0
const wideBits = 0x008080e0
/** Leads by their low four bits; E0 and ED allow fewer followers and are left to the table. */
const wideLeads = 0xdffe
const narrowMask = 0xc0e0
const narrowBits = 0x80c0
/** C0 and C1 would be a second spelling of ASCII. */
const narrowLeadBits = 0x1e

const longMask = 0xc0c0c0f8 | 0
const longBits = 0x808080f0 | 0
const planeMax = 16

const backslash = 0x5c
const unicodeEscape = 0x75
const simpleEscapes = new Uint8Array(256)
const hexDigits = new Uint8Array(256)
for (const char of '"\\/bfnrt') simpleEscapes[char.charCodeAt(0)] = 1
for (const char of '0123456789abcdefABCDEF') hexDigits[char.charCodeAt(0)] = 1

/**
 * Goes over text inside a JSON string, four bytes at a time, to the first byte that has to be looked at singly: a quote,
 * a control character, a rare or wrong form of escape or of UTF-8, or one of the last few before `end`.
 *
 * The test on four bytes is exact up to its first hit: exchanging quote and space makes the quote one of the bytes below
 * 0x21, and a borrow of the subtractions only reaches bytes above one that is a hit itself. `| 0` keeps the offsets in
 * registers; without it the same loop takes twice as long.
 * @returns the offset of that byte, at most `end`
 */
export function skipText(view: DataView, from: number, end: number): number {
  const last = (end - 8) | 0
  let at = from | 0
  while (at <= last) {
    at = skipPlain(view, at, last)
    if (at > last) return at
    const next = skipSpecial(view, at, last)
    if (next === at) return at
    at = next | 0
  }
  return at
}

/** To the first byte that is not plain ASCII text; at most four bytes beyond `last`. */
function skipPlain(view: DataView, from: number, last: number): number {
  let at = from | 0
  while (at <= last) {
    const four = view.getInt32(at, true)
    const hit =
      (four | ((four ^ quoteToSpace) - belowSpaceAndQuote) | ((four ^ backslashes) - lowBits)) & highBits
    if (hit !== 0) return (at + ((31 - Math.clz32(hit & -hit)) >> 3)) | 0
    at = (at + 4) | 0
  }
  return at
}

/** Over one escape, or over characters of two, three or four bytes; over nothing when it is neither. */
function skipSpecial(view: DataView, from: number, last: number): number {
  let at = from | 0
  let four = view.getInt32(at, true)
  if ((four & 0xff) === backslash) return skipEscape(view, at, four)
  let width = widthOf(four)
  while (width !== 0) {
    at = (at + width) | 0
    if (at > last) return at
    four = view.getInt32(at, true)
    width = widthOf(four)
  }
  return at
}

/** Bytes of the character that four bytes begin with, when it needs more than one; 0 when it is to be looked at singly. */
function widthOf(four: number): number {
  if ((four & wideMask) === wideBits) return ((wideLeads >> (four & 15)) & 1) === 0 ? 0 : 3
  if ((four & narrowMask) === narrowBits) return (four & narrowLeadBits) === 0 ? 0 : 2
  if ((four & longMask) !== longBits) return 0
  const plane = ((four & 7) << 2) | ((four >> 12) & 3)
  return plane >= 1 && plane <= planeMax ? 4 : 0
}

function skipEscape(view: DataView, at: number, four: number): number {
  const kind = (four >> 8) & 0xff
  if (simpleEscapes[kind] === 1) return (at + 2) | 0
  if (kind !== unicodeEscape) return at
  const hex = view.getInt32(at + 2, true)
  const digits =
    (hexDigits[hex & 0xff] as number) &
    (hexDigits[(hex >> 8) & 0xff] as number) &
    (hexDigits[(hex >> 16) & 0xff] as number) &
    (hexDigits[(hex >> 24) & 0xff] as number)
  return digits === 1 ? (at + 6) | 0 : at
}

/** Over bytes that leave the grammar in its state, as white space and digits do. */
export function skipSame(chunk: Uint8Array, from: number, state: number): number {
  const row = state << rowBits
  let at = from | 0
  while (at < chunk.length && transitions[row | (chunk[at] as number)] === state) at = (at + 1) | 0
  return at
}

/** Over the digits of an integer and, in an array, over the integers behind it, to a byte at which more has to be known. */
export function skipIntegers(chunk: Uint8Array, from: number, last: number, inArray: boolean): number {
  let at = from | 0
  for (;;) {
    while (at <= last && ((chunk[at] as number) - 0x30) >>> 0 < 10) at = (at + 1) | 0
    if (!inArray || at > last || chunk[at] !== 0x2c) return at
    const next = ((chunk[at + 1] as number) - 0x31) >>> 0 < 9 ? 2 : 0
    if (next === 0) return at
    at = (at + next) | 0
  }
}
