import type { Route } from '../core/config/types.ts'
import { dialectOf } from '../core/dialect/dialect.ts'
import { addCors } from '../core/http/cors.ts'
import { isEventStream } from '../core/http/media.ts'
import { clientHeaders } from '../core/http/response-headers.ts'
import type { TokenEstimator } from '../core/llm/estimate.ts'
import { modelChoice } from '../core/llm/model-policy.ts'
import { isRefusal, type Awaitable, type Outcome } from '../core/outcome.ts'
import { clientLocation } from '../core/route/client-location.ts'
import { upstreamPath } from '../core/route/rewrite.ts'
import type { Clock, Exchange, Grant, OutboundRequest, Principal, UpstreamAnswer } from '../ports.ts'
import type { Answer } from './answer.ts'
import { planBody, type BodyPlan } from './body-plan.ts'

export interface DeliverContext {
  readonly principal: Principal
  readonly grant: Grant
  readonly estimator: TokenEstimator
  readonly clock: Clock
}

/**
 * Turns an upstream's answer into the client's: its headers under the rules, its body under the plan.
 * @returns refusals of the plan
 */
export function deliver(
  x: Exchange,
  upstream: UpstreamAnswer,
  outbound: OutboundRequest,
  context: DeliverContext,
): Awaitable<Outcome<Answer>> {
  const { response } = upstream
  const { route } = outbound.match
  const { principal, ...others } = context
  const choice = modelChoice(route.models, principal)
  const finish = (plan: Outcome<BodyPlan>): Outcome<Answer> => {
    if (isRefusal(plan)) return plan
    const { status, statusText, webSocket } = response
    const headers = answerHeaders(x, route, response)
    // The bytes of an answer that was read say their own length.
    if (plan.delivery.tier === 'whole') headers.delete('content-length')
    return { status, statusText, headers, webSocket, ...plan, profiled: mayProfile(x, principal) }
  }
  const { target } = x.facts
  const path = target === null ? x.target.path : upstreamPath(outbound.match, target)
  const plan = planBody(upstream, { x, route, path, llm: outbound.llm, choice, ...others })
  return plan instanceof Promise ? plan.then(finish) : finish(plan)
}

function answerHeaders(x: Exchange, route: Route, response: Response): Headers {
  const headers = clientHeaders(response.headers, {
    route,
    dialect: dialectOf(route.dialect),
    shared: x.facts.target?.secret !== null,
    eventStream: isEventStream(response.headers),
  })
  leadThroughGateway(headers, x, route, response.url)
  if (route.cors !== null) addCors(headers, route.cors, x.request.headers.get('origin'))
  return headers
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
