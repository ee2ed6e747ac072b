import type { Target } from '../core/config/types.ts'
import { priceOf, type PriceTable } from '../core/llm/cost.ts'
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
  const { model, outputTokensMax, choices, stream } = forecast
  return grant.reserve({
    model,
    inputTokens: estimateInput(forecast.bodyBytes),
    outputTokensMax,
    choices,
    stream,
    price: priceFor(forecast, prices),
    deadlineMs: clock.nowMs() + totalMs(match.route.upstream.targets) + graceMs,
  })
}

/** A model that is not known yet may be the dearest. */
function priceFor({ model }: LlmForecast, prices: PriceTable) {
  return model === null ? prices.dearest : priceOf(model, prices)
}

function totalMs(targets: readonly Target[]): number {
  return Math.max(0, ...targets.map(({ timeouts }) => timeouts.totalMs))
}
