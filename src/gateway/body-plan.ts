import type { Route } from '../core/config/types.ts'
import { dialectOf } from '../core/dialect/dialect.ts'
import { isEventStream, isPlain } from '../core/http/media.ts'
import type { TokenEstimator } from '../core/llm/estimate.ts'
import { lengthEndOf } from '../core/llm/length-end.ts'
import { filterModels } from '../core/llm/models-list.ts'
import { isAllowed, saysAnything, type ModelChoice } from '../core/llm/model-policy.ts'
import { withoutUsageChunk } from '../core/llm/usage-chunk.ts'
import { isRefusal, type Awaitable, type Outcome } from '../core/outcome.ts'
import type { Refusal } from '../core/refusal.ts'
import { closingBytes } from '../core/stream/broken-stream.ts'
import type { Ending } from '../core/stream/ending.ts'
import type { Clock, Exchange, Grant, LlmRequest, StopReason, UpstreamAnswer } from '../ports.ts'
import type { Delivery } from './delivery.ts'
import { BlindMeter, FlowMeter, WholeMeter, type Meter } from './meter.ts'
import { contentLength, deliverNative } from './native.ts'
import { deliverPump } from './pump.ts'
import { Slices } from './slices.ts'
import { errorEventFor, type StreamTerms } from './stream-terms.ts'
import { deliverTap } from './tap.ts'
import { readAnswerWhole, wholeBytesMax } from './whole.ts'

/** Who consumes a response body: the client, and where there is something to count, a meter. */
export interface BodyPlan {
  readonly delivery: Delivery
  readonly meter: Meter | null
}

/** What the plan depends on beside the answer itself. */
export interface PlanContext {
  readonly x: Exchange
  readonly route: Route
  /** The path the upstream was asked for: its format follows from it. */
  readonly path: string
  /** Null on plain routes. */
  readonly llm: LlmRequest | null
  readonly choice: ModelChoice
  readonly grant: Grant
  readonly estimator: TokenEstimator
  readonly clock: Clock
  /** Who else sees the bytes of an answer that is counted, or null. */
  readonly copy: BodySight | null
}

/** Sees the upstream's bytes as they pass, in pieces whose buffers are used again. */
export interface BodySight {
  push(piece: Uint8Array): void
}

/** How long a client's leaving may keep the upstream busy where the route drains; Cloudflare allows 30 s. */
const drainMs = 25_000

/**
 * Decides once who consumes a response body, in the cheapest tier that can do what is asked.
 * @returns refusals `upstream_broke_off`, `upstream_total_timeout` for an answer that is read before it is passed on
 */
export function planBody(answer: UpstreamAnswer, context: PlanContext): Awaitable<Outcome<BodyPlan>> {
  const { response, timer } = answer
  if (response.status === 101 || response.body === null) {
    timer.stop()
    const ending = response.status === 101 ? 'upgraded' : 'complete'
    const bytes = ending === 'upgraded' ? null : 0
    return { delivery: { body: null, tier: 'none', ended: { ending, bytes } }, meter: null }
  }
  if (isEventStream(response.headers)) return planStream(answer, response.body, context)
  if (isModelsList(response, context)) return planModels(answer, context)
  if (isMetered(response, context) && isJson(response.headers))
    return planAnswer(answer, response.body, context)
  const meter = isUnreadable(response, context) ? new BlindMeter(context.llm ?? nothingAsked) : null
  return { delivery: deliverNative(response.body, nativeTerms(answer, context)), meter }
}

function nativeTerms(answer: UpstreamAnswer, { x, grant }: PlanContext) {
  const length = contentLength(answer.response.headers)
  return { answer, client: x.signal, length, onStop: (stop: () => void) => grant.onStop(stop) }
}

function planStream(
  answer: UpstreamAnswer,
  body: ReadableStream<Uint8Array>,
  context: PlanContext,
): BodyPlan {
  const { llm, path, route, x } = context
  const meter = new FlowMeter('events', llm ?? nothingAsked)
  const counted = isMetered(answer.response, context) ? meter : null
  const dialect = dialectOf(route.dialect)
  let stopped: StopReason | null = null
  const closingWords = (ending: Ending): Uint8Array | null => {
    const facts = { idleMs: idleMs(context), totalMs: totalMs(context), stopped }
    const event = errorEventFor(ending, facts, (each) => dialect.errorEvent(each, x.id, path))
    return closingBytes(tier === 'pump' ? nothing : meter.ends.tail.unfinished(), event)
  }
  const onStop = (stop: () => void) =>
    context.grant.onStop((why) => {
      stopped = why
      stop()
    })
  const terms = { ...streamTerms(answer, context, meter), length: null, closingWords, onStop }
  const strips = llm?.facts().askedForUsage === true && route.streams.usage === 'strip'
  const slices = counted === null ? null : slicesFor(context, meter)
  const tier = strips || route.streams.keepAlive || slices !== null ? 'pump' : 'tap'
  if (tier === 'tap') return { delivery: deliverTap(body, terms), meter: counted }
  const keepAlive = route.streams.keepAlive ? dialect.keepAlive : null
  const edit = strips ? withoutUsageChunk : asItIs
  return { delivery: deliverPump(body, terms, { edit, keepAlive, slices }), meter: counted }
}

