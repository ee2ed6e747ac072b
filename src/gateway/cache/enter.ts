import { isCaching, placeOf, type CachePlace } from '../../core/cache/place.ts'
import type { Exchange, OutboundRequest, Principal } from '../../ports.ts'

/** Conditions that are about changing something, or that only the origin can judge (RFC 9110 §13.1). */
const originsOwn = ['if-match', 'if-unmodified-since', 'upgrade'] as const

/** A GET with a body is not the request that its URL says, although the body goes nowhere. */
function hasBody({ body, headers }: Request): boolean {
  return body !== null || headers.has('transfer-encoding') || (headers.get('content-length') ?? '0') !== '0'
}

/**
 * Where the answer to a request may lie in the cache.
 * @returns null for requests that the cache has no part in: of routes without one, other methods, with a body
 */
export function enterCache(x: Exchange, outbound: OutboundRequest, principal: Principal): CachePlace | null {
  const { route } = outbound.match
  if (!isCaching(route)) return null
  const { method, headers } = x.request
  if ((method !== 'GET' && method !== 'HEAD') || hasBody(x.request)) return null
  if (originsOwn.some((name) => headers.has(name))) return null
  const account = principal.kind === 'key' ? principal.account : null
  return placeOf(route, x.target, outbound.query, { account, headers })
}
