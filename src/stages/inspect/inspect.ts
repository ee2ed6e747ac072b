import type { Route, Target } from '../../core/config/types.ts'
import { isPlain } from '../../core/http/media.ts'
import { makesModelRun } from '../../core/llm/generating.ts'
import { modelChoice, mustNameModel, saysAnything, type ModelChoice } from '../../core/llm/model-policy.ts'
import { isRefusal, type Awaitable, type Outcome } from '../../core/outcome.ts'
import { upstreamPath } from '../../core/route/rewrite.ts'
import type { ConfiguredMatch } from '../../core/route/route-index.ts'
import type {
  Clock,
  Exchange,
  LlmForecast,
  LlmRequest,
  OutboundRequest,
  Principal,
  SendableBody,
  TargetRequest,
} from '../../ports.ts'
import { isAlike, variesByTarget } from './by-target.ts'
import { forecastUnread, longBytes, withOtherModels } from './forecast.ts'
import { inspectForm } from './form-body.ts'
import { forwardedQuery } from './forwarded-query.ts'
import { inspectJson } from './json-body.ts'
import { inspectPlaces, type PlacedModel } from './model-places.ts'
import { readWhole } from './read-whole.ts'
import { findBody, noBody, passOn, sendableBytes, type FoundBody } from './request-body.ts'

/** What the parts of this stage share. */
export interface Inspection {
  readonly x: Exchange
  readonly route: Route
  readonly choice: ModelChoice
  readonly clock: Clock
  /** The path the upstream is asked for: a route may rewrite the client's. */
  readonly path: string
  readonly placed: PlacedModel | null
  /** Whether the target takes `stream_options.include_usage`. */
  readonly includeUsage: boolean
  /** Whether the request, if it has a body, makes a model run. */
  readonly generates: boolean
}

/**
 * Reads what the route's policies need of a request and rewrites it where they ask for it: model names in path, query
 * and body, and usage in streams. Plain routes are passed on unread, with no promise, unless they keep bodies to send
 * them again.
 * @returns refusals `malformed_request`, `body_*`, `model_not_allowed`
 */
export function inspect(
  x: Exchange,
  match: ConfiguredMatch,
  principal: Principal,
  deps: { readonly clock: Clock },
): Awaitable<Outcome<OutboundRequest>> {
  const { route } = match
  const found = findBody(x, route)
  if (isRefusal(found)) return found
  const query = forwardedQuery(x.target.query, route)
  if (route.dialect === 'http') {
    const plain = { match, query, llm: null, forTarget: null, conditions: null }
    const body = plainBody(x, route, found, deps.clock)
    const finish = (ready: Outcome<SendableBody>): Outcome<OutboundRequest> =>
      isRefusal(ready) ? ready : { ...plain, sendable: ready }
    return body instanceof Promise ? body.then(finish) : finish(body)
  }
  const [first] = route.upstream.targets
  if (first === undefined) return { refused: 'misconfigured' }
  const asked = { x, match, query, choice: modelChoice(route.models, principal), clock: deps.clock }
  const placed = placeFor(asked, first)
  if (isRefusal(placed)) return placed
  const body = inspectBody(placed.inspection, found)
  const finish = (inspected: Outcome<InspectedBody>): Outcome<OutboundRequest> =>
    isRefusal(inspected) ? inspected : outboundFor(asked, placed, inspected)
  return body instanceof Promise ? body.then(finish) : finish(body)
}

/** Bodies up to the route's bound are kept, so that they can be sent again; others flow. */
function plainBody(
  x: Exchange,
  route: Route,
  found: FoundBody | null,
  clock: Clock,
): Awaitable<Outcome<SendableBody>> {
  if (found === null) return noBody
  const { stream, length } = found
  if (length === null || length > route.resend.bufferBytes) return passOn(found, route)
  const patience = { patienceMs: route.bodyMs, signal: x.signal, clock }
  return readWhole(stream, length, patience).then((bytes) =>
    isRefusal(bytes) ? bytes : sendableBytes(bytes),
  )
}

/** What of a request is the same for all targets. */
interface Asked {
  readonly x: Exchange
  readonly match: ConfiguredMatch
  readonly query: string
  readonly choice: ModelChoice
  readonly clock: Clock
}

interface Placed {
  readonly inspection: Inspection
  readonly match: ConfiguredMatch
  readonly query: string
}

/** The request's path and query as a target gets them. */
function placeFor({ x, match, query, choice: ofRoute, clock }: Asked, target: Target): Outcome<Placed> {
  const choice = { ...ofRoute, target: target.models }
  const places = inspectPlaces(match, query, x.request.method === 'POST' ? choice : namedOnly(choice))
  if (isRefusal(places)) return places
  const path = upstreamPath(places.match, target)
  const { route } = match
  const { includeUsage } = target
  const generates = makesModelRun(x.request.method, path)
  const inspection = { x, route, choice, clock, path, placed: places.placed, includeUsage, generates }
  return { inspection, match: places.match, query: places.query }
}

