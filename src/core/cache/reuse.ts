import { deltaMs, parseCacheControl, type Directives } from './cache-control.ts'
import { ageMs, freshForMs, hasValidator, storedField, type StoredResponse } from './entry.ts'
import { listsTag } from './etag.ts'
import { parseHttpDate } from './http-date.ts'
import type { CachePolicy } from './policy.ts'

/** Whether a stored response may answer a request. `validate` asks the origin first. */
export type Reuse = 'fresh' | 'stale' | 'stale-while-revalidate' | 'validate'

const nothingAsked: Directives = new Map()

/** What a request asks of caches (RFC 9111 §5.2.1); nothing where the route does not heed it. */
export function requestDirectives(request: Headers, policy: CachePolicy): Directives {
  return policy.clientDirectives ? parseCacheControl(request.get('cache-control')) : nothingAsked
}

/** Decides on a stored response (RFC 9111 §4, §4.2, RFC 5861 §3). */
export function judgeReuse(entry: StoredResponse, asked: Directives, nowMs: number): Reuse {
  if (entry.noCache || asked.has('no-cache') || isTooOld(entry, asked, nowMs)) return 'validate'
  const freshMs = freshForMs(entry, nowMs)
  if (freshMs > (deltaMs(asked, 'min-fresh') ?? 0)) return 'fresh'
  if (freshMs > 0 || entry.neverStale) return 'validate'
  if (-freshMs <= acceptedStaleMs(asked)) return 'stale'
  return -freshMs < entry.staleWhileRevalidateMs ? 'stale-while-revalidate' : 'validate'
}

/** `max-age=0` asks for validation even within the second in which the response came. */
function isTooOld(entry: StoredResponse, asked: Directives, nowMs: number): boolean {
  const maxAgeMs = deltaMs(asked, 'max-age')
  return maxAgeMs !== undefined && (maxAgeMs === 0 || ageMs(entry, nowMs) > maxAgeMs)
}

/** How stale a response the client takes (RFC 9111 §5.2.1.2), in milliseconds; -1 for not at all. */
function acceptedStaleMs(asked: Directives): number {
  const given = asked.get('max-stale')
  if (given === undefined) return -1
  return given === null ? Infinity : (deltaMs(asked, 'max-stale') ?? 0)
}

/** How the origin failed to answer: not at all, or with an error of its own. */
export type OriginFailure = 'disconnected' | 'error'

/**
 * Whether a stale response may stand in for an origin that failed (RFC 9111 §4.2.4, RFC 5861 §4): an error only where
 * the response allows it, an unreachable origin also within the route's own time.
 */
export function mayStandIn(
  entry: StoredResponse,
  failure: OriginFailure,
  policy: CachePolicy,
  nowMs: number,
): boolean {
  if (entry.neverStale || entry.noCache) return false
  const staleMs = -freshForMs(entry, nowMs)
  if (staleMs < entry.staleIfErrorMs) return true
  return failure === 'disconnected' && staleMs < policy.staleOnDisconnectMs
}

/** Nothing is kept for longer than this, so older purges may be forgotten. Milliseconds. */
export const keptMsMax = 30 * 86_400_000

/** How long a stored response is worth its place: while fresh, and while it can be validated or serve stale. */
export function keepMs(entry: StoredResponse, policy: CachePolicy, nowMs: number): number {
  const validatedMs = hasValidator(entry) ? 7 * 86_400_000 : 0
  const stillMs = entry.neverStale
    ? 0
    : Math.max(entry.staleWhileRevalidateMs, entry.staleIfErrorMs, policy.staleOnDisconnectMs)
  const wantedMs = Math.max(0, freshForMs(entry, nowMs)) + Math.max(validatedMs, stillMs, 60_000)
  return Math.min(keptMsMax, wantedMs)
}

/** Header edits for a request to the origin: a value to set, or null to leave out. */
export type Conditions = Readonly<Record<string, string | null>>

/** What asks the origin whether a stored response still holds (RFC 9111 §4.3.1). */
export function validationConditions(entry: StoredResponse): Conditions {
  return {
    'if-none-match': storedField(entry, 'etag'),
    'if-modified-since': storedField(entry, 'last-modified'),
    'if-range': null,
    range: null,
  }
}

/**
 * Whether a stored response answers a conditional GET or HEAD with 304 (RFC 9110 §13.2.2): If-None-Match goes before
 * If-Modified-Since.
 */
export function isNotModified(entry: StoredResponse, request: Headers, nowMs: number): boolean {
  if (entry.status !== 200 && entry.status !== 206) return false
  const ifNoneMatch = request.get('if-none-match')
  if (ifNoneMatch !== null) return listsTag(ifNoneMatch, storedField(entry, 'etag'))
  const sinceMs = parseHttpDate(request.get('if-modified-since'), nowMs)
  if (sinceMs === null) return false
  const modified = storedField(entry, 'last-modified') ?? storedField(entry, 'date')
  const modifiedMs = parseHttpDate(modified, nowMs)
  return modifiedMs !== null && modifiedMs <= sinceMs
}
