import type { Builtin, Route } from '../core/config/types.ts'
import type { Snapshot } from '../core/config/snapshot.ts'
import { isPreflight } from '../core/http/cors.ts'
import { isRefusal, type Outcome } from '../core/outcome.ts'
import { matchRoute, type RouteMatch } from '../core/route/route-index.ts'
import type { Exchange } from '../ports.ts'

/** What a request was matched to. A preflight is answered by the gateway, without a key (Fetch standard). */
export type Matched =
  | { readonly kind: 'builtin'; readonly builtin: Builtin }
  | { readonly kind: 'preflight'; readonly route: Route }
  | Extract<RouteMatch, { kind: 'route' }>

/**
 * Finds the route of a request.
 * @returns refusals `no_route`, `method_not_allowed`, `malformed_request`
 */
export function match(x: Exchange, snapshot: Snapshot): Outcome<Matched> {
  const { method, headers } = x.request
  const preflight = isPreflight(method, headers)
  if (preflight) {
    const wanted = matchRoute(snapshot.index, x.target, headers.get('access-control-request-method') ?? '')
    if (!isRefusal(wanted) && wanted.kind === 'route' && wanted.route.cors !== null) {
      x.facts.route = wanted.route
      return { kind: 'preflight', route: wanted.route }
    }
  }
  const matched = matchRoute(snapshot.index, x.target, method)
  if (!isRefusal(matched) && matched.kind === 'route') x.facts.route = matched.route
  return matched
}
