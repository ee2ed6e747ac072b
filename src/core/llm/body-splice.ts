import { isRefusal, type Outcome } from '../outcome.ts'
import { tooLong } from './body-facts.ts'
import type { JsonScalar, JsonValue } from './json-value.ts'
import type { BodyScan } from './body-scan.ts'
import { optionsFate, withUsage } from './body-stream-options.ts'
import type { Member } from './member-watch.ts'
import type { WatchedKeys } from './watched-keys.ts'
import { applySplices, memberText, type Splice } from './splice.ts'

const encoder = new TextEncoder()

/**
 * Decides what to send under a key.
 * @param value what the client sends, `undefined` when the body has no such key
 * @returns the value to send, `undefined` to leave the body alone, or a refusal of the request
 */
export type Edit = (value: JsonValue | undefined) => Outcome<JsonScalar | undefined>

/** What is to be changed in every body of a kind. Each edit is asked once for each body. */
export interface RewritePlan {
  /** By key, without `stream_options`; an edit is asked in the order of the body, then for keys that are absent. */
  readonly edits: ReadonlyMap<string, Edit>
  /** Ask for usage in the stream (`stream_options.include_usage`) when the client streams and does not ask itself. */
  readonly askForUsage: boolean
}

/** What is to be changed in one body. */
export interface BodyEdits {
  /** Values to send, by key: in place of the client's, or added at the end. */
  readonly set: ReadonlyMap<string, JsonValue>
  readonly askForUsage: boolean
}

/**
 * Puts values into a scanned body. All bytes outside the edited values stay as they are; a value that is equal already
 * keeps its spelling.
 * @param bytes the bytes that were scanned
 * @throws {TypeError} when a key was not watched by the scan, or is `stream_options` while usage is asked for
 */
export function spliceBody(bytes: Uint8Array, scan: BodyScan, { set, askForUsage }: BodyEdits): Uint8Array {
  const splices: Splice[] = []
  const added: Splice[] = []
  let first = scan.empty
  const add = (key: string, value: Uint8Array): void => {
    added.push({ start: scan.close, end: scan.close, bytes: memberText(key, value, first) })
    first = false
  }
  for (const [key, value] of set) {
    checkEditable(key, scan.watched, askForUsage)
    const member = scan.members.get(key)
    if (member === undefined) add(key, encoder.encode(JSON.stringify(value)))
    else if (scan.values.get(key) !== value) splices.push(replacement(member, JSON.stringify(value)))
  }
  if (askForUsage) {
    const { inPlace, atEnd } = usageSplice(bytes, scan)
    if (inPlace !== null) splices.push(inPlace)
    if (atEnd !== null) add('stream_options', atEnd)
  }
  return applySplices(bytes, [...splices.toSorted((a, b) => a.start - b.start), ...added])
}

/** Carries out a plan on a scanned body. @returns refusals of the edits */
export function rewriteBody(bytes: Uint8Array, scan: BodyScan, plan: RewritePlan): Outcome<Uint8Array> {
  const set = new Map<string, JsonValue>()
  for (const [key, edit] of plan.edits) {
    const value = scan.values.get(key)
    const member = scan.members.get(key)
    if (member !== undefined && value === undefined) return tooLong(key, member.keyStart)
    const wanted = edit(value)
    if (isRefusal(wanted)) return wanted
    if (wanted !== undefined) set.set(key, wanted)
  }
  return spliceBody(bytes, scan, { set, askForUsage: plan.askForUsage })
}

/** @throws {TypeError} when a key cannot be set: it might be there unseen, or asking for usage sets it as well */
export function checkEditable(key: string, watched: WatchedKeys, askForUsage: boolean): void {
  if (!watched.has(key)) throw new TypeError(`The key ${key} cannot be set: it is not watched`)
  if (askForUsage && key === 'stream_options')
    throw new TypeError('Usage is asked for: stream_options cannot be set')
}

function replacement({ valueStart, valueEnd }: Member, text: string): Splice {
  return { start: valueStart, end: valueEnd, bytes: encoder.encode(text) }
}

interface UsageSplice {
  readonly inPlace: Splice | null
  /** The value of options to add as the last member. */
  readonly atEnd: Uint8Array | null
}

function usageSplice(bytes: Uint8Array, { members, facts }: BodyScan): UsageSplice {
  const options = members.get('stream_options')
  if (options === undefined) return { inPlace: null, atEnd: facts.stream ? withUsage(null) : null }
  const { keyStart, valueStart, valueEnd, separatorAt, last } = options
  const value = bytes.subarray(valueStart, valueEnd)
  const stream = members.get('stream')
  const streamBefore = stream !== undefined && stream.keyStart < keyStart ? facts.stream : null
  const fate = optionsFate({ streamBefore, includeUsage: facts.includeUsage, last })
  if (fate === 'keep') return { inPlace: null, atEnd: null }
  if (fate === 'ask') {
    return { inPlace: { start: valueStart, end: valueEnd, bytes: withUsage(value) }, atEnd: null }
  }
  const moved = { start: keyStart, end: separatorAt + 1, bytes: new Uint8Array(0) }
  return { inPlace: moved, atEnd: facts.stream ? withUsage(value) : value }
}
