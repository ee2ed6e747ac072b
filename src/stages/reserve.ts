import type { Upstream } from '../core/config/types.ts'
import { dearestOf, priceOf, type ModelPrice, type PriceTable } from '../core/llm/cost.ts'
import { estimateInput } from '../core/llm/estimate.ts'
import type { Awaitable, Outcome } from '../core/outcome.ts'
import type { Clock, Grant, LlmForecast, OutboundRequest } from '../ports.ts'

/** A stream may be read on after its client has left, and settlements travel in batches. */
const graceMs = 30_000

/**
 * Takes the tokens and the money of a request that makes a model run, before anything is sent. What the grant has in
 * hand is taken with no promise.
 * @returns null when it may go on; refusals of `Grant.reserve`
 */
export function reserve(
  grant: Grant,
  { llm, match }: OutboundRequest,
  prices: PriceTable,
  { clock }: { readonly clock: Clock },
): Awaitable<Outcome<null>> {
  const forecast = llm?.forecast ?? null
  if (forecast === null) return null
  const { model, outputTokensMax, choices, stream, bodyRead } = forecast
  return grant.reserve({
    model,
    inputTokens: estimateInput(forecast.bodyBytes),
    outputTokensMax,
    choices,
    stream,
    bodyRead,
    ...priceFor(forecast, prices),
    deadlineMs: clock.nowMs() + longestMs(match.route.upstream) + graceMs,
  })
}

/** A model that is not known yet may be the dearest; one that is may run at any target, by its name there. */
function priceFor(
  { model, otherModels }: LlmForecast,
  table: PriceTable,
): { readonly price: ModelPrice | null; readonly unpriced: string | null } {
  if (model === null) return { price: table.dearest, unpriced: null }
  const prices: ModelPrice[] = []
  for (const name of [model, ...otherModels]) {
    const price = priceOf(name, table)
    if (price === null) return { price: null, unpriced: name }
    prices.push(price)
  }
  const [only = null] = prices
  return { price: prices.length === 1 ? only : dearestOf(prices), unpriced: null }
}

/** How long a request may take with all its waiting and all its attempts, each of which ends with the whole time. */
function longestMs({ targets, retries }: Upstream): number {
  return Math.max(retries.deadlineMs ?? 0, ...targets.map(({ timeouts }) => timeouts.totalMs))
}
