import type { Route } from '../config/types.ts'
import type { Dialect } from '../dialect/dialect.ts'
import { foldName, hopByHop, nominated } from './hop-by-hop.ts'

/** What an upstream says about its own edge; it would be untrue of this one. */
const aboutItsEdge: ReadonlySet<string> = new Set([
  'alt-svc',
  'cf-cache-status',
  'cf-ray',
  'nel',
  'report-to',
  'server',
])

/** Headers in which providers put their id of the request. */
const requestIds: ReadonlySet<string> = new Set(['x-request-id', 'request-id'])

const corsPrefix = 'access-control-'

/** How a response came about, as far as its headers depend on it. */
export interface ResponsePolicy {
  readonly route: Route
  readonly dialect: Dialect
  /** Whether the gateway's own credential was used: then the upstream's word about the account is not the client's. */
  readonly shared: boolean
  readonly eventStream: boolean
}

/**
 * The headers a client gets: the upstream's, without those of the connection, of its edge and of the account behind a
 * shared credential; its request id under `x-upstream-request-id`; then the route's edits.
 */
export function clientHeaders(upstream: Headers, policy: ResponsePolicy): Headers {
  const named = nominated(upstream.get('connection'))
  const headers = new Headers()
  for (const [name, value] of upstream) {
    if (named.has(name) || isDropped(name, policy)) continue
    if (requestIds.has(name)) headers.set('x-upstream-request-id', value)
    else headers.append(name, value)
  }
  if (!headers.has('cache-control')) addCacheControl(headers, policy)
  for (const name of policy.route.responseHeaders.remove) headers.delete(name)
  for (const [name, value] of Object.entries(policy.route.responseHeaders.set)) headers.set(name, value)
  return headers
}

function isDropped(name: string, { route, dialect, shared }: ResponsePolicy): boolean {
  const folded = foldName(name)
  if (hopByHop.has(folded) || aboutItsEdge.has(folded) || folded.startsWith('x-sluice-')) return true
  if (route.cors !== null && folded.startsWith(corsPrefix)) return true
  if (!shared) return false
  return folded === 'set-cookie'
    ? dialect.name !== 'http'
    : (dialect.headers.accountHeader?.test(folded) ?? false)
}

/** An answer to a key is nobody else's; and no cache or compressor on the way may hold back a stream. */
function addCacheControl(headers: Headers, { route, eventStream }: ResponsePolicy): void {
  if (eventStream) headers.set('cache-control', 'no-store, no-transform')
  else if (route.auth !== 'none') headers.set('cache-control', 'no-store')
}