/** The request as its first target gets it, and how to make it anew for another one. */
function outboundFor(asked: Asked, placed: Placed, first: InspectedBody): OutboundRequest {
  const { match, query } = placed
  const { upstream } = match.route
  if (!variesByTarget(upstream)) return { match, query, ...sentAs(first), forTarget: null, conditions: null }
  const [firstTarget] = upstream.targets
  let current = first
  const forTarget = (target: Target): Outcome<TargetRequest> => {
    if (firstTarget !== undefined && isAlike(target, firstTarget)) {
      current = first
      return { match, query, sendable: first.sendable }
    }
    const other = placeFor(asked, target)
    if (isRefusal(other)) return other
    const again = first.again(other.inspection)
    if (isRefusal(again)) return again
    current = again
    return { match: other.match, query: other.query, sendable: again.sendable }
  }
  const forecast = forecastForAll(asked, first.llm)
  const llm = { forecast, facts: () => current.llm.facts() }
  return { match, query, sendable: first.sendable, llm, forTarget, conditions: null }
}

function forecastForAll({ match, choice }: Asked, llm: LlmRequest): LlmForecast | null {
  if (llm.forecast === null) return null
  const choices = match.route.upstream.targets.map(({ models }) => ({ ...choice, target: models }))
  return withOtherModels(llm.forecast, llm.facts().asked, choices)
}

function sentAs({ sendable, llm }: InspectedBody): Pick<OutboundRequest, 'sendable' | 'llm'> {
  return { sendable, llm }
}

/** A request that runs nothing is about the model it names: an override would show, or delete, another one. */
function namedOnly(choice: ModelChoice): ModelChoice {
  const { route } = choice
  return route.override === null ? choice : { ...choice, route: { ...route, override: null } }
}

/** A body as the upstream is to get it. */
export interface InspectedBody {
  readonly sendable: SendableBody
  readonly llm: LlmRequest
  /** The same body as another target gets it; a stream only as long as nothing of it was asked for. */
  again(inspection: Inspection): Outcome<InspectedBody>
}

/** Batches name their models where nobody here reads them. */
const unreadModels = /\/batches\/?$/

function inspectBody(inspection: Inspection, found: FoundBody | null): Awaitable<Outcome<InspectedBody>> {
  if (found === null) return untouched(noBody, inspection, null)
  const { route, choice } = inspection
  if (unreadModels.test(inspection.path) && mustNameModel(choice)) {
    return { refused: 'body_not_readable', found: 'a batch, whose models cannot be checked' }
  }
  const kind = bodyKind(inspection.x.request.headers)
  if (kind === 'json') return inspectJson(inspection, found)
  if (kind === 'form') return inspectForm(inspection, found)
  if (route.opaqueBodies === 'refuse' || saysAnything(choice))
    return { refused: 'body_not_readable', found: kind }
  const forecast = forecastUnread(inspection, found.length, longBytes)
  return untouched(passOn(found, route), inspection, forecast)
}

/** A body that no target gets otherwise. */
function untouched(body: SendableBody, { placed }: Inspection, forecast: LlmForecast | null): InspectedBody {
  return {
    sendable: body,
    llm: unread(placed, forecast),
    again: (other) => untouched(body, other, forecast),
  }
}

/** What there is to say of a request whose body is not read. */
function unread(placed: PlacedModel | null, forecast: LlmForecast | null): LlmRequest {
  const { asked = null, model = null } = placed ?? {}
  const facts = { asked, model, stream: false, askedForUsage: false, bodyBytes: 0 }
  return { forecast, facts: () => facts }
}

/** What a body says it is: JSON in UTF-8, a form, or the words that name anything else. */
function bodyKind(headers: Headers): string {
  if (!isPlain(headers)) return 'a body with a content-encoding'
  const declared = headers.get('content-type')
  if (declared === null) return 'a body without a content-type'
  const [type = '', ...parameters] = declared.toLowerCase().split(';')
  const charsets = parameters.map((each) => each.trim()).filter((each) => each.startsWith('charset'))
  const utf8 = charsets.every((each) => /^charset="?(utf-8|us-ascii)"?$/.test(each))
  if (/^application\/(json|[\w.-]+\+json)$/.test(type.trim()))
    return utf8 ? 'json' : 'JSON in another charset'
  return type.trim() === 'multipart/form-data' ? 'form' : 'a body of another content-type'
}
