import { CR, LF } from './visible-text-bytes.ts'
import { JsonTextWalker } from './visible-text-json.ts'
import { RepeatedBeginning } from './visible-text-repeat.ts'
import { answerPaths, deltaPaths } from './visible-text-paths.ts'

/** What a line is. */
const unknown = 0
const isData = 1
const isOther = 2

const dataField = [0x64, 0x61, 0x74, 0x61, 0x3a]
const byteOrderMark = [0xef, 0xbb, 0xbf]

/**
 * Counts the UTF-8 bytes of the text a model visibly produced, decoded from JSON (`\n` is one byte, `é` two), in a
 * stream of events or in one JSON answer. Pieces may be cut anywhere. No event is parsed and no string is built: the
 * bytes are walked once. What is not JSON counts nothing from there to the end of its event.
 */
export class VisibleTextCounter {
  readonly #json: JsonTextWalker
  readonly #hasLines: boolean
  #line = unknown
  /** How many bytes of the line are known to be those of the field's name or of the byte order mark. */
  #matched = 0
  #marks = 0
  #afterCr = false
  /** Whether the next byte begins an event, and where in the piece the current one began, if it did and has no text yet. */
  #isBetween = false
  #eventStart = -1
  readonly #beginning = new RepeatedBeginning()

  /** @param body `events`: an event stream (WHATWG HTML §9.2.6); `answer`: one JSON document */
  constructor(body: 'events' | 'answer') {
    this.#hasLines = body === 'events'
    this.#json = new JsonTextWalker(this.#hasLines ? deltaPaths : answerPaths)
  }

  /** UTF-8 bytes of visible text so far; an unfinished event counts with what of it was there. */
  get bytes(): number {
    return this.#json.bytes
  }

  /** Strings that held them; a model gives out at least one token with each that streams. */
  get texts(): number {
    return this.#json.texts
  }

  push(piece: Uint8Array): void {
    if (this.#hasLines) this.#pushLines(piece)
    else this.#pushDocument(piece)
  }

  #pushDocument(piece: Uint8Array): void {
    let at = 0
    while (at < piece.length) {
      at = this.#json.walk(piece, at)
      if (piece[at] === LF || piece[at] === CR) at += 1
    }
  }

  #pushLines(piece: Uint8Array): void {
    this.#eventStart = -1
    let at = 0
    while (at < piece.length) {
      if (this.#isBetween) at = this.#passBeginning(piece, at)
      else if (this.#line === unknown) this.#begin(piece[at++] as number)
      else if (this.#line === isData) at = this.#data(piece, at)
      else at = this.#lineEnd(piece, lineEndFrom(piece, at))
    }
  }

  #passBeginning(piece: Uint8Array, from: number): number {
    const at = this.#beginning.pass(piece, from)
    this.#isBetween = false
    if (at === from) this.#eventStart = at
    else {
      this.#line = isData
      this.#json.enterText(this.#beginning.node)
    }
    return at
  }

  #data(piece: Uint8Array, from: number): number {
    const at = this.#json.walk(piece, from)
    const { textNode } = this.#json
    if (textNode === 0 || this.#eventStart === -1) return this.#lineEnd(piece, at)
    this.#beginning.keep(piece.subarray(this.#eventStart, at), textNode)
    this.#eventStart = -1
    return at
  }

  #lineEnd(piece: Uint8Array, at: number): number {
    const byte = piece[at]
    if (byte !== LF && byte !== CR) return at
    this.#json.endLine()
    this.#endLine(byte)
    return at + 1
  }

  /** One byte of a line of which it is not known yet what it is. */
  #begin(byte: number): void {
    if (this.#marks < byteOrderMark.length && byte === byteOrderMark[this.#marks]) {
      this.#marks += 1
      return
    }
    this.#marks = byteOrderMark.length
    if (byte === LF || byte === CR) return this.#endShortLine(byte)
    this.#afterCr = false
    if (byte !== dataField[this.#matched]) this.#line = isOther
    this.#matched += 1
    if (this.#matched === dataField.length && this.#line === unknown) this.#line = isData
  }

  /** A line end before the line was known: a blank line ends an event, unless it is the second half of CRLF. */
  #endShortLine(byte: number): void {
    const isHalf = byte === LF && this.#afterCr
    if (this.#matched === 0 && !isHalf) {
      this.#json.begin()
      this.#isBetween = true
    }
    this.#endLine(isHalf ? 0 : byte)
  }

  #endLine(byte: number): void {
    this.#line = unknown
    this.#matched = 0
    this.#afterCr = byte === CR
  }
}

function lineEndFrom(piece: Uint8Array, from: number): number {
  let at = from
  while (at < piece.length && piece[at] !== LF && piece[at] !== CR) at += 1
  return at
}
