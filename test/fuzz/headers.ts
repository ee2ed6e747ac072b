import type { DialectName, HeaderEdits, KeySourceName } from '../../src/core/config/types.ts'
import { dialectOf } from '../../src/core/dialect/dialect.ts'
import { addCors, preflightHeaders } from '../../src/core/http/cors.ts'
import { hasPassed, upstreamHeaders, type GatewayWords } from '../../src/core/http/request-headers.ts'
import { clientHeaders } from '../../src/core/http/response-headers.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { routeWith } from '../support/routes.ts'
import type { Draw } from './draw.ts'
import { hold, same, type FuzzTarget } from './target.ts'

type Field = readonly [name: string, value: string]

interface HeadersInput {
  readonly client: readonly Field[]
  readonly upstream: readonly Field[]
  readonly dialect: DialectName
  readonly auth: 'required' | 'optional' | 'none'
  readonly keySources: readonly KeySourceName[]
  readonly secretHeader: string | null
  readonly request: HeaderEdits
  readonly response: HeaderEdits
  readonly cors: boolean
  readonly websocket: boolean
  readonly eventStream: boolean
  readonly clientAddress: string | null
}

const hopByHop =
  words(`connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer
  transfer-encoding upgrade http2-settings`)
/** Request headers that are nobody's but the gateway's; also what begins with one of `internalStarts`. */
const internal = words(`cdn-loop client-ip content-length expect forwarded host true-client-ip x-client-ip
  x-cluster-client-ip x-host x-http-method x-http-method-override x-method-override x-middleware-subrequest
  x-original-host x-original-url x-real-ip x-rewrite-url`)
const internalStarts = ['x-forwarded-', 'x-sluice-', 'cf-', 'x-envoy-']
const credentials = words('authorization x-api-key api-key x-goog-api-key')
const edge = words('alt-svc cf-cache-status cf-ray nel report-to server')
/** What passes in both directions whenever nothing speaks against it. */
const harmless = words(
  'accept content-type user-agent anthropic-beta idempotency-key x-custom-a x-custom-b etag',
)
const said = words('via x-request-id accept-encoding x-forwarded-for x-forwarded-host x-forwarded-proto')
const otherNames = words(`cookie set-cookie origin referer cache-control request-id x-upstream-request-id vary
  access-control-allow-origin access-control-allow-credentials x-ratelimit-limit openai-organization
  anthropic-ratelimit-tokens-limit anthropic-organization-id x-billing-token x-tenant`)
const names = [
  ...hopByHop,
  ...internal,
  ...internalStarts.map((start) => `${start}x`),
  ...credentials,
  ...edge,
  ...harmless,
  ...said,
  ...otherNames,
]
const settable = ['x-tenant', 'x-custom-a', 'x_tenant', 'cache-control', 'etag']
const settableRequest = [...settable, 'authorization', 'x-request-id', 'via']

const ourKey = 'slc_a_0123456789_0123456789_0123456789012345678901_01234567890123456'
const values = [
  '1',
  'a, b',
  '',
  'chunked',
  'Bearer x',
  `Bearer ${ourKey}`,
  ourKey,
  `k=${ourKey}; a=b`,
  '1.1 gw',
  '*',
]
const clientAddresses = [null, '192.0.2.1', '2001:db8::1']

function words(text: string): readonly string[] {
  return text.split(/\s+/)
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[_.]/g, '-')
}

function spelled(draw: Draw, name: string): string {
  const mask = draw.below(3)
  if (mask === 0) return name
  if (mask === 1) return name.toUpperCase()
  return name.replaceAll('-', () => draw.pick(['-', '_', '.']))
}

function makeFields(draw: Draw): Field[] {
  return draw.many(12, (): Field => {
    const name = draw.rarely(16) ? draw.text(6) : spelled(draw, draw.pick(names))
    if (/^connection$/i.test(name)) {
      return [
        name,
        draw.many(5, () => spelled(draw, draw.pick(names))).join(draw.pick([',', ', ', ' ,\t', ',,'])),
      ]
    }
    return [name, draw.rarely(12) ? draw.text(8) : draw.pick(values)]
  })
}