/** What lets a stream through slice by slice, where its output is reserved so. */
function slicesFor({ grant, llm, ...context }: PlanContext, meter: FlowMeter): Slices | null {
  if (!grant.sliced || llm === null || llm.forecast === null) return null
  const { route, path, estimator, clock } = context
  const end = lengthEndOf(route.dialect, path, !llm.facts().askedForUsage)
  return new Slices({ grant, llm, estimator, end, clock, see: (event) => meter.push(event) })
}

const nothing = new Uint8Array(0)
const nothingAsked: LlmRequest = {
  forecast: null,
  facts: () => ({ asked: null, model: null, stream: true, askedForUsage: false, bodyBytes: 0 }),
}
const noWords = (): null => null
const asItIs = (block: Uint8Array): Uint8Array => block

/** A JSON answer: read whole when it is short, else tapped. */
function planAnswer(
  answer: UpstreamAnswer,
  body: ReadableStream<Uint8Array>,
  context: PlanContext,
): Awaitable<Outcome<BodyPlan>> {
  const llm = context.llm ?? nothingAsked
  const length = contentLength(answer.response.headers)
  if (length === null || length > wholeBytesMax) {
    const meter = new FlowMeter('answer', llm)
    const onStop = (stop: () => void) => context.grant.onStop(stop)
    const terms = { ...streamTerms(answer, context, meter), length, closingWords: noWords, onStop }
    return { delivery: deliverTap(body, terms), meter }
  }
  return readAnswerWhole(answer, totalMs(context)).then((bytes) =>
    isRefusal(bytes) ? bytes : wholeAnswer(bytes, llm, context),
  )
}

function wholeAnswer(bytes: Uint8Array, llm: LlmRequest, context: PlanContext): BodyPlan {
  context.copy?.push(bytes)
  return { delivery: whole(bytes, context), meter: new WholeMeter(bytes, llm) }
}

/** A list that cannot be read cannot be filtered either, and is not shown. */
function giveUp(answer: UpstreamAnswer): Refusal {
  answer.timer.stop()
  answer.abort()
  return { refused: 'upstream_broke_off' }
}

/** The list of models as the key may see it. */
async function planModels(answer: UpstreamAnswer, context: PlanContext): Promise<Outcome<BodyPlan>> {
  if (!isPlain(answer.response.headers)) return giveUp(answer)
  const bytes = await readAnswerWhole(answer, totalMs(context))
  if (isRefusal(bytes)) return bytes
  const { route, choice } = context
  const { dialect, models } = route
  const view = { dialect, allows: (model: string) => isAllowed(model, choice), aliases: models.aliases }
  const filtered = filterModels(bytes, view)
  if (filtered === null) return { refused: 'upstream_broke_off' }
  return { delivery: whole(filtered, context), meter: null }
}

/** What was read is charged, also where the client has left meanwhile. */
function whole(bytes: Uint8Array, { x }: PlanContext): Delivery {
  const ending = x.signal.aborted ? 'client_left' : 'complete'
  return { body: bytes, tier: 'whole', ended: { ending, bytes: bytes.length } }
}

function streamTerms(
  answer: UpstreamAnswer,
  context: PlanContext,
  meter: FlowMeter,
): Omit<StreamTerms, 'length' | 'closingWords' | 'onStop'> {
  return {
    answer,
    client: context.x.signal,
    clock: context.clock,
    idleMs: idleMs(context),
    drainMs: context.route.streams.onLeave === 'drain' ? drainMs : 0,
    see(piece) {
      meter.push(piece)
      context.copy?.push(piece)
    },
  }
}

function idleMs({ x }: PlanContext): number {
  return x.facts.target?.timeouts.idleMs ?? Infinity
}

function totalMs({ x }: PlanContext): number {
  return x.facts.target?.timeouts.totalMs ?? 0
}

/** Only what an LLM generated is counted. */
function isMetered(response: Response, { x, llm }: PlanContext): boolean {
  return llm !== null && response.ok && x.request.method === 'POST' && isPlain(response.headers)
}

/** An answer to be counted that came compressed, although the gateway asked for none. */
function isUnreadable(response: Response, { x, llm }: PlanContext): boolean {
  return llm !== null && response.ok && x.request.method === 'POST' && !isPlain(response.headers)
}

function isModelsList(response: Response, { x, path, llm, choice }: PlanContext): boolean {
  const lists = llm !== null && response.ok && x.request.method === 'GET' && path.endsWith('/models')
  return lists && saysAnything(choice)
}

function isJson(headers: Headers): boolean {
  return /^\s*application\/([\w.-]+\+)?json\b/i.test(headers.get('content-type') ?? '')
}
