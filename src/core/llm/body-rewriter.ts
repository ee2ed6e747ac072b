import { isRefusal, type Outcome } from '../outcome.ts'
import type { Refusal } from '../refusal.ts'
import { type BodyFacts, factsOf, readValue, tooLong } from './body-facts.ts'
import type { JsonValue } from './json-value.ts'
import { watchedKeys } from './body-scan.ts'
import { checkEditable, type RewritePlan } from './body-splice.ts'
import { optionsFate, withUsage } from './body-stream-options.ts'
import { HeldBytes } from './held-bytes.ts'
import { JsonObjectScan } from './json-scan.ts'
import type { Member } from './member-watch.ts'
import { memberText } from './splice.ts'
import type { WatchedKeys } from './watched-keys.ts'

const encoder = new TextEncoder()
const noBytes = new Uint8Array(0)

/** What is known of a body once it has passed. */
export interface RewrittenBody {
  /** What the client sent, before any edit. */
  readonly facts: BodyFacts
  readonly values: ReadonlyMap<string, JsonValue | undefined>
  /** Bytes by which the body has become longer. */
  readonly lengthDelta: number
}

/**
 * Carries out a plan on a body that arrives in chunks of any size, with the bytes `scanBody` and `rewriteBody` would
 * give for the whole, and holds no more of it than one watched member and moved `stream_options`, of `memberBytesMax`
 * each. A refusal may come half-way: the bytes sent on by then are no whole JSON object, so the call that carries them
 * has to be aborted.
 */
export class BodyRewriter {
  private readonly plan: RewritePlan
  private readonly scan: JsonObjectScan
  private readonly values = new Map<string, JsonValue | undefined>()
  private pieces: Uint8Array[] = []
  private chunk: Uint8Array = noBytes
  /** Offset of the chunk in the body. */
  private base = 0
  /** Offset up to which the body has been sent on or replaced. */
  private sent = 0
  /** What came before the chunk from `heldFrom` on and may yet be replaced. */
  private readonly held = new HeldBytes()
  private delta = 0
  private optionsMoved: Uint8Array | null = null
  private closed = false

  /**
   * @param watched keys to look for, from `watchedKeys`; those of the plan have to be among them
   * @throws {TypeError} when one is not, or the plan edits `stream_options` and asks for usage
   */
  constructor(plan: RewritePlan, watched: WatchedKeys = watchedKeys([])) {
    for (const key of plan.edits.keys()) checkEditable(key, watched, plan.askForUsage)
    this.plan = plan
    this.scan = new JsonObjectScan(watched, {
      member: (member, value) => this.member(member, value),
      close: (at, empty) => this.close(at, empty),
    })
  }

  /** Bytes by which the body becomes longer; `null` as long as later members may change it. */
  get lengthDelta(): number | null {
    return this.closed || this.isSettled() ? this.delta : null
  }

  /**
   * Takes the next bytes of the body.
   * @returns the bytes to send on, in part views of the chunk; or a refusal, and the same one ever after
   */
  push(chunk: Uint8Array): Outcome<readonly Uint8Array[]> {
    this.chunk = chunk
    this.pieces = []
    const refusal = this.scan.push(chunk)
    if (refusal !== null) return refusal
    const end = this.base + chunk.length
    this.send(this.scan.settledBytes)
    if (this.sent >= this.base) this.held.clear()
    if (this.sent < end) this.held.append(chunk.subarray(Math.max(0, this.sent - this.base)))
    this.base = end
    return this.pieces
  }

  /** Says that the body is over. @returns a refusal when it was not whole */
  end(): Outcome<RewrittenBody> {
    const { values, delta } = this
    return this.scan.end() ?? { facts: factsOf(values), values, lengthDelta: delta }
  }

  private isSettled(): boolean {
    const { plan, values } = this
    for (const key of plan.edits.keys()) if (!values.has(key)) return false
    if (!plan.askForUsage) return true
    if (this.optionsMoved !== null || !values.has('stream')) return false
    return values.get('stream') !== true || values.has('stream_options')
  }

  private member(member: Member, bytes: Uint8Array | null): Refusal | null {
    const read = readValue(member, bytes)
    if (isRefusal(read)) return read
    const { key } = member
    const { value } = read
    if (key === 'stream_options' && bytes !== null && this.plan.askForUsage)
      this.options(member, bytes, value)
    this.values.set(key, value)
    const edit = this.plan.edits.get(key)
    if (edit === undefined) return null
    if (value === undefined) return tooLong(key, member.keyStart)
    const wanted = edit(value)
    if (isRefusal(wanted)) return wanted
    if (wanted !== undefined && wanted !== value) {
      this.replace(member.valueStart, member.valueEnd, encoder.encode(JSON.stringify(wanted)))
    }
    return null
  }

  private options(member: Member, bytes: Uint8Array, value: JsonValue | undefined): void {
    const streamBefore = this.values.has('stream') ? this.values.get('stream') === true : null
    const { includeUsage } = factsOf(new Map([['stream_options', value]]))
    const fate = optionsFate({ streamBefore, includeUsage, last: member.last })
    if (fate === 'ask') this.replace(member.valueStart, member.valueEnd, withUsage(bytes))
    if (fate === 'move') {
      this.optionsMoved = bytes.slice()
      this.replace(member.keyStart, member.separatorAt + 1, noBytes)
    }
  }

  /** Adds what is missing before the brace. */
  private close(at: number, empty: boolean): Refusal | null {
    this.send(at)
    let first = empty
    const add = (key: string, value: Uint8Array): void => {
      this.replace(at, at, memberText(key, value, first))
      first = false
    }
    for (const [key, edit] of this.plan.edits) {
      if (this.values.has(key)) continue
      const wanted = edit(undefined)
      if (isRefusal(wanted)) return wanted
      if (wanted !== undefined) add(key, encoder.encode(JSON.stringify(wanted)))
    }
    const options = this.optionsAtEnd()
    if (options !== null) add('stream_options', options)
    this.closed = true
    return null
  }

  private optionsAtEnd(): Uint8Array | null {
    const { optionsMoved, values } = this
    if (!this.plan.askForUsage) return null
    if (values.get('stream') !== true) return optionsMoved
    return optionsMoved === null && values.has('stream_options') ? null : withUsage(optionsMoved)
  }

  private replace(start: number, end: number, bytes: Uint8Array): void {
    this.send(start)
    if (bytes.length > 0) this.pieces.push(bytes)
    this.delta += bytes.length - (end - start)
    this.sent = end
  }

  /** Sends on what came before an offset and has not been sent or replaced. */
  private send(offset: number): void {
    const { held, base } = this
    const heldFrom = base - held.length
    const fromHeld = Math.min(offset, base)
    if (this.sent < fromHeld) {
      this.pieces.push(held.copy(this.sent - heldFrom, fromHeld - heldFrom))
      this.sent = fromHeld
    }
    if (this.sent < offset) {
      this.pieces.push(this.chunk.subarray(this.sent - base, offset - base))
      this.sent = offset
    }
  }
}