function makeEdits(draw: Draw, settableHere: readonly string[]): HeaderEdits {
  const set = draw.many(3, (): Field => [draw.pick(settableHere), draw.pick(['set-1', 'set-2'])])
  return {
    remove: draw.rarely(2) ? [...new Set(draw.many(4, () => draw.pick([...settableHere, ...harmless])))] : [],
    set: draw.rarely(2) ? Object.fromEntries(set) : {},
  }
}

function make(draw: Draw): HeadersInput {
  return {
    client: makeFields(draw),
    upstream: makeFields(draw),
    dialect: draw.pick(['http', 'openai', 'anthropic'] as const),
    auth: draw.pick(['required', 'optional', 'none'] as const),
    keySources: draw.pick([['authorization', 'x-api-key'], ['authorization'], ['x-api-key'], []] as const),
    secretHeader: draw.pick([null, 'authorization', 'x-api-key', 'x-billing-token', 'x_billing_token']),
    request: makeEdits(draw, settableRequest),
    response: makeEdits(draw, settable),
    cors: draw.rarely(2),
    websocket: draw.rarely(6),
    eventStream: draw.rarely(2),
    clientAddress: draw.pick(clientAddresses),
  }
}

/** Headers as a server hands them over: what no message can carry is left out. */
function received(fields: readonly Field[]): Headers {
  const headers = new Headers()
  for (const [name, value] of fields) {
    try {
      headers.append(name, value)
    } catch {
      // Not a header: the server has answered 400.
    }
  }
  return headers
}

