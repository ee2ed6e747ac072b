import type { ModelPolicy, ModelRules, Route } from '../../../src/core/config/types.ts'
import { isRefusal, type Awaitable, type Outcome } from '../../../src/core/outcome.ts'
import { canonicalTarget } from '../../../src/core/route/canonical-target.ts'
import { buildRouteIndex, matchRoute, type ConfiguredMatch } from '../../../src/core/route/route-index.ts'
import type { Exchange, OutboundRequest, Principal } from '../../../src/ports.ts'
import { inspect } from '../../../src/stages/inspect/inspect.ts'
import { bytesOf, joined } from '../../support/byte-pieces.ts'
import { CountingScope } from '../../support/counting-scope.ts'
import { factsWith } from '../../support/exchanges.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { routeWith, targetWith } from '../../support/routes.ts'

/** A request as it comes, its body in pieces on a stream of the runtime's own. */
export interface Sent {
  readonly method?: string
  /** Path and query. */
  readonly url?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: ReadableStream<Uint8Array> | readonly Uint8Array[]
  readonly declared?: number
}

/** An OpenAI route to a target that takes `include_usage`. */
export function llmRoute(changes: Partial<Route> = {}): Route {
  const target = targetWith({ dialect: changes.dialect ?? 'openai', includeUsage: true })
  return routeWith({ path: '/v1/*', ...changes }, target)
}

/** A stream of the runtime's own, as the body of a request from the network is one. */
export function bodyOf(pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  const [only] = pieces
  const whole = pieces.length === 1 && only !== undefined ? new Response(only).body : null
  if (whole !== null) return whole
  const { readable, writable } = new IdentityTransformStream()
  const writer = writable.getWriter()
  const send = async () => {
    for (const piece of pieces) if (piece.length > 0) await writer.write(piece.slice())
    await writer.close()
  }
  send().catch(() => {})
  return readable
}

/** Runs the stage on a request that this route takes. */
export function inspectAt(
  route: Route,
  sent: Sent,
  { clock = new FakeClock(), models = null }: { clock?: FakeClock; models?: ModelRules | null } = {},
): { readonly outcome: Awaitable<Outcome<OutboundRequest>>; readonly x: Exchange } {
  const request = requestOf(sent)
  const target = canonicalTarget(request.url, null)
  if (isRefusal(target)) throw new Error('not a target')
  const match = matchRoute(buildRouteIndex([route]), target, request.method)
  if (isRefusal(match) || match.kind !== 'route') throw new Error('not a request of the route')
  const x: Exchange = Object.assign(new CountingScope(), {
    request,
    id: 'id',
    startedMs: clock.nowMs(),
    target,
    signal: request.signal,
    facts: factsWith({ route }),
  })
  const principal: Principal = {
    kind: 'key',
    account: 'a',
    keyId: 'k',
    scopes: [],
    models,
    limits: [],
    prepaid: null,
  }
  return { outcome: inspect(x, match, principal, { clock }), x }
}

function requestOf({
  method = 'POST',
  url = '/v1/chat/completions',
  headers,
  body,
  declared,
}: Sent): Request {
  const length = declared === undefined ? {} : { 'content-length': String(declared) }
  const stream = body instanceof ReadableStream || body === undefined ? body : bodyOf(body)
  return new Request(`http://gw.test${url}`, {
    method,
    headers: { ...length, ...headers },
    ...(stream !== undefined && { body: stream }),
  })
}

/** What was let through, or a failure of the test. */
export async function passed(outcome: Awaitable<Outcome<OutboundRequest>>): Promise<OutboundRequest> {
  const settled = await outcome
  if (isRefusal(settled)) throw new Error(`refused: ${JSON.stringify(settled)}`)
  return settled
}

/** The bytes an upstream would get, and whether they came to their end. */
export async function sentBytes({ sendable }: Pick<OutboundRequest, 'sendable'>): Promise<Uint8Array> {
  const { body } = sendable
  if (body.kind === 'none') return new Uint8Array(0)
  if (body.kind === 'bytes') return body.bytes
  const [bytes] = await Promise.all([readAll(body.stream), body.sent])
  return bytes
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of stream) pieces.push(piece)
  return joined(pieces)
}

/** What an upstream would be asked for. */
export function paramsOf({ match }: OutboundRequest): ConfiguredMatch['params'] {
  return match.params
}

export const json = { 'content-type': 'application/json' }
const silent: ModelPolicy = { aliases: {}, override: null, allow: null, deny: [] }
/** A route's names and rules for models. */
export const policy = (says: Partial<ModelPolicy>): { models: ModelPolicy } => ({
  models: { ...silent, ...says },
})
/** One alias, and one model that may not be used. */
export const renames = policy({ aliases: { fast: 'org/small' }, deny: ['large'] })

/** A body of declared length, or of none. */
export function sending(text: string | Uint8Array, declares: boolean, more: Partial<Sent> = {}): Sent {
  const bytes = typeof text === 'string' ? bytesOf(text) : text
  return { body: [bytes], headers: json, ...(declares && { declared: bytes.length }), ...more }
}

/** The refusal, or that there was none. */
export async function refusalOf(outcome: Awaitable<Outcome<OutboundRequest>>): Promise<unknown> {
  const settled = await outcome
  return isRefusal(settled) ? settled : 'passed'
}
