/**
 * The grammar of a JSON object in UTF-8 (RFC 8259, RFC 3629) as a table: for each state and each byte, the next state
 * and, in the high bits, what has to be done. What a table cannot hold, the nesting, is left to its reader.
 */

/** Bits of an entry that hold the next state. */
export const stateBits = 6
export const stateMask = (1 << stateBits) - 1

/** States inside a string. `inString` is 0 so that the reader's test for it is cheapest. */
export const inString = 0
const escape = 1
const hex = [2, 3, 4, 5] as const
/** The first and the last of the states inside a character of several bytes. */
export const oneMore = 6
const twoMore = 7
const threeMore = 8
const afterE0 = 9
const afterED = 10
const afterF0 = 11
export const afterF4 = 12

/** States between tokens. */
export const start = 13
/** Behind the brace of the outermost object. */
export const firstMember = 14
export const afterKey = 15
export const beforeKey = 16
const beforeKeyOrEnd = 17
export const beforeValue = 18
const beforeValueOrEnd = 19
/** Behind a value, by what the value is a member of. */
export const afterOuterValue = 20
export const afterObjectValue = 21
export const afterArrayValue = 22
/** Behind the outermost object. */
export const done = 23

/** States inside a number; those that may end it are zero, integer, fraction and power. */
const minus = 24
const zero = 25
export const integer = 26
const point = 27
const fraction = 28
const exponent = 29
const exponentSign = 30
const power = 31

/** States inside `true`, `false` and `null`, one for each letter behind the first. */
const literals: readonly (readonly [text: string, first: number])[] = [
  ['true', 32],
  ['false', 35],
  ['null', 39],
]
const stateCount = 42

/** What the reader has to do at a byte. */
export const action = {
  none: 0,
  refuse: 1,
  beginKey: 2,
  beginText: 4,
  endString: 3,
  beginScalar: 5,
  endLiteral: 6,
  /** The byte that ends a number is not part of it and is to be read again. */
  endNumber: 7,
  openOuter: 8,
  openObject: 9,
  openArray: 10,
  close: 11,
  closeOuter: 12,
  /** The comma between two members of the outermost object. */
  nextMember: 13,
} as const

type Bytes = string | readonly [first: number, last: number]

const whiteSpace = ' \t\n\r'
const digits: Bytes = [0x30, 0x39]
const positive: Bytes = [0x31, 0x39]
const continuation: Bytes = [0x80, 0xbf]

/** One entry for each state and byte, at `state << rowBits | byte`. */
export const rowBits = 8
export const transitions = buildTransitions()

function buildTransitions(): Uint16Array {
  const table = new Uint16Array(stateCount << rowBits).fill(action.refuse << stateBits)
  const on = (from: number, bytes: Bytes, to: number, todo: number = action.none): void => {
    const entry = (todo << stateBits) | to
    if (typeof bytes !== 'string')
      table.fill(entry, (from << rowBits) | bytes[0], ((from << rowBits) | bytes[1]) + 1)
    else for (const char of bytes) table[(from << rowBits) | char.charCodeAt(0)] = entry
  }
  addStrings(on)
  addStructure(on)
  addNumbers(on)
  addLiterals(on)
  return table
}

type On = (from: number, bytes: Bytes, to: number, todo?: number) => void

function addStrings(on: On): void {
  on(inString, [0x20, 0x7f], inString)
  on(inString, '"', inString, action.endString)
  on(inString, '\\', escape)
  on(escape, '"\\/bfnrt', inString)
  on(escape, 'u', hex[0])
  for (const [at, from] of hex.entries()) {
    const to = hex[at + 1] ?? inString
    on(from, digits, to)
    on(from, 'abcdefABCDEF', to)
  }
  on(inString, [0xc2, 0xdf], oneMore)
  on(inString, [0xe0, 0xef], twoMore)
  on(inString, [0xe0, 0xe0], afterE0)
  on(inString, [0xed, 0xed], afterED)
  on(inString, [0xf1, 0xf3], threeMore)
  on(inString, [0xf0, 0xf0], afterF0)
  on(inString, [0xf4, 0xf4], afterF4)
  on(oneMore, continuation, inString)
  on(twoMore, continuation, oneMore)
  on(threeMore, continuation, twoMore)
  // No second spelling of a short character, no half of a surrogate pair, nothing above U+10FFFF.
  on(afterE0, [0xa0, 0xbf], oneMore)
  on(afterED, [0x80, 0x9f], oneMore)
  on(afterF0, [0x90, 0xbf], twoMore)
  on(afterF4, [0x80, 0x8f], twoMore)
}

function addStructure(on: On): void {
  for (let state = start; state <= done; state += 1) on(state, whiteSpace, state)
  on(start, '{', firstMember, action.openOuter)
  for (const state of [firstMember, beforeKey, beforeKeyOrEnd]) on(state, '"', inString, action.beginKey)
  on(firstMember, '}', done, action.closeOuter)
  on(beforeKeyOrEnd, '}', 0, action.close)
  on(afterKey, ':', beforeValue)
  for (const state of [beforeValue, beforeValueOrEnd]) {
    on(state, '"', inString, action.beginText)
    on(state, '{', beforeKeyOrEnd, action.openObject)
    on(state, '[', beforeValueOrEnd, action.openArray)
    on(state, '-', minus, action.beginScalar)
    on(state, '0', zero, action.beginScalar)
    on(state, positive, integer, action.beginScalar)
    for (const [text, first] of literals) on(state, text.charAt(0), first, action.beginScalar)
  }
  on(beforeValueOrEnd, ']', 0, action.close)
  on(afterOuterValue, ',', beforeKey, action.nextMember)
  on(afterOuterValue, '}', done, action.closeOuter)
  on(afterObjectValue, ',', beforeKey)
  on(afterObjectValue, '}', 0, action.close)
  on(afterArrayValue, ',', beforeValue)
  on(afterArrayValue, ']', 0, action.close)
}

function addNumbers(on: On): void {
  for (const state of [zero, integer, fraction, power]) on(state, `${whiteSpace},]}`, 0, action.endNumber)
  on(minus, '0', zero)
  on(minus, positive, integer)
  on(integer, digits, integer)
  for (const state of [zero, integer]) on(state, '.', point)
  for (const state of [point, fraction]) on(state, digits, fraction)
  for (const state of [zero, integer, fraction]) on(state, 'eE', exponent)
  on(exponent, '+-', exponentSign)
  for (const state of [exponent, exponentSign, power]) on(state, digits, power)
}

function addLiterals(on: On): void {
  for (const [text, first] of literals) {
    for (let at = 1; at < text.length; at += 1) {
      const last = at === text.length - 1
      on(first + at - 1, text.charAt(at), last ? 0 : first + at, last ? action.endLiteral : action.none)
    }
  }
}
