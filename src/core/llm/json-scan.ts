import type { Refusal } from '../refusal.ts'
import {
  action,
  afterArrayValue,
  afterKey,
  afterObjectValue,
  afterOuterValue,
  beforeKey,
  beforeValue,
  done,
  inString,
  integer,
  rowBits,
  start,
  stateBits,
  stateMask,
  transitions,
} from './json-grammar.ts'
import { brokenOff, depthMax, tooDeep, unexpectedByte } from './json-refusal.ts'
import { skipIntegers, skipSame, skipText } from './json-text-run.ts'
import { MemberWatch, type ObjectVisitor } from './member-watch.ts'
import type { WatchedKeys } from './watched-keys.ts'

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const space = 0x20
/** Bytes that have to follow in the chunk where several are looked at in one go. */
const lookAhead = 8
const noBytes = new Uint8Array(0)
/** Instead of a state: the scan has refused. */
const refused = -1

/**
 * Reads one JSON object in chunks of any size, strictly (RFC 8259 in UTF-8 without a byte order mark), and finds the
 * watched members of its top level. Nothing else is decoded; the nested rest is checked all the same. Accepts what
 * `JSON.parse` accepts, less: what is not an object, nesting beyond `depthMax`, a watched key twice, a key that differs
 * from a watched one only in case. Keeps at most one watched member beyond its chunk.
 *
 * Every byte can be read by the table of the grammar alone. Text in strings, numbers in arrays and what stands between
 * two strings are read in larger steps where the chunk has enough of them.
 */
export class JsonObjectScan {
  private readonly watch: MemberWatch
  private chunk: Uint8Array = noBytes
  private state = start
  private depth = 0
  /** Whether the container of that depth is an object. */
  private readonly objects: boolean[] = [false, true]
  /** State behind a value at the present depth. */
  private afterValue = afterOuterValue
  private inKey = false
  private refusal: Refusal | null = null

  constructor(watched: WatchedKeys, visitor: ObjectVisitor) {
    this.watch = new MemberWatch(watched, visitor)
  }

  /** Offset before which nothing read so far will be told of any more: a key or watched member may begin there. */
  get settledBytes(): number {
    return this.watch.settledBytes
  }

  /** Reads the next bytes of the body; they are not kept. @returns a refusal `malformed_request`, or the visitor's */
  push(chunk: Uint8Array): Refusal | null {
    if (this.refusal !== null) return this.refusal
    this.chunk = chunk
    this.watch.beginChunk(chunk)
    this.read(chunk)
    if (this.refusal === null) this.watch.endChunk()
    this.chunk = noBytes
    return this.refusal
  }

  /** Says that the body is over. @returns a refusal when the object is not */
  end(): Refusal | null {
    if (this.state !== done) this.refusal ??= brokenOff(this.state, this.watch.base)
    return this.refusal
  }

  private read(chunk: Uint8Array): void {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length)
    const end = chunk.length | 0
    const roomy = (end - lookAhead) | 0
    let state = this.state
    let at = 0
    while (at < end) {
      if (state === inString) {
        at = skipText(view, at, end)
        if (at < roomy && this.depth > 1 && chunk[at] === quote) {
          at = this.passQuote(chunk, at)
          state = this.state
          continue
        }
        if (at === end) break
      } else if (state === integer) {
        at = skipIntegers(chunk, at, roomy, this.afterValue === afterArrayValue)
      }
      const entry = transitions[(state << rowBits) | (chunk[at] as number)] as number
      if (entry === state) {
        at = skipSame(chunk, at, state)
        continue
      }
      const todo = entry >> stateBits
      if (todo === action.none) state = entry & stateMask
      else {
        this.state = state
        state = this.act(todo, entry & stateMask, at)
        if (state === refused) return
        if (todo === action.endNumber) continue
      }
      at = (at + 1) | 0
    }
    this.state = state
  }

  /**
   * Over a closing quote below the top level and the few bytes that commonly follow, to the next token.
   * @returns the offset behind them; `state` is the one there
   */
  private passQuote(chunk: Uint8Array, from: number): number {
    const key = this.inKey
    let at = (from + 1) | 0
    this.inKey = false
    if (chunk[at] !== (key ? colon : comma)) {
      this.state = key ? afterKey : this.afterValue
      return at
    }
    at = (at + 1) | 0
    if (chunk[at] === space) at = (at + 1) | 0
    const toKey = !key && this.afterValue === afterObjectValue
    if (chunk[at] !== quote) {
      this.state = toKey ? beforeKey : beforeValue
      return at
    }
    this.inKey = toKey
    this.state = inString
    return (at + 1) | 0
  }

  /** Does what the grammar says at byte `at` of the chunk. @returns the next state */
  private act(todo: number, next: number, at: number): number {
    switch (todo) {
      case action.beginKey:
        this.inKey = true
        if (this.depth === 1) this.watch.begin(at)
        return next
      case action.endString:
        return this.endString(at)
      case action.beginText:
      case action.beginScalar:
        if (this.depth === 1) this.watch.beginValue(at)
        return next
      case action.endLiteral:
        return this.endValue(at + 1)
      case action.endNumber:
        return this.endValue(at)
      case action.openObject:
      case action.openArray:
        return this.open(todo === action.openObject, next, at)
      case action.close:
        return this.close(at)
      default:
        return this.actOutside(todo, next, at)
    }
  }

  /** What happens once for each member of the outermost object, or once for the object. */
  private actOutside(todo: number, next: number, at: number): number {
    if (todo === action.openOuter) {
      this.depth = 1
      return next
    }
    if (todo === action.refuse) {
      return this.refuse(unexpectedByte(this.state, this.chunk[at] as number, this.watch.base + at))
    }
    if (todo === action.nextMember) return this.unlessRefused(this.watch.end(at, false), next)
    this.depth = 0
    return this.unlessRefused(this.watch.close(at), next)
  }

  private open(object: boolean, next: number, at: number): number {
    if (this.depth === 1) this.watch.beginValue(at)
    if (this.depth === depthMax) return this.refuse(tooDeep(this.watch.base + at))
    this.depth += 1
    this.objects[this.depth] = object
    this.afterValue = object ? afterObjectValue : afterArrayValue
    return next
  }

  private close(at: number): number {
    this.depth -= 1
    if (this.depth === 1) this.afterValue = afterOuterValue
    else this.afterValue = this.objects[this.depth] === true ? afterObjectValue : afterArrayValue
    return this.endValue(at + 1)
  }

  private endString(at: number): number {
    if (!this.inKey) return this.endValue(at + 1)
    this.inKey = false
    return this.depth > 1 ? afterKey : this.unlessRefused(this.watch.endKey(at), afterKey)
  }

  private endValue(end: number): number {
    if (this.depth === 1) this.watch.endValue(end)
    return this.afterValue
  }

  private unlessRefused(refusal: Refusal | null, next: number): number {
    return refusal === null ? next : this.refuse(refusal)
  }

  private refuse(refusal: Refusal): typeof refused {
    this.refusal = refusal
    return refused
  }
}
