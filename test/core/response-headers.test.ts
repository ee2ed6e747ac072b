import { describe, expect, test } from 'vitest'
import type { Route } from '../../src/core/config/types.ts'
import { dialectOf } from '../../src/core/dialect/dialect.ts'
import { addCors, isPreflight, preflightHeaders } from '../../src/core/http/cors.ts'
import { clientHeaders } from '../../src/core/http/response-headers.ts'
import { routeWith } from '../support/routes.ts'

function received(
  upstream: HeadersInit,
  route: Partial<Route> = {},
  more: { shared?: boolean; eventStream?: boolean } = {},
) {
  const full = routeWith(route)
  const policy = { route: full, dialect: dialectOf(full.dialect), shared: false, eventStream: false, ...more }
  return clientHeaders(new Headers(upstream), policy)
}

describe('headers a client gets', () => {
  test.each([
    'connection',
    'keep-alive',
    'proxy-authenticate',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'alt-svc',
    'server',
    'cf-ray',
    'x-sluice-anything',
    'x_sluice_anything',
  ])('never hold the upstream\'s "%s"', (name) => {
    expect(received({ [name]: 'x' }).has(name)).toBe(false)
  })

  test("lack what the upstream's Connection field nominates", () => {
    expect(received({ connection: 'X-Secret', 'x-secret': '1', 'x-kept': '1' }).get('x-secret')).toBeNull()
  })

  test.each([
    ['openai', 'x-ratelimit-remaining-tokens'],
    ['openai', 'openai-organization'],
    ['openai', 'set-cookie'],
    ['anthropic', 'anthropic-ratelimit-requests-limit'],
    ['anthropic', 'anthropic-organization-id'],
  ] as const)(
    "of a shared %s account lack %s, which is there for a caller's own account",
    (dialect, name) => {
      expect(received({ [name]: '1' }, { dialect }, { shared: true }).has(name)).toBe(false)
      expect(received({ [name]: '1' }, { dialect }, { shared: false }).has(name)).toBe(true)
    },
  )

  test.each(['x-request-id', 'request-id'])("carry the upstream's %s under a name of its own", (name) => {
    const headers = received({ [name]: 'theirs' })
    expect([headers.get(name), headers.get('x-upstream-request-id')]).toEqual([null, 'theirs'])
  })

  test('keep every Set-Cookie of a plain upstream apart', () => {
    const headers = received([
      ['set-cookie', 'a=1; Path=/'],
      ['set-cookie', 'b=2'],
    ])
    expect(headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2'])
  })

  test.each([
    [{ auth: 'required' }, {}, {}, 'no-store'],
    [{ auth: 'none' }, {}, {}, null],
    [{ auth: 'required' }, { 'cache-control': 'public, max-age=60' }, {}, 'public, max-age=60'],
    [{ auth: 'none' }, {}, { eventStream: true }, 'no-store, no-transform'],
  ] as const)('of route %j with %j and %j say cache-control %s', (route, upstream, more, expected) => {
    expect(received(upstream, route, more).get('cache-control')).toBe(expected)
  })

  test("obey the route's edits", () => {
    const responseHeaders = { remove: ['x-a'], set: { 'x-b': '2' } }
    const headers = received({ 'x-a': '1', 'x-b': '1' }, { responseHeaders })
    expect([headers.get('x-a'), headers.get('x-b')]).toEqual([null, '2'])
  })
})

describe('cross-origin access', () => {
  const policy = {
    origins: ['https://app.test'],
    allowHeaders: ['authorization'],
    exposeHeaders: ['x-request-id'],
    credentials: true,
    maxAgeSeconds: 60,
  }

  test.each([
    'null',
    'https://app.test.evil',
    'http://app.test',
    'https://app.test.',
    'https://evil.test',
    '',
  ])('is not given to origin %j, and the answer varies by origin', (origin) => {
    const headers = new Headers({ vary: 'accept' })
    addCors(headers, policy, origin)
    expect([headers.get('access-control-allow-origin'), headers.get('vary')]).toEqual([
      null,
      'accept, origin',
    ])
  })

  test('is given to an allowed origin exactly', () => {
    const headers = preflightHeaders(policy, ['POST'], 'https://app.test')
    expect(Object.fromEntries(headers)).toEqual({
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'authorization',
      'access-control-allow-methods': 'POST',
      'access-control-allow-origin': 'https://app.test',
      'access-control-expose-headers': 'x-request-id',
      'access-control-max-age': '60',
      vary: 'origin',
    })
  })

  test('a route open to all says so without credentials or Vary', () => {
    const headers = new Headers()
    addCors(headers, { ...policy, origins: ['*'], credentials: false }, 'https://any.test')
    expect([headers.get('access-control-allow-origin'), headers.get('vary')]).toEqual(['*', null])
  })

  test('only OPTIONS with origin and requested method is a preflight', () => {
    const full = new Headers({ origin: 'https://a.test', 'access-control-request-method': 'POST' })
    expect(isPreflight('OPTIONS', full)).toBe(true)
    expect(isPreflight('GET', full)).toBe(false)
    expect(isPreflight('OPTIONS', new Headers({ origin: 'https://a.test' }))).toBe(false)
  })
})
