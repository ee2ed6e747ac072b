import { describe, expect, test } from 'vitest'
import type { Route } from '../../src/core/config/types.ts'
import { dialectOf } from '../../src/core/dialect/dialect.ts'
import { hasPassed, upstreamHeaders, type GatewayWords } from '../../src/core/http/request-headers.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { routeWith } from '../support/routes.ts'

const words: GatewayWords = {
  requestId: 'rid',
  name: 'gw',
  clientAddress: '192.0.2.1',
  host: 'api.test',
  scheme: 'https',
  acceptEncoding: 'gzip',
  websocket: false,
}
const openaiSecret = {
  reference: { secret: 'K', header: 'authorization', prefix: 'Bearer ' },
  value: 'sk-upstream',
}

function sent(
  client: Record<string, string>,
  route: Partial<Route> = {},
  secret: typeof openaiSecret | null = null,
) {
  const full = routeWith(route)
  const policy = { route: full, dialect: dialectOf(full.dialect), secret }
  return Object.fromEntries(made(new Headers(client), policy))
}

function made(client: Headers, policy: Parameters<typeof upstreamHeaders>[1]): Headers {
  const headers = upstreamHeaders(client, policy, words)
  if (isRefusal(headers)) throw new Error(headers.refused)
  return headers
}

describe('headers an upstream gets', () => {
  test.each([
    'connection',
    'keep-alive',
    'proxy-authorization',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'http2-settings',
    'expect',
    'forwarded',
    'x-forwarded-prefix',
    'x-real-ip',
    'true-client-ip',
    'cf-connecting-ip',
    'cf-ray',
    'x-original-url',
    'x-rewrite-url',
    'x-http-method-override',
    'x-middleware-subrequest',
    'x-envoy-original-path',
    'x-sluice-profile',
    'x_sluice_profile',
    'x.sluice.profile',
    'x_forwarded_for',
    'x.real.ip',
    'cdn-loop',
  ])('never hold the client\'s "%s"', (name) => {
    expect(sent({ [name]: 'forged' })[name]).toBeUndefined()
  })

  test('lack what a Connection field nominates, in any case and on any line', () => {
    const client = new Headers([
      ['Connection', 'close, X-Private'],
      ['connection', 'ACCEPT'],
      ['x-private', '1'],
      ['accept', 'x'],
      ['x-kept', '1'],
    ])
    const route = routeWith()
    const headers = made(client, { route, dialect: dialectOf('http'), secret: null })
    expect([headers.get('x-private'), headers.get('accept'), headers.get('x-kept')]).toEqual([
      null,
      null,
      '1',
    ])
  })

  test("keep the gateway's words when a client nominates them", () => {
    const nominate =
      'via, x-request-id, x-forwarded-for, x-forwarded-host, x-forwarded-proto, accept-encoding'
    expect(sent({ connection: nominate, via: '1.0 fred', 'x-forwarded-for': '9.9.9.9' })).toMatchObject({
      via: '1.0 fred, 1.1 gw',
      'x-request-id': 'rid',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-host': 'api.test',
      'x-forwarded-proto': 'https',
      'accept-encoding': 'gzip',
    })
  })

  test.each(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])(
    "never hold the client's %s beside the target's secret",
    (name) => {
      const headers = sent({ [name]: 'client-credential' }, {}, openaiSecret)
      expect(Object.values(headers).join()).not.toContain('client-credential')
      expect(headers['authorization']).toBe('Bearer sk-upstream')
    },
  )

  test.each([
    ['authorization', 'Bearer slc_a_b', 'required'],
    ['x-api-key', 'slc_a_b', 'none'],
    ['x-anything', 'slc_a_b', 'none'],
    ['cookie', 'k=slc_a_b', 'none'],
    ['authorization', 'Bearer sk-not-ours', 'required'],
    ['x-api-key', 'sk-not-ours', 'optional'],
  ] as const)('never hold a gateway key or a stray credential: %s: %s, auth %s', (name, value, auth) => {
    expect(sent({ [name]: value }, { auth })[name]).toBeUndefined()
  })

  test("hold the client's own credential where the gateway asks for no key and has no secret", () => {
    expect(sent({ authorization: 'Bearer own' }, { auth: 'none' })['authorization']).toBe('Bearer own')
  })

  test('tell an LLM provider nothing of the client and ask it for no compression', () => {
    const client = {
      cookie: 'a=b',
      origin: 'https://app.test',
      'accept-encoding': 'br',
      'anthropic-beta': 'x',
    }
    const headers = sent(client, { dialect: 'anthropic' }, openaiSecret)
    expect(headers).toEqual({
      'accept-encoding': 'identity',
      'anthropic-beta': 'x',
      authorization: 'Bearer sk-upstream',
      via: '1.1 gw',
      'x-request-id': 'rid',
    })
  })

  test("obey the route's edits, which cannot displace the gateway's words or the secret", () => {
    const requestHeaders = {
      remove: ['x-a'],
      set: { 'x-b': '2', authorization: 'Bearer edited', via: 'edited' },
    }
    const headers = sent({ 'x-a': '1', 'x-b': '1' }, { requestHeaders }, openaiSecret)
    expect(headers).toMatchObject({ 'x-b': '2', authorization: 'Bearer sk-upstream', via: '1.1 gw' })
    expect(headers['x-a']).toBeUndefined()
  })
})

describe('a request with too many or too large headers', () => {
  const many = Array.from({ length: 101 }, (_, at): [string, string] => [`x-${at}`, '1'])
  test.each([
    ['101 fields', new Headers(many)],
    ['70 KB in one field', new Headers({ 'x-a': 'a'.repeat(70_000) })],
  ])('is refused: %s', (_, client) => {
    const route = routeWith()
    expect(upstreamHeaders(client, { route, dialect: dialectOf('http'), secret: null }, words)).toMatchObject(
      {
        refused: 'headers_too_large',
      },
    )
  })
})

describe('loop guard', () => {
  test.each([
    ['1.1 gw', true],
    ['1.0 fred, HTTP/1.1 gw (comment)', true],
    ['1.1 gw2, 1.1 other', false],
    [null, false],
    ['', false],
    ['gw', false],
  ])('Via: %s → %s', (via, expected) => {
    expect(hasPassed(via, 'gw')).toBe(expected)
  })
})