/** Without the white space of HTTP at either end, as `Headers` takes a value in (Fetch standard, "normalize"). */
function trimmed(value: string | null): string | null {
  return value === null ? null : value.replaceAll(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
}

function valuesOf(headers: Headers, name: string): readonly (string | null)[] {
  return name === 'set-cookie' ? headers.getSetCookie() : [trimmed(headers.get(name))]
}

function fieldsOf(headers: Headers): readonly (readonly [string, string | null])[] {
  return [...headers].map(([name, value]) => [name, trimmed(value)])
}

const subject = { upstreamHeaders, clientHeaders, hasPassed, addCors, preflightHeaders }

function nominatedBy(headers: Headers): readonly string[] {
  return (headers.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase())
}

interface Privacy {
  readonly drop: readonly string[]
  readonly account: RegExp
}

const policies: Readonly<Record<DialectName, Privacy>> = {
  openai: {
    drop: words('cookie origin referer'),
    account: /^(ratelimit|ratelimit-policy|x-ratelimit-.*|openai-organization|set-cookie)$/,
  },
  anthropic: {
    drop: words('cookie origin referer'),
    account: /^(ratelimit|ratelimit-policy|anthropic-(ratelimit-.*|organization-id)|set-cookie)$/,
  },
  http: { drop: [], account: /^$/ },
}

const secretValue = 'sk-upstream'
const corsPolicy = {
  origins: ['https://app.test'],
  allowHeaders: ['x-a'],
  exposeHeaders: ['x-b'],
  credentials: true,
  maxAgeSeconds: 1,
}

function policyOf(input: HeadersInput) {
  const { dialect, auth, keySources, secretHeader } = input
  const route = routeWith({
    dialect,
    auth,
    keySources,
    requestHeaders: input.request,
    responseHeaders: input.response,
    cors: input.cors ? corsPolicy : null,
  })
  const reference = { secret: 'K', header: secretHeader ?? '', prefix: 'Bearer ' }
  const secret = secretHeader === null ? null : { reference, value: secretValue }
  return { route, dialect: dialectOf(dialect), secret }
}

function gatewayWords(input: HeadersInput, client: Headers): GatewayWords {
  return {
    requestId: 'our-request-id',
    name: 'gw',
    clientAddress: input.clientAddress,
    host: 'api.test',
    scheme: 'https',
    acceptEncoding: client.get('accept-encoding'),
    websocket: input.websocket,
  }
}

/** What the upstream must find, whatever the client says; null for what must not be there unless a route sets it. */
function mustStand(input: HeadersInput, client: Headers): Map<string, string | null> {
  const llm = input.dialect !== 'http'
  const encoding = llm ? 'identity' : trimmed(client.get('accept-encoding'))
  const stands = new Map<string, string | null>([
    ['x-request-id', 'our-request-id'],
    ['accept-encoding', encoding],
    ['upgrade', input.websocket ? 'websocket' : null],
    ['x-forwarded-host', llm ? null : 'api.test'],
    ['x-forwarded-proto', llm ? null : 'https'],
    ['x-forwarded-for', llm ? null : input.clientAddress],
  ])
  if (input.secretHeader === null) return stands
  for (const name of credentials) stands.set(name, null)
  return stands.set(input.secretHeader, `Bearer ${secretValue}`)
}

function checkRequest(input: HeadersInput, tested: typeof subject): void {
  const client = received(input.client)
  const gateway = gatewayWords(input, client)
  const made = tested.upstreamHeaders(client, policyOf(input), gateway)
  hold(!isRefusal(made), 'a dozen headers are not too many', made)
  const { set, remove } = input.request
  const own = checkOwnWords(input, client, made)
  const spoken = new Set([...own, ...remove].map((name) => fold(name)))
  for (const [name, value] of made) {
    hold(!value.includes('slc_'), 'no key of ours gets out', name, value)
    const valid = /^[!#$%&'*+\-.^_`|~\w]+$/.test(name) && !/[\r\n]/.test(value)
    hold(valid, 'a valid field', name, value)
    if (own.has(name)) continue
    hold(valuesOf(client, name).includes(value), 'what is nobody else’s is the client’s', name, value)
    hold(!spoken.has(fold(name)), 'no alias of what the gateway or the route says or removes', name)
    checkForeign(input, name, nominatedBy(client))
  }
  checkPassed(client, made, [...nominatedBy(client), ...remove, ...Object.keys(set)])
  const acceptEncoding = made.get('accept-encoding')
  const again = tested.upstreamHeaders(made, policyOf(input), { ...gateway, acceptEncoding })
  hold(!isRefusal(again), 'its own output is acceptable', again)
  made.delete('via')
  again.delete('via')
  hold(same(fieldsOf(again), fieldsOf(made)), 'a second turn changes nothing', [...made], [...again])
}

/** @returns the names of the fields that are not the client's */
function checkOwnWords(input: HeadersInput, client: Headers, made: Headers): ReadonlySet<string> {
  const { set } = input.request
  const own = new Set(['via', ...Object.keys(set)])
  hold(made.get('via')?.endsWith('1.1 gw') === true, 'Via names the gateway', made.get('via'))
  for (const [name, value] of mustStand(input, client)) {
    if (value !== null) own.add(name)
    const found = made.get(name)
    const expected = value ?? set[name] ?? null
    const encodingOfKey = name === 'accept-encoding' && value?.includes('slc_') === true
    hold(encodingOfKey || found === expected, 'the gateway has the last word', name, found, expected)
  }
  return own
}

/** What no client may say to an upstream. */
function checkForeign(input: HeadersInput, name: string, nominated: readonly string[]): void {
  const folded = fold(name)
  const reserved = internal.includes(folded) || internalStarts.some((start) => folded.startsWith(start))
  hold(!nominated.includes(name), 'nothing nominated by Connection', name)
  hold(!hopByHop.includes(folded), 'nothing of the connection', name)
  hold(!reserved, 'nothing internal, in any spelling', name)
  hold(folded === name || !credentials.includes(folded), 'no alias of a credential', name)
  hold(!policies[input.dialect].drop.includes(folded), 'nothing private', name)
  const keySource = input.auth !== 'none' && input.keySources.some((source) => source === name)
  hold(!keySource, 'nothing from where a key is read', name)
}

/** What is harmless passes whole. */
function checkPassed(from: Headers, to: Headers, spokenFor: readonly string[]): void {
  const folded = new Set(spokenFor.map((name) => fold(name)))
  for (const name of harmless) {
    const value = from.get(name)
    if (value === null || value.includes('slc_') || folded.has(name)) continue
    hold(to.get(name) === trimmed(value), 'what is harmless passes', name, value, to.get(name))
  }
}

function checkResponse(input: HeadersInput, tested: typeof subject): void {
  const upstream = received(input.upstream)
  const { route, dialect } = policyOf(input)
  const shared = input.secretHeader !== null
  const policy = { route, dialect, shared, eventStream: input.eventStream }
  const made = tested.clientHeaders(upstream, policy)
  const { set, remove } = input.response
  for (const [name, value] of Object.entries(set))
    hold(made.get(name) === value, 'the route has the last word', name)
  const nominated = nominatedBy(upstream)
  for (const [name, value] of made) {
    if (set[name] !== undefined) continue
    const folded = fold(name)
    hold(!remove.includes(name), 'what the route removes is gone', name)
    hold(!hopByHop.includes(folded), 'nothing of the connection', name)
    hold(!edge.includes(folded), 'nothing of another edge', name)
    hold(!folded.startsWith('x-sluice-'), 'nothing in the name of the gateway', name)
    hold(name !== 'x-request-id' && name !== 'request-id', 'the request id is the gateway\u2019s', name)
    hold(!shared || !policies[input.dialect].account.test(folded), 'nothing of the shared account', name)
    hold(!input.cors || !folded.startsWith('access-control-'), 'the route\u2019s CORS rules alone', name)
    if (name === 'x-upstream-request-id') continue
    const added = name === 'cache-control' && (upstream.get(name) === null || nominated.includes(name))
    hold(
      added || valuesOf(upstream, name).includes(value),
      'the upstream\u2019s words, untouched',
      name,
      value,
    )
    hold(added || !nominated.includes(name), 'nothing nominated by Connection', name)
  }
  checkPassed(upstream, made, [...nominated, ...remove, ...Object.keys(set)])
  checkStorable(input, made)
  const again = tested.clientHeaders(made, policy)
  hold(same(fieldsOf(again), fieldsOf(made)), 'a second turn changes nothing', [...made], [...again])
}

/** An answer to a key says whether it may be stored, unless the route was told to leave that out. */
function checkStorable(input: HeadersInput, made: Headers): void {
  const { set, remove } = input.response
  if (remove.includes('cache-control') || set['cache-control'] !== undefined) return
  if (input.auth === 'none' && !input.eventStream) return
  hold(made.has('cache-control'), 'an answer to a key or a stream says whether it may be stored', [...made])
}

function checkCors(input: HeadersInput, tested: typeof subject): void {
  const origins = [
    'https://app.test',
    'https://app.test.',
    'http://app.test',
    'null',
    '*',
    'https://app.test.evil.test',
    null,
  ]
  for (const origin of origins) {
    const headers = received(input.upstream)
    headers.delete('access-control-allow-origin')
    tested.addCors(headers, corsPolicy, origin)
    const preflight = tested.preflightHeaders(corsPolicy, ['GET'], origin)
    for (const made of [headers, preflight]) {
      const allowed = made.get('access-control-allow-origin')
      hold(
        allowed === (origin === 'https://app.test' ? origin : null),
        'an exact origin or none',
        origin,
        allowed,
      )
      hold(/\borigin\b/i.test(made.get('vary') ?? ''), 'caches are told', origin)
    }
  }
}

function check(input: HeadersInput, tested: typeof subject): readonly string[] {
  checkResponse(input, tested)
  checkCors(input, tested)
  const via = received(input.client).get('via')
  if (via !== null && /(^|,)\s*1\.1 gw\s*(,|$)/.test(via)) {
    hold(tested.hasPassed(via, 'gw'), 'a loop is seen', via)
  }
  checkRequest(input, tested)
  return [input.secretHeader === null ? 'own_credential' : 'shared_credential']
}

/** Header rules of both directions, and CORS. */
export const headers: FuzzTarget<HeadersInput, typeof subject> = {
  name: 'headers',
  bytesMax: 160,
  kinds: ['own_credential', 'shared_credential'],
  subject,
  make,
  check,
}
