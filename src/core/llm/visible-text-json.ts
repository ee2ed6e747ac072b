import {
  backslash,
  CR,
  endsRun,
  hexValue,
  isBracket,
  isStructure,
  LF,
  quote,
  utf8Bytes,
} from './visible-text-bytes.ts'
import type { NameState, Node, TextPaths } from './visible-text-paths.ts'

/** What the next byte belongs to. */
const between = 0
const inText = 1
const inName = 2
const inOther = 3
const inEscape = 4
const inUnicodeEscape = 5

/** Walks over the bytes of JSON documents, which may be cut anywhere, and counts the text at certain paths. */
export class JsonTextWalker {
  /** UTF-8 bytes of text, escapes decoded. */
  bytes = 0
  /** Strings that held them. */
  texts = 0
  readonly #paths: TextPaths
  #place = between
  /** What a string is, while an escape in it is read. */
  #string = inOther
  /** Of the value that comes next. */
  #node: Node
  /** The innermost open container that leads to text, and whether it is an object. */
  #container: Node = 0
  #inObject = false
  /** Containers that lead to none and are open inside those. */
  #closedOff = 0
  #expectsName = false
  #nameState: NameState = 0
  #isCounted = false
  #hexDigits = 0
  #codeUnit = 0
  #afterHighSurrogate = false

  constructor(paths: TextPaths) {
    this.#paths = paths
    this.#node = paths.root
  }

  /** A new document begins. */
  begin(): void {
    this.#place = between
    this.#node = this.#paths.root
    this.#container = 0
    this.#inObject = false
    this.#closedOff = 0
    this.#expectsName = false
  }

  /** A line has ended. Strings have no line ends: what broke off inside one leads to no more text. */
  endLine(): void {
    if (this.#place === between) return
    this.#place = between
    this.#closedOff = Number.MAX_SAFE_INTEGER
  }

  /** Node of the text being read, or 0. */
  get textNode(): Node {
    return this.#place === inText ? this.#node : 0
  }

  /** Goes to the beginning of a text without walking there. */
  enterText(node: Node): void {
    this.#container = this.#paths.parent[node] as number
    this.#inObject = this.#paths.isElement[node] === 0
    this.#closedOff = 0
    this.#beginText(node)
  }

  /** @returns index of the next line end, or after the quote that begins the next text, or the piece's length */
  walk(piece: Uint8Array, from: number): number {
    let at = from
    while (at < piece.length) {
      const byte = piece[at] as number
      if (byte === LF || byte === CR) return at
      if (this.#place === between) {
        at = this.#closedOff > 0 ? this.#skip(piece, at) : this.#follow(piece, at)
        if (this.textNode !== 0) return at
      } else if (this.#place === inName) at = this.#name(piece, at)
      else if (this.#place === inText || this.#place === inOther) at = this.#run(piece, at)
      else {
        this.#escaped(byte)
        at += 1
      }
    }
    return at
  }

  /** Over containers that lead to no text, until they are closed or something is cut off. */
  #skip(piece: Uint8Array, from: number): number {
    let at = from
    while (this.#closedOff > 0) {
      while (at < piece.length && isBracket[piece[at] as number] === 0) at += 1
      const byte = piece[at]
      if (byte === undefined || byte === LF || byte === CR) return at
      at += 1
      if (byte === quote) {
        at = this.#skipString(piece, at)
        if (this.#place !== between) return at
      } else this.#closedOff += byte === 0x7b || byte === 0x5b ? 1 : -1
    }
    return at
  }

  /** Through containers that lead to text, until there is some, a container that leads to none, or the piece's end. */
  #follow(piece: Uint8Array, from: number): number {
    let at = from
    while (this.#place === between && this.#closedOff === 0) {
      while (at < piece.length && isStructure[piece[at] as number] === 0) at += 1
      const byte = piece[at]
      if (byte === undefined || byte === LF || byte === CR) return at
      at += 1
      if (byte !== quote) this.#step(byte)
      else if (this.#expectsName) {
        this.#expectsName = false
        this.#nameState = this.#paths.nameStart[this.#container] as number
        this.#place = inName
        at = this.#name(piece, at)
      } else if (this.#paths.isText[this.#node] === 0) {
        at = this.#skipString(piece, at)
      } else {
        this.#beginText(this.#node)
      }
    }
    return at
  }

  #beginText(node: Node): void {
    this.#node = node
    this.#place = inText
    this.#expectsName = false
    this.#isCounted = false
    this.#afterHighSurrogate = false
  }

  #step(byte: number): void {
    switch (byte) {
      case 0x3a: // :
        this.#node = this.#paths.nameEnd[this.#nameState] as number
        return
      case 0x2c: // ,
        this.#expectsName = this.#inObject
        this.#node = this.#inObject ? 0 : (this.#paths.element[this.#container] as number)
        return
      case 0x7b: // {
        return this.#enter(this.#node, this.#paths.nameStart[this.#node] !== 0, true)
      case 0x5b: // [
        return this.#enter(this.#node, this.#paths.element[this.#node] !== 0, false)
      default:
        this.#leave()
    }
  }

