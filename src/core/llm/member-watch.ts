import type { Refusal } from '../refusal.ts'
import { HeldBytes } from './held-bytes.ts'
import { otherCase, sentTwice } from './json-refusal.ts'
import type { WatchedKeys } from './watched-keys.ts'

/** Bytes of a watched member, from its key to the comma or brace behind it, up to which its value is read. */
export const memberBytesMax = 64 * 1024

/** A watched member of the outermost object. All offsets count from the first byte of the body. */
export interface Member {
  readonly key: string
  /** Of the opening quote of the key. */
  readonly keyStart: number
  readonly valueStart: number
  /** Of the first byte behind the value. */
  readonly valueEnd: number
  /** Of the comma or brace behind the value. */
  readonly separatorAt: number
  /** Whether a brace follows, so that the object ends with this member. */
  readonly last: boolean
}

/** Who is told of what a scan finds, in the order of the body; a refusal ends the scan. */
export interface ObjectVisitor {
  /** @param value the value's bytes, lent for the time of the call; `null` above `memberBytesMax` */
  member(member: Member, value: Uint8Array | null): Refusal | null
  /** @param at offset of the brace that ends the object */
  close(at: number, empty: boolean): Refusal | null
}

const noBytes = new Uint8Array(0)

/**
 * Follows the members of one object through its chunks, keeps those that are watched in one piece, and tells of them.
 * Offsets it is given count from the first byte of the chunk.
 */
export class MemberWatch {
  /** Whether no member has begun yet. */
  empty = true
  /** Bytes in earlier chunks. */
  base = 0
  private readonly watched: WatchedKeys
  private readonly visitor: ObjectVisitor
  private chunk: Uint8Array = noBytes
  private readonly seen: string[] = []
  /** What came of the present member in earlier chunks, up to the offset `heldEnd` in the body. */
  private readonly held = new HeldBytes()
  private heldEnd = 0
  /** Whether the bytes from `keyStart` on are wanted. */
  private holding = false
  /** The watched key whose value is being read. */
  private key: string | null = null
  private keyStart = 0
  private valueStart = 0
  private valueEnd = 0

  constructor(watched: WatchedKeys, visitor: ObjectVisitor) {
    this.watched = watched
    this.visitor = visitor
  }

  /** Offset before which nothing read so far will be told of any more. */
  get settledBytes(): number {
    return this.holding ? this.keyStart : this.base
  }

  beginChunk(chunk: Uint8Array): void {
    this.chunk = chunk
  }

  /** Keeps what the chunk has of a member that goes on behind it, unless it is too long to be told of. */
  endChunk(): void {
    const end = this.base + this.chunk.length
    const bytesMax = this.key === null ? this.watched.spellingBytesMax + 1 : memberBytesMax
    if (end - this.keyStart > bytesMax) this.holding = false
    if (this.holding) this.keepUpTo(this.chunk.length)
    this.base = end
    this.chunk = noBytes
  }

  /** @param at offset of the opening quote of a key */
  begin(at: number): void {
    this.keyStart = this.base + at
    this.heldEnd = this.keyStart
    this.empty = false
    this.holding = true
    this.held.clear()
  }

  /** @param at offset of the closing quote */
  endKey(at: number): Refusal | null {
    const match = this.holding ? this.watched.match(this.heldUpTo(at).subarray(1)) : null
    this.holding = match !== null
    if (match === null) return null
    const { key, exact } = match
    if (!exact) return otherCase(key, this.keyStart)
    if (this.seen.includes(key)) return sentTwice(key, this.keyStart)
    this.seen.push(key)
    this.key = key
    return null
  }

  beginValue(at: number): void {
    this.valueStart = this.base + at
  }

  endValue(at: number): void {
    this.valueEnd = this.base + at
  }

  /** @param at offset of the comma or brace behind a member, or of the brace of an empty object */
  end(at: number, last: boolean): Refusal | null {
    const { key, keyStart, valueStart, valueEnd } = this
    if (key === null) return null
    const separatorAt = this.base + at
    const fits = this.holding && separatorAt - keyStart <= memberBytesMax
    const value = fits ? this.heldUpTo(at).subarray(valueStart - keyStart, valueEnd - keyStart) : null
    this.key = null
    this.holding = false
    return this.visitor.member({ key, keyStart, valueStart, valueEnd, separatorAt, last }, value)
  }

  /** @param at offset of the brace that ends the object */
  close(at: number): Refusal | null {
    return this.end(at, true) ?? this.visitor.close(this.base + at, this.empty)
  }

  /** All from `keyStart` to before `at`. */
  private heldUpTo(at: number): Uint8Array {
    if (this.keyStart >= this.base) return this.chunk.subarray(this.keyStart - this.base, at)
    this.keepUpTo(at)
    return this.held.view()
  }

  private keepUpTo(at: number): void {
    this.held.append(this.chunk.subarray(this.heldEnd - this.base, at))
    this.heldEnd = this.base + at
  }
}
