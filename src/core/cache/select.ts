import type { ContentRange, StoredResponse } from './entry.ts'
import { ifRangeHolds, parseRange, sliceOfPart, sliceOfWhole } from './ranges.ts'
import { isNotModified } from './reuse.ts'

/** What of a stored response answers a request. */
export type Selection =
  | { readonly kind: 'not-modified' }
  | { readonly kind: 'whole' }
  | { readonly kind: 'slice'; readonly from: number; readonly to: number; readonly range: ContentRange }
  | { readonly kind: 'unsatisfiable'; readonly total: number }
  /** Only the origin has what is asked for. */
  | { readonly kind: 'not-held' }

/** Evaluates preconditions, then If-Range, then Range (RFC 9110 §13.2.2). HEAD takes no ranges. */
export function selectAnswer(
  entry: StoredResponse,
  method: string,
  request: Headers,
  nowMs: number,
): Selection {
  if (isNotModified(entry, request, nowMs)) return { kind: 'not-modified' }
  const asked = method === 'GET' ? parseRange(request.get('range')) : null
  const wanted = asked !== null && ifRangeHolds(request.get('if-range'), entry, nowMs) ? asked : null
  if (entry.range !== null) {
    return wanted === null ? { kind: 'not-held' } : sliceOfPart(wanted, entry.range, entry.length)
  }
  if (wanted === null || entry.status !== 200) return { kind: 'whole' }
  return sliceOfWhole(wanted, entry.length)
}
