import { deltaMs, listedFields, type Directives } from './cache-control.ts'
import { parseContentRange } from './ranges.ts'
import {
  explicitLifetimeMs,
  heuristicLifetimeMs,
  initialAgeMs,
  isHeuristicallyCacheable,
  responseDirectives,
  type ExchangeTimes,
  type ResponseDirectives,
} from './freshness.ts'
import type { ContentRange, StoredResponse } from './entry.ts'
import type { CachePolicy } from './policy.ts'
import { hopByHop, nominated } from '../http/hop-by-hop.ts'
import { selectingValues, varyNames } from './vary.ts'

/** A response that just came, and what it answers. */
export interface Received extends ExchangeTimes {
  readonly status: number
  readonly headers: Headers
  /** The client's request. */
  readonly request: Headers
  readonly method: string
  /** Whether the request carried credentials, of the gateway or of the origin. */
  readonly credentialed: boolean
  /** Whether only one account can reach what is kept. */
  readonly isolated: boolean
}

/** What a response means for the cache beyond its bytes. */
export type Terms = Pick<
  StoredResponse,
  | 'fields'
  | 'initialAgeMs'
  | 'lifetimeMs'
  | 'noCache'
  | 'neverStale'
  | 'staleWhileRevalidateMs'
  | 'staleIfErrorMs'
  | 'selecting'
  | 'range'
  | 'tags'
>

/** Final statuses that this cache understands, for `must-understand` (RFC 9111 §5.2.2.3). */
const understood: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 302, 303, 307, 308, 400, 404, 405, 410, 414, 451, 500, 501, 502, 503, 504,
])

/**
 * Whether a shared cache may keep a response, and on what terms (RFC 9111 §3).
 * @returns null when it may not
 */
export function termsOf(received: Received, policy: CachePolicy): Terms | null {
  const { status, headers } = received
  const said = responseDirectives(headers)
  const names = chosenBy(headers)
  const range = status === 206 ? partOf(headers, policy) : null
  if (names === null || (status === 206 && range === null)) return null
  if (!isFinal(status) || !mayKeep(received, said.directives, policy)) return null
  const { directives } = said
  const lifetimeMs = lifetimeOf(received, said, policy)
  const allowanceMs = (name: string) => deltaMs(directives, name) ?? 0
  const terms: Terms = {
    fields: keptFields(headers, directives),
    initialAgeMs: initialAgeMs(headers, received),
    lifetimeMs: lifetimeMs ?? 0,
    noCache: forbidsReuse(directives),
    neverStale: forbidsStale(directives),
    staleWhileRevalidateMs: allowanceMs('stale-while-revalidate'),
    staleIfErrorMs: allowanceMs('stale-if-error'),
    selecting: selectingValues(names, received.request, policy),
    range,
    tags: tagsOf(headers),
  }
  const sanctioned = lifetimeMs !== null || terms.noCache || directives.has('public')
  return isUseful(terms, headers, sanctioned) ? terms : null
}

/** Freshness that the origin promised or that may be guessed, in milliseconds; null where there is neither. */
function lifetimeOf(received: Received, said: ResponseDirectives, policy: CachePolicy): number | null {
  const { status, headers } = received
  const guessable = policy.heuristics && isHeuristicallyCacheable(status, said.directives)
  const promisedMs = explicitLifetimeMs(headers, said, received)
  const lifetimeMs = promisedMs ?? (guessable ? heuristicLifetimeMs(headers, received) : null)
  return lifetimeMs === null || status < 400 ? lifetimeMs : Math.min(lifetimeMs, policy.errorMs)
}

/** An allowance for one origin is for that one (Fetch standard, CORS protocol), also where Vary does not say so. */
function chosenBy(headers: Headers): readonly string[] | null {
  const names = varyNames(headers.get('vary'))
  const allowed = headers.get('access-control-allow-origin')
  if (names === null || allowed === null || allowed === '*' || names.includes('origin')) return names
  return [...names, 'origin'].toSorted()
}

function isFinal(status: number): boolean {
  return status >= 200 && status !== 304 && status <= 599
}

function mayKeep(received: Received, directives: Directives, policy: CachePolicy): boolean {
  const { status, headers, credentialed, isolated } = received
  const mustUnderstand = directives.has('must-understand')
  if (mustUnderstand && !understood.has(status)) return false
  if (directives.has('no-store') && !mustUnderstand) return false
  if (
    directives.has('private') &&
    (policy.profile === 'safe' || listedFields(directives, 'private').length === 0)
  )
    return false
  if (headers.has('set-cookie') && !policy.setCookies) return false
  return !credentialed || isolated || allowsShared(directives)
}

/** What lets a shared cache keep the answer to a request with credentials (RFC 9111 §3.5). */
function allowsShared(directives: Directives): boolean {
  return directives.has('public') || directives.has('s-maxage') || directives.has('must-revalidate')
}

function forbidsReuse(directives: Directives): boolean {
  return directives.has('no-cache') && listedFields(directives, 'no-cache').length === 0
}

function forbidsStale(directives: Directives): boolean {
  return ['no-cache', 'must-revalidate', 'proxy-revalidate', 's-maxage'].some((name) => directives.has(name))
}

/** What nobody said may be kept is not; and what is stale at once and cannot be validated would only be in the way. */
function isUseful(terms: Terms, headers: Headers, sanctioned: boolean): boolean {
  if (!sanctioned) return false
  if (headers.has('etag') || headers.has('last-modified')) return true
  return !terms.noCache && terms.lifetimeMs > terms.initialAgeMs
}

function partOf(headers: Headers, policy: CachePolicy): ContentRange | null {
  const range = parseContentRange(headers.get('content-range'))
  const length = headers.get('content-length')
  if (range === null || policy.loosePartial) return range
  return length === null || Number(length) === range.last + 1 - range.first ? range : null
}

/** Fields of this response only, beside those of the connection: a stored one gets its own. */
const notKept: ReadonlySet<string> = new Set([
  'age',
  'cache-tag',
  'cf-cache-status',
  'proxy-authentication-info',
  'surrogate-key',
])

/** Header fields to keep (RFC 9111 §3.1): not the connection's, nor those that `no-cache` or `private` list. */
export function keptFields(headers: Headers, directives: Directives): readonly (readonly [string, string])[] {
  const named = nominated(headers.get('connection'))
  const listed = new Set([...listedFields(directives, 'no-cache'), ...listedFields(directives, 'private')])
  return [...headers].filter(
    ([name]) => !named.has(name) && !hopByHop.has(name) && !notKept.has(name) && !listed.has(name),
  )
}

const tagsMax = 64

/** Names by which an origin groups its responses for purges. */
function tagsOf(headers: Headers): readonly string[] {
  const tags = [
    ...(headers.get('cache-tag') ?? '').split(','),
    ...(headers.get('surrogate-key') ?? '').split(/\s+/),
  ].map((tag) => tag.trim())
  return [...new Set(tags.filter((tag) => tag !== ''))].slice(0, tagsMax)
}
