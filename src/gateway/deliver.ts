import type { Route } from '../core/config/types.ts'
import { dialectOf } from '../core/dialect/dialect.ts'
import { addCors } from '../core/http/cors.ts'
import { clientHeaders } from '../core/http/response-headers.ts'
import { clientLocation } from '../core/route/client-location.ts'
import type { Clock, Exchange, Principal, UpstreamAnswer } from '../ports.ts'
import type { Answer } from './answer.ts'
import { isEventStream, planBody } from './body-plan.ts'

/** Turns an upstream's answer into the client's: its headers under the rules, its body under the plan. */
export function deliver(
  x: Exchange,
  route: Route,
  upstream: UpstreamAnswer,
  context: { readonly principal: Principal; readonly clock: Clock },
): Answer {
  const { response } = upstream
  const headers = clientHeaders(response.headers, {
    route,
    dialect: dialectOf(route.dialect),
    shared: x.facts.target?.secret !== null,
    eventStream: isEventStream(response.headers),
  })
  leadThroughGateway(headers, x, route, response.url)
  if (route.cors !== null) addCors(headers, route.cors, x.request.headers.get('origin'))
  const { status, statusText, webSocket } = response
  const delivery =
    status === 101
      ? ({ body: null, tier: 'none', ended: { ending: 'upgraded', bytes: null } } as const)
      : planBody(upstream, x, route, context.clock)
  return { status, statusText, headers, delivery, webSocket, profiled: mayProfile(x, context.principal) }
}

/** Headers that name a place (RFC 9110 §10.2.2, §8.7). */
const places = ['location', 'content-location'] as const

function leadThroughGateway(headers: Headers, x: Exchange, route: Route, requested: string): void {
  const { target } = x.facts
  for (const name of places) {
    const place = headers.get(name)
    if (place === null || target === null) continue
    const led = clientLocation(place, requested, route, target)
    if (led === null) headers.delete(name)
    else headers.set(name, led)
  }
}

/** A profile tells how the gateway works inside; an operator allows it by the scope of a key. */
function mayProfile(x: Exchange, principal: Principal): boolean {
  if (x.request.headers.get('x-sluice-profile') !== '1') return false
  return principal.kind === 'key' && principal.scopes.includes('profile')
}
