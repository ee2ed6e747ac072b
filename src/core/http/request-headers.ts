import type { Route, SecretReference } from '../config/types.ts'
import type { Dialect } from '../dialect/dialect.ts'
import type { Outcome } from '../outcome.ts'
import { keyPrefix } from '../key/key-text.ts'
import { foldName, hopByHop, nominated } from './hop-by-hop.ts'

/** What a client could say about where a request came from or is meant to go; only the gateway says such things. */
const aboutThePath: ReadonlySet<string> = new Set([
  'cdn-loop',
  'client-ip',
  'expect',
  'forwarded',
  'host',
  'content-length',
  'true-client-ip',
  'via',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-host',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-middleware-subrequest',
  'x-original-host',
  'x-original-url',
  'x-real-ip',
  'x-request-id',
  'x-rewrite-url',
])
const aboutThePathPrefix = /^(x-forwarded-|x-sluice-|cf-|x-envoy-)/

/** Headers that carry credentials; all of them go when the gateway puts its own in. */
const credentials: ReadonlySet<string> = new Set(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])

const fieldsMax = 100
const bytesMax = 65_536

/** What the gateway itself says to the upstream. */
export interface GatewayWords {
  readonly requestId: string
  /** Pseudonym for `Via`. */
  readonly name: string
  readonly clientAddress: string | null
  readonly host: string
  readonly scheme: string
  /** What the client takes; the dialect's own wish goes before it. */
  readonly acceptEncoding: string | null
  readonly websocket: boolean
}

/** The credential a target is called with. */
export interface InjectedSecret {
  readonly reference: SecretReference
  readonly value: string
}

/**
 * The headers an upstream gets: the client's, without those of the connection (RFC 9110 §7.6.1), of the gateway's keys,
 * and of the request's path; then the route's edits, the gateway's own words and the target's secret, in this order,
 * so that nothing a client nominates or aliases can displace what the gateway says.
 * @returns refusal `headers_too_large`
 */
export function upstreamHeaders(
  client: Headers,
  policy: { readonly route: Route; readonly dialect: Dialect; readonly secret: InjectedSecret | null },
  words: GatewayWords,
): Outcome<Headers> {
  const { route, dialect, secret } = policy
  const named = nominated(client.get('connection'))
  const spoken = spokenNames(route, secret)
  const headers = new Headers()
  let fields = 0
  let bytes = 0
  for (const [name, value] of client) {
    fields += 1
    bytes += name.length + value.length
    if (named.has(name) || isDropped(name, dialect)) continue
    if (value.includes(keyPrefix) || isClientCredential(name, route, secret)) continue
    if (spoken.includes(foldName(name))) continue
    headers.append(name, value)
  }
  if (fields > fieldsMax || bytes > bytesMax) return { refused: 'headers_too_large', fieldsMax, bytesMax }
  for (const name of route.requestHeaders.remove) headers.delete(name)
  for (const [name, value] of Object.entries(route.requestHeaders.set)) headers.set(name, value)
  addWords(headers, client, dialect, words)
  if (secret !== null) headers.set(secret.reference.header, secret.reference.prefix + secret.value)
  return headers
}

function isDropped(name: string, dialect: Dialect): boolean {
  const folded = foldName(name)
  if (hopByHop.has(folded) || aboutThePath.has(folded) || aboutThePathPrefix.test(folded)) return true
  return dialect.headers.requestDrop.has(folded) || (folded !== name && credentials.has(folded))
}

function isClientCredential(name: string, route: Route, secret: InjectedSecret | null): boolean {
  if (!credentials.has(name)) return false
  if (secret !== null) return true
  return route.auth !== 'none' && route.keySources.some((source) => source === name)
}

/** Names under which the route or the gateway speaks or is silent, folded: a client has no alias for them. */
function spokenNames({ requestHeaders: { remove, set } }: Route, secret: InjectedSecret | null): string[] {
  const names = ['accept-encoding', ...remove, ...Object.keys(set)]
  if (secret !== null) names.push(secret.reference.header)
  return names.map(foldName)
}

function addWords(headers: Headers, client: Headers, dialect: Dialect, words: GatewayWords): void {
  const via = withoutKey(client.get('via'))
  headers.set('via', via === null ? `1.1 ${words.name}` : `${via}, 1.1 ${words.name}`)
  headers.set('x-request-id', words.requestId)
  const encoding = dialect.headers.acceptEncoding ?? withoutKey(words.acceptEncoding)
  if (encoding !== null) headers.set('accept-encoding', encoding)
  if (words.websocket) headers.set('upgrade', 'websocket')
  if (!dialect.headers.tellsClient) return
  headers.set('x-forwarded-host', words.host)
  headers.set('x-forwarded-proto', words.scheme)
  if (words.clientAddress !== null) headers.set('x-forwarded-for', words.clientAddress)
}

/** What a client says and the gateway says on; nothing where one of our keys stands in it. */
function withoutKey(said: string | null): string | null {
  return said?.includes(keyPrefix) === true ? null : said
}

/** Whether the request has passed through a gateway of this name before (RFC 9110 §7.6.3). */
export function hasPassed(via: string | null, name: string): boolean {
  if (via === null) return false
  return via.split(',').some((hop) => hop.trim().split(/\s+/)[1] === name)
}
