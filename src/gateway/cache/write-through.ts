import { explicitLifetimeMs, responseDirectives } from '../../core/cache/freshness.ts'
import { isCaching, placeOf, type CachePlace } from '../../core/cache/place.ts'
import type { Snapshot } from '../../core/config/snapshot.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import { clientLocation } from '../../core/route/client-location.ts'
import type { Grant, OutboundRequest, Principal, UpstreamAnswer } from '../../ports.ts'
import type { Answer } from '../answer.ts'
import { deliver } from '../deliver.ts'
import type { Deps } from '../deps.ts'
import type { RequestLife } from '../exchange.ts'
import { invalidateWritten } from './invalidate.ts'
import { storeAnswer } from './store-answer.ts'

export interface WriteContext {
  readonly outbound: OutboundRequest
  readonly principal: Principal
  readonly grant: Grant
  readonly snapshot: Snapshot
  readonly deps: Deps
  /** When the upstream was asked, in milliseconds since the epoch. */
  readonly requestedMs: number
}

/**
 * Delivers the answer to a write. What it makes untrue is invalidated; an answer to POST that says that it is what a GET
 * of the same URL would give, and for how long, is kept as that (RFC 9110 §9.3.3).
 * @returns refusals of the body plan
 */
export async function writeThrough(
  x: RequestLife,
  answer: UpstreamAnswer,
  context: WriteContext,
): Promise<Outcome<Answer>> {
  const { outbound, principal, grant, snapshot, deps, requestedMs } = context
  const { estimator, clock } = deps
  const place = representationPlace(x, answer, context)
  const cached =
    place === null
      ? null
      : await storeAnswer(
          x,
          { answer, requestedMs },
          { outbound, principal, grant, settings: snapshot.settings, place, deps },
          { kind: 'none', place, reason: 'uri-miss' },
        )
  if (cached !== null && isRefusal(cached)) return cached
  const delivered =
    cached?.answer ?? (await deliver(x, answer, outbound, { principal, grant, estimator, clock }))
  if (isRefusal(delivered)) return delivered
  if (cached !== null) x.defer(cached.kept)
  const kept = cached === null ? null : (place?.key ?? null)
  invalidateWritten(x, delivered, principal, { snapshot, deps, kept })
  return delivered
}

/** Where a GET would find what the answer to a POST says it is; null where it does not say so. */
function representationPlace(
  x: RequestLife,
  { response }: UpstreamAnswer,
  { outbound, principal, requestedMs, deps }: WriteContext,
): CachePlace | null {
  const { route } = outbound.match
  const { target } = x.facts
  const named = response.headers.get('content-location')
  if (x.request.method !== 'POST' || response.status !== 200 || named === null) return null
  if (!isCaching(route) || target === null) return null
  const led = clientLocation(named, response.url, route, target)
  const times = { requestedMs, receivedMs: deps.clock.nowMs() }
  if (led !== x.target.path + outbound.query) return null
  if (explicitLifetimeMs(response.headers, responseDirectives(response.headers), times) === null) return null
  const account = principal.kind === 'key' ? principal.account : null
  return placeOf(route, x.target, outbound.query, { account, headers: x.request.headers })
}