  #enter(node: Node, leadsToText: boolean, isObject: boolean): void {
    if (!leadsToText) {
      this.#closedOff = 1
      return
    }
    this.#container = node
    this.#inObject = isObject
    this.#expectsName = isObject
    this.#node = isObject ? 0 : (this.#paths.element[node] as number)
  }

  #leave(): void {
    this.#inObject = this.#container !== this.#paths.root && this.#paths.isElement[this.#container] === 0
    this.#container = this.#paths.parent[this.#container] as number
    this.#expectsName = false
    this.#node = 0
  }

  /** Through a member's name; only as far as it is known does it matter how it goes on. */
  #name(piece: Uint8Array, from: number): number {
    let at = from
    let state = this.#nameState
    while (state !== 0 && at < piece.length && endsRun[piece[at] as number] === 0) {
      state = this.#paths.next(state, piece[at] as number)
      at += 1
    }
    this.#nameState = state
    return state === 0 ? this.#run(piece, at) : this.#endRun(piece, at)
  }

  /** Over a string that is no text, from after its first quote. */
  #skipString(piece: Uint8Array, from: number): number {
    let at = from
    for (;;) {
      while (at < piece.length && endsRun[piece[at] as number] === 0) at += 1
      if (piece[at] === quote) return at + 1
      if (piece[at] !== backslash || at + 1 >= piece.length) break
      at += 2
    }
    this.#place = inOther
    return at
  }

  #run(piece: Uint8Array, from: number): number {
    let at = from
    while (at < piece.length && endsRun[piece[at] as number] === 0) at += 1
    if (this.#place === inText && at > from) {
      this.#count(at - from)
      this.#afterHighSurrogate = false
    }
    return this.#endRun(piece, at)
  }

  /** Past the quote, backslash or control character that ended a run; not past a line end. */
  #endRun(piece: Uint8Array, at: number): number {
    const byte = piece[at]
    if (byte === undefined || byte === LF || byte === CR) return at
    if (byte === quote) this.#place = between
    if (byte === backslash) {
      this.#string = this.#place
      this.#place = inEscape
    }
    return at + 1
  }

  #escaped(byte: number): void {
    if (this.#place === inEscape && byte === 0x75) {
      this.#place = inUnicodeEscape
      this.#hexDigits = 0
      this.#codeUnit = 0
      return
    }
    if (this.#place === inEscape) return this.#unescaped(byte)
    this.#codeUnit = this.#codeUnit * 16 + hexValue(byte)
    this.#hexDigits += 1
    if (this.#hexDigits === 4) this.#unescaped(this.#codeUnit)
  }

  /** A character that stood as an escape; of `\n` and the like only its being ASCII matters. */
  #unescaped(codeUnit: number): void {
    this.#place = this.#string
    if (this.#string === inName) this.#nameState = this.#paths.next(this.#nameState, codeUnit)
    if (this.#string !== inText) return
    // The second half of a pair makes four bytes of the three that the first half alone would be replaced by.
    const isPair = this.#afterHighSurrogate && codeUnit >= 0xdc00 && codeUnit <= 0xdfff
    this.#count(isPair ? 1 : utf8Bytes(codeUnit))
    this.#afterHighSurrogate = codeUnit >= 0xd800 && codeUnit <= 0xdbff
  }

  #count(bytes: number): void {
    this.bytes += bytes
    if (this.#isCounted) return
    this.#isCounted = true
    this.texts += 1
  }
}
