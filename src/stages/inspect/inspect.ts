import type { Route } from '../../core/config/types.ts'
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
} from '../../ports.ts'
import { forecastUnread } from './forecast.ts'
import { inspectForm } from './form-body.ts'
import { forwardedQuery } from './forwarded-query.ts'
import { inspectJson } from './json-body.ts'
import { inspectPlaces, type PlacedModel } from './model-places.ts'
import { findBody, noBody, passOn, type FoundBody } from './request-body.ts'

/** What the parts of this stage share. */
export interface Inspection {
  readonly x: Exchange
  readonly route: Route
  readonly choice: ModelChoice
  readonly clock: Clock
  /** The path the upstream is asked for: a route may rewrite the client's. */
  readonly path: string
  readonly placed: PlacedModel | null
  /** Whether the request, if it has a body, makes a model run. */
  readonly generates: boolean
}

/**
 * Reads what the route's policies need of a request and rewrites it where they ask for it: model names in path, query
 * and body, and usage in streams. Plain routes are passed on unread, with no promise.
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
    return {
      match,
      query,
      sendable: found === null ? noBody : passOn(found, route),
      llm: null,
      conditions: null,
    }
  }
  const choice = modelChoice(route.models, principal)
  const places = inspectPlaces(match, query, x.request.method === 'POST' ? choice : namedOnly(choice))
  if (isRefusal(places)) return places
  const path = pathAtUpstream(x, places.match)
  const generates = makesModelRun(x.request.method, path)
  const inspection = { x, route, choice, clock: deps.clock, path, placed: places.placed, generates }
  const body = inspectBody(inspection, found)
  const finish = (inspected: Outcome<InspectedBody>): Outcome<OutboundRequest> =>
    isRefusal(inspected)
      ? inspected
      : { match: places.match, query: places.query, ...inspected, conditions: null }
  return body instanceof Promise ? body.then(finish) : finish(body)
}

/** A request that runs nothing is about the model it names: an override would show, or delete, another one. */
function namedOnly({ route, key }: ModelChoice): ModelChoice {
  return route.override === null ? { route, key } : { route: { ...route, override: null }, key }
}

/** A body as the upstream is to get it. */
export interface InspectedBody {
  readonly sendable: SendableBody
  readonly llm: LlmRequest
}

/** As for a long JSON body: what a server takes for one counts like one. */
const opaqueBytesMax = 262_144
/** Batches name their models where nobody here reads them. */
const unreadModels = /\/batches\/?$/

function inspectBody(inspection: Inspection, found: FoundBody | null): Awaitable<Outcome<InspectedBody>> {
  if (found === null) return { sendable: noBody, llm: unread(inspection.placed, null) }
  const { route, choice } = inspection
  if (unreadModels.test(inspection.path) && mustNameModel(choice)) {
    return { refused: 'body_not_readable', found: 'a batch, whose models cannot be checked' }
  }
  const kind = bodyKind(inspection.x.request.headers)
  if (kind === 'json') return inspectJson(inspection, found)
  if (kind === 'form') return inspectForm(inspection, found)
  if (route.opaqueBodies === 'refuse' || saysAnything(choice))
    return { refused: 'body_not_readable', found: kind }
  const forecast = forecastUnread(inspection, found.length, opaqueBytesMax)
  return { sendable: passOn(found, route), llm: unread(inspection.placed, forecast) }
}

function pathAtUpstream(x: Exchange, match: ConfiguredMatch): string {
  const [target] = match.route.upstream.targets
  return target === undefined ? x.target.path : upstreamPath(match, target)
}

/** What there is to say of a request whose body is not read. */
function unread(placed: PlacedModel | null, forecast: LlmForecast | null): LlmRequest {
  const { asked = null, model = null } = placed ?? {}
  const facts = { asked, model, stream: false, askedForUsage: false, bodyBytes: 0 }
  return { forecast, facts: () => facts }
}

/** What a body says it is: JSON in UTF-8, a form, or the words that name anything else. */
function bodyKind(headers: Headers): string {
  const encoding = headers.get('content-encoding') ?? 'identity'
  if (encoding !== 'identity') return 'a body with a content-encoding'
  const declared = headers.get('content-type')
  if (declared === null) return 'a body without a content-type'
  const [type = '', ...parameters] = declared.toLowerCase().split(';')
  const charsets = parameters.map((each) => each.trim()).filter((each) => each.startsWith('charset'))
  const utf8 = charsets.every((each) => /^charset="?(utf-8|us-ascii)"?$/.test(each))
  if (/^application\/(json|[\w.-]+\+json)$/.test(type.trim()))
    return utf8 ? 'json' : 'JSON in another charset'
  return type.trim() === 'multipart/form-data' ? 'form' : 'a body of another content-type'
}
