import type { Route, Target } from '../core/config/types.ts'
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
import { planBody, type BodyPlan, type BodySight } from './body-plan.ts'

/** Status and headers of an answer, before the rules; from an upstream, or as the cache had them from one. */
export interface AnswerHead {
  readonly status: number
  readonly statusText: string
  readonly headers: Headers
  readonly webSocket: WebSocket | null
  /** URL that was asked for, and whom. */
  readonly url: string
  readonly target: Target | null
}

/** What an answer is made for. */
export interface AnswerContext {
  readonly outbound: OutboundRequest
  readonly principal: Principal
}

export interface DeliverContext {
  readonly principal: Principal
  readonly grant: Grant
  readonly estimator: TokenEstimator
  readonly clock: Clock
  /** Who else sees the bytes of an answer that is counted. */
  readonly copy?: BodySight | null
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
  const { route } = outbound.match
  const { principal, copy = null, ...others } = context
  const choice = modelChoice(route.models, principal)
  const finish = (plan: Outcome<BodyPlan>): Outcome<Answer> =>
    isRefusal(plan) ? plan : finishAnswer(x, headOf(x, upstream), { outbound, principal }, plan)
  const { target } = x.facts
  const path = target === null ? x.target.path : upstreamPath(outbound.match, target)
  const plan = planBody(upstream, { x, route, path, llm: outbound.llm, choice, copy, ...others })
  return plan instanceof Promise ? plan.then(finish) : finish(plan)
}

/** The head of what an upstream just answered. */
export function headOf(x: Exchange, { response }: UpstreamAnswer): AnswerHead {
  const { status, statusText, headers, webSocket, url } = response
  return { status, statusText, headers, webSocket, url, target: x.facts.target }
}

/** Puts the rules on a head and the plan's body under it. */
export function finishAnswer(
  x: Exchange,
  head: AnswerHead,
  { outbound, principal }: AnswerContext,
  plan: BodyPlan,
): Answer {
  const { status, statusText, webSocket } = head
  const headers = answerHeaders(x, outbound.match.route, head)
  // The bytes of an answer that was read say their own length.
  if (plan.delivery.tier === 'whole') headers.delete('content-length')
  return { status, statusText, headers, webSocket, ...plan, profiled: mayProfile(x, principal) }
}

function answerHeaders(x: Exchange, route: Route, head: AnswerHead): Headers {
  const headers = clientHeaders(head.headers, {
    route,
    dialect: dialectOf(route.dialect),
    shared: head.target?.secret !== null,
    eventStream: isEventStream(head.headers),
  })
  leadThroughGateway(headers, route, head)
  if (route.cors !== null) addCors(headers, route.cors, x.request.headers.get('origin'))
  return headers
}

/** Headers that name a place (RFC 9110 §10.2.2, §8.7). */
const places = ['location', 'content-location'] as const

function leadThroughGateway(headers: Headers, route: Route, { target, url }: AnswerHead): void {
  for (const name of places) {
    const place = headers.get(name)
    if (place === null || target === null) continue
    const led = clientLocation(place, url, route, target)
    if (led === null) headers.delete(name)
    else headers.set(name, led)
  }
}

/** A profile tells how the gateway works inside; an operator allows it by the scope of a key. */
function mayProfile(x: Exchange, principal: Principal): boolean {
  if (x.request.headers.get('x-sluice-profile') !== '1') return false
  return principal.kind === 'key' && principal.scopes.includes('profile')
}
