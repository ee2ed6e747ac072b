import { sameStrongTag } from './etag.ts'
import { storedField, type ContentRange, type StoredResponse } from './entry.ts'
import { parseHttpDate } from './http-date.ts'

/** One byte range as a client asks for it (RFC 9110 §14.1.2): `last` null reaches to the end. */
export type AskedRange =
  | { readonly first: number; readonly last: number | null }
  | { readonly suffix: number }

const oneRange = /^bytes=(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))$/i

/**
 * A Range field of a single byte range.
 * @returns null for other units, several ranges and what cannot be read: a server may ignore Range
 */
export function parseRange(range: string | null): AskedRange | null {
  const [, first, last, suffix] = oneRange.exec(range?.trim() ?? '') ?? []
  if (suffix !== undefined) return { suffix: Number(suffix) }
  if (first === undefined) return null
  if (last !== undefined && Number(last) < Number(first)) return null
  return { first: Number(first), last: last === undefined ? null : Number(last) }
}

/** `bytes 0-4/10`; null for anything else, also for an unsatisfied range. */
export function parseContentRange(value: string | null): ContentRange | null {
  const [, first = '', last = '', total = ''] =
    /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(value?.trim() ?? '') ?? []
  if (first === '') return null
  const range = { first: Number(first), last: Number(last), total: total === '*' ? null : Number(total) }
  return range.last < range.first || (range.total !== null && range.last >= range.total) ? null : range
}

export function writeContentRange({ first, last, total }: ContentRange): string {
  return `bytes ${first}-${last}/${total ?? '*'}`
}

/** What of a stored body answers a range. */
export type Slice =
  | { readonly kind: 'slice'; readonly from: number; readonly to: number; readonly range: ContentRange }
  | { readonly kind: 'unsatisfiable'; readonly total: number }
  | { readonly kind: 'not-held' }

/** What of a complete body of `total` bytes answers a range. */
export function sliceOfWhole(asked: AskedRange, total: number): Slice {
  if ('suffix' in asked) {
    if (asked.suffix === 0 || total === 0) return { kind: 'unsatisfiable', total }
    const from = Math.max(0, total - asked.suffix)
    return slice(from, total, { first: from, last: total - 1, total })
  }
  if (asked.first >= total) return { kind: 'unsatisfiable', total }
  const last = Math.min(asked.last ?? total - 1, total - 1)
  return slice(asked.first, last + 1, { first: asked.first, last, total })
}

/**
 * What of a stored part answers a range. A suffix counts from the end of what is stored, and a range without an end is
 * answered where the part reaches to the end of the whole.
 */
export function sliceOfPart(asked: AskedRange, held: ContentRange, length: number): Slice {
  const reachesEnd = held.total !== null && held.last === held.total - 1
  if ('suffix' in asked) {
    if (!reachesEnd || asked.suffix === 0 || asked.suffix > length) return { kind: 'not-held' }
    return slice(length - asked.suffix, length, { ...held, first: held.last + 1 - asked.suffix })
  }
  const last = lastAsked(asked.last, held, reachesEnd)
  const from = asked.first - held.first
  if (last === null || last > held.last || from < 0 || from >= length) return { kind: 'not-held' }
  return slice(from, Math.min(last + 1 - held.first, length), { ...held, first: asked.first, last })
}

/** The last byte that is asked for, as far as the part can tell where the whole ends. */
function lastAsked(last: number | null, held: ContentRange, reachesEnd: boolean): number | null {
  if (last === null) return reachesEnd ? held.last : null
  return held.total === null ? last : Math.min(last, held.total - 1)
}

function slice(from: number, to: number, range: ContentRange): Slice {
  return { kind: 'slice', from, to, range }
}

/** Whether an If-Range lets a range be taken from a stored response (RFC 9110 §13.1.5). */
export function ifRangeHolds(ifRange: string | null, entry: StoredResponse, nowMs: number): boolean {
  if (ifRange === null) return true
  if (ifRange.includes('"')) return sameStrongTag(ifRange.trim(), storedField(entry, 'etag'))
  const wantedMs = parseHttpDate(ifRange, nowMs)
  const modifiedMs = parseHttpDate(storedField(entry, 'last-modified'), nowMs)
  if (wantedMs === null || wantedMs !== modifiedMs) return false
  // A date is a strong validator only when the response was made a while after it (RFC 9110 §8.8.2.2).
  const dateMs = parseHttpDate(storedField(entry, 'date'), nowMs)
  return dateMs !== null && dateMs - modifiedMs >= 60_000
}

/** Two parts that touch or overlap, as one. */
export interface JoinedParts {
  readonly range: ContentRange
  readonly bytes: Uint8Array
}

/**
 * Joins two parts of one representation (RFC 9111 §3.4); where they overlap, the newer one's bytes hold.
 * @returns null when they leave a gap or disagree about the whole
 */
export function joinParts(stored: JoinedParts, newer: JoinedParts): JoinedParts | null {
  const [a, b] = [stored.range, newer.range]
  if (a.total !== null && b.total !== null && a.total !== b.total) return null
  if (b.first > a.last + 1 || a.first > b.last + 1) return null
  const first = Math.min(a.first, b.first)
  const last = Math.max(a.last, b.last)
  const bytes = new Uint8Array(last + 1 - first)
  bytes.set(stored.bytes, a.first - first)
  bytes.set(newer.bytes, b.first - first)
  return { range: { first, last, total: b.total ?? a.total }, bytes }
}
