import { deltaMs, parseCacheControl, type Directives } from './cache-control.ts'
import { parseHttpDate } from './http-date.ts'
import { parseTargeted } from './targeted.ts'

/** When a response was asked for and when its headers came, in milliseconds since the epoch. */
export interface ExchangeTimes {
  readonly requestedMs: number
  readonly receivedMs: number
}

/** What a response says about its own caching. */
export interface ResponseDirectives {
  readonly directives: Directives
  /** Whether the directives come from a targeted field: Cache-Control and Expires then say nothing (RFC 9213 §2.2). */
  readonly targeted: boolean
}

/** The directives that hold for this cache: CDN-Cache-Control where it is valid, else Cache-Control. */
export function responseDirectives(headers: Headers): ResponseDirectives {
  const targeted = parseTargeted(headers.get('cdn-cache-control'))
  if (targeted !== null) return { directives: targeted, targeted: true }
  return { directives: parseCacheControl(headers.get('cache-control')), targeted: false }
}

/**
 * How old a response was when it came (RFC 9111 §4.2.3, corrected_initial_age), in milliseconds. Of an Age with several
 * members the first holds, parameters say nothing, and one that is no number is ignored (§5.1).
 */
export function initialAgeMs(headers: Headers, { requestedMs, receivedMs }: ExchangeTimes): number {
  const [age = ''] = (headers.get('age') ?? '').split(',')
  const digits = /^\s*(\d+)\s*(?:;|$)/.exec(age)?.[1]
  const seconds = digits === undefined ? 0 : Math.min(Number(digits), 2_147_483_648)
  const dateMs = parseHttpDate(headers.get('date'), receivedMs) ?? receivedMs
  const apparentMs = Math.max(0, receivedMs - dateMs)
  return Math.max(apparentMs, seconds * 1000 + Math.max(0, receivedMs - requestedMs))
}

/**
 * How long a response says that it is fresh (RFC 9111 §4.2.1 for a shared cache), in milliseconds.
 * @returns null when it does not say
 */
export function explicitLifetimeMs(
  headers: Headers,
  { directives, targeted }: ResponseDirectives,
  { receivedMs }: ExchangeTimes,
): number | null {
  const seconds = deltaMs(directives, 's-maxage') ?? deltaMs(directives, 'max-age')
  if (seconds !== undefined) return seconds
  if (targeted || !headers.has('expires')) return null
  const expiresMs = parseHttpDate(headers.get('expires'), receivedMs)
  if (expiresMs === null) return 0
  return Math.max(0, expiresMs - (parseHttpDate(headers.get('date'), receivedMs) ?? receivedMs))
}

/** Statuses that may be fresh although nobody said so (RFC 9110 §15.1). */
const heuristicStatuses: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501,
])

/** Whether heuristics may be used with a status, or because the response says that it is for everyone. */
export function isHeuristicallyCacheable(status: number, directives: Directives): boolean {
  return heuristicStatuses.has(status) || directives.has('public')
}

const heuristicShare = 0.1
const heuristicMsMax = 7 * 86_400_000

/** A tenth of the time since the last change, at most a week (RFC 9111 §4.2.2), in milliseconds. */
export function heuristicLifetimeMs(headers: Headers, { receivedMs }: ExchangeTimes): number {
  const modifiedMs = parseHttpDate(headers.get('last-modified'), receivedMs)
  if (modifiedMs === null) return 0
  const dateMs = parseHttpDate(headers.get('date'), receivedMs) ?? receivedMs
  return Math.min(heuristicMsMax, Math.max(0, (dateMs - modifiedMs) * heuristicShare))
}
