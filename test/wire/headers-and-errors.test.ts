import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DialectName } from '../../src/core/config/types.ts'
import { leaks, secretPart } from '../support/canaries.ts'
import { expectRefusal } from '../support/dialect-errors.ts'
import { freePort, startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { headText } from '../support/http-message.ts'
import { exchange, RawConnection, type RawAnswer } from '../support/raw-client.ts'
import {
  startScriptedUpstream,
  wholeAnswer,
  type ReceivedRequest,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'

/** The LLM provider, an origin for plain HTTP, and one that nobody configured. */
let provider: ScriptedUpstream
let plain: ScriptedUpstream
let elsewhere: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  provider = await startScriptedUpstream()
  plain = await startScriptedUpstream()
  elsewhere = await startScriptedUpstream()
  for (const up of [provider, plain]) up.on('/ok', (x) => x.send(wholeAnswer(200, {}, 'ok')))
  gateway = await startGatewayUnderTest({
    upstreamUrl: provider.url,
    upstreams: { example: { dialect: 'http', targets: [{ origin: plain.url }] } },
    routes: [
      { id: 'by-query', path: '/by-query/*', upstream: 'example', rewrite: '/*', keyQuery: 'key' },
      { id: 'open', path: '/open/*', upstream: 'example', rewrite: '/*', auth: 'none' },
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await Promise.all([provider, plain, elsewhere].map((up) => up.close()))
})

beforeEach(() => {
  for (const up of [provider, plain, elsewhere]) up.forget()
})

/** Whatever a test did: a provider's secret goes to that provider, and the gateway's own go nowhere. */
afterEach(() => {
  const { OPENAI_API_KEY: _openai, ANTHROPIC_API_KEY: _anthropic, ...own } = gateway.canaries
  expect(leaks(plain.received(), gateway.canaries)).toEqual([])
  expect(leaks(provider.received(), own)).toEqual([])
  expect(elsewhere.connections()).toBe(0)
})

const dialects: readonly [DialectName, string][] = [
  ['http', '/http'],
  ['openai', '/openai'],
  ['anthropic', '/anthropic'],
]

function upstreamOf(dialect: DialectName): ScriptedUpstream {
  return dialect === 'http' ? plain : provider
}

function authorized(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { authorization: `Bearer ${gateway.key}`, ...more }
}

async function seenFor(path: string, headers: Readonly<Record<string, string>>): Promise<ReceivedRequest> {
  const answer = await exchange(gateway, { path, headers })
  expect(answer.status).toBe(200)
  const seen = [...provider.requests(), ...plain.requests()]
  expect(seen).toHaveLength(1)
  return seen[0] as ReceivedRequest
}

/** Stands for a value that no upstream may ever see. */
const canary = `canary-${randomBytes(8).toString('hex')}`

/** Headers of the connection, and what only the gateway may say. */
const unforwarded: readonly Readonly<Record<string, string>>[] = [
  { connection: 'X-Private', 'x-private': canary },
  { connection: 'keep-alive, x-PRIVATE,x-other', 'X-Private': canary, 'X-Other': canary },
  { connection: 'x-real-ip, authorization', 'x-real-ip': canary },
  { 'keep-alive': canary },
  { te: canary },
  { trailer: canary },
  { 'proxy-authorization': canary },
  { 'proxy-authenticate': canary },
  { 'proxy-connection': canary },
  { 'http2-settings': canary },
  { 'x-sluice-account': canary },
  { x_sluice_account: canary },
  { 'X.Sluice.Account': canary },
  { forwarded: `for=${canary}` },
  { 'x-forwarded-for': canary },
  { x_forwarded_for: canary },
  { 'x-forwarded-host': canary },
  { 'x-forwarded-proto': canary },
  { 'x-forwarded-prefix': canary },
  { 'x-real-ip': canary },
  { 'true-client-ip': canary },
  { 'cf-connecting-ip': canary },
  { 'x-original-url': canary },
  { 'x-rewrite-url': canary },
  { 'x-http-method-override': canary },
  { 'x-middleware-subrequest': canary },
  { 'x-envoy-original-path': canary },
  { 'x-request-id': canary },
]

describe('a header of the client that is not for the upstream', () => {
  const cases = dialects.flatMap(([dialect, path]) =>
    unforwarded.map((headers) => ({ dialect, path, headers, names: Object.keys(headers).join(' + ') })),
  )

  it.each(cases)('C1, C3, C5, C11, C12: $names stays here, $dialect', async ({ dialect, path, headers }) => {
    const seen = await seenFor(`${path}/ok`, authorized(headers))
    expect(upstreamOf(dialect).received().includes(canary)).toBe(false)
    expect(seen.field('connection') ?? '').not.toContain('private')
  })

  it('does not take an ordinary header with it: those arrive as they were sent', async () => {
    const ordinary = {
      'accept-language': 'de, en;q=0.5',
      'user-agent': 'a client/1.0',
      'x-custom': 'a "value", with; everything=1',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      'anthropic-beta': 'tools-2024-05-16',
      'idempotency-key': 'abc',
    }
    const seen = await seenFor('/anthropic/ok', authorized(ordinary))
    for (const [name, value] of Object.entries(ordinary)) expect(seen.field(name)).toBe(value)
  })

  it('C2: by naming what the gateway says cannot take it away', async () => {
    const named = 'authorization, via, x-request-id, x-forwarded-host, x-forwarded-proto, accept-encoding'
    const http = await seenFor('/http/ok', authorized({ connection: named }))
    expect(http.field('via')).toBe('1.1 sluice')
    expect(http.field('x-request-id')).toMatch(/^[0-9a-f]{32}$/)
    expect(http.field('x-forwarded-host')).toBe('gateway.test')
    expect(http.field('x-forwarded-proto')).toBe('http')
    plain.forget()
    const llm = await seenFor('/openai/ok', authorized({ connection: named }))
    expect(llm.field('authorization')).toBe(`Bearer ${gateway.canaries['OPENAI_API_KEY']}`)
    expect(llm.field('accept-encoding')).toBe('identity')
  })
})

describe('a header of the upstream', () => {
  const headers = {
    connection: 'keep-alive, X-Private',
    'x-private': canary,
    'keep-alive': canary,
    'proxy-authenticate': canary,
    trailer: canary,
    'x-sluice-internal': canary,
    x_sluice_internal: canary,
    server: canary,
    'cf-ray': canary,
    'alt-svc': canary,
  }

  it.each(dialects)(
    'C4: of its connection or its edge does not reach the client, dialect %s',
    async (dialect, path) => {
      const more = { etag: '"v1"', 'x-custom': 'kept', 'x-request-id': 'theirs' }
      upstreamOf(dialect).on('/headers', (x) => x.send(wholeAnswer(200, { ...headers, ...more }, 'the body')))
      const answer = await exchange(gateway, { path: `${path}/headers`, headers: authorized() })
      expect(JSON.stringify(answer.head)).not.toContain(canary)
      expect(answer).toMatchObject({ status: 200, text: 'the body', ended: 'complete' })
      expect([answer.field('etag'), answer.field('x-custom')]).toEqual(['"v1"', 'kept'])
      expect(answer.field('x-upstream-request-id')).toBe('theirs')
      expect(answer.field('x-request-id')).toMatch(/^[0-9a-f]{32}$/)
    },
  )

  it('about the account behind a shared credential does not reach the client', async () => {
    provider.on('/account', (x) =>
      x.send(
        wholeAnswer(
          200,
          {
            'x-ratelimit-remaining-tokens': canary,
            'openai-organization': canary,
            'anthropic-ratelimit-tokens-remaining': canary,
            'anthropic-organization-id': canary,
            'set-cookie': `__cf_bm=${canary}`,
            'openai-processing-ms': '12',
          },
          'ok',
        ),
      ),
    )
    const openai = await exchange(gateway, { path: '/openai/account', headers: authorized() })
    expect(openai.field('x-ratelimit-remaining-tokens')).toBeNull()
    expect(openai.field('openai-organization')).toBeNull()
    expect(openai.field('set-cookie')).toBeNull()
    expect(openai.field('openai-processing-ms')).toBe('12')
    const anthropic = await exchange(gateway, { path: '/anthropic/account', headers: authorized() })
    expect(anthropic.field('anthropic-ratelimit-tokens-remaining')).toBeNull()
    expect(anthropic.field('anthropic-organization-id')).toBeNull()
    expect(anthropic.field('set-cookie')).toBeNull()
  })

  it('that repeats, as Set-Cookie does, arrives as often', async () => {
    const head = 'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2, c\r\nContent-Length: 2\r\n\r\nok'
    plain.on('/cookies', (x) => x.send(head))
    const answer = await exchange(gateway, { path: '/http/cookies', headers: authorized() })
    const cookies = answer.head.headers.filter(([name]) => name.toLowerCase() === 'set-cookie')
    expect(cookies.map(([, value]) => value)).toEqual(['a=1', 'b=2, c'])
  })
})

describe('the id of a request', () => {
  it('is ours, random and under both names on Anthropic routes; the client’s is only logged', async () => {
    const ids = new Set<string>()
    for (const [, path] of dialects) {
      const headers = authorized({ 'x-request-id': 'the-client’s'.replace('’', '-') })
      const answer = await exchange(gateway, { path: `${path}/ok`, headers })
      const id = answer.field('x-request-id') ?? ''
      expect(id).toMatch(/^[0-9a-f]{32}$/)
      if (path === '/anthropic') expect(answer.field('request-id')).toBe(id)
      const [record] = await gateway.recordsOf(id)
      expect(record?.clientRequestId).toBe('the-client-s')
      ids.add(id)
    }
    expect(ids.size).toBe(dialects.length)
  })
})

describe('a client key', () => {
  type Place = readonly [where: string, headersFor: (key: string) => Record<string, string>]
  const places: readonly Place[] = [
    ['Authorization', (key) => ({ authorization: `Bearer ${key}` })],
    ['authorization in lower case', (key) => ({ authorization: `bearer ${key}` })],
    ['x-api-key', (key) => ({ 'x-api-key': key })],
    ['both, the same', (key) => ({ authorization: `Bearer ${key}`, 'x-api-key': key })],
    [
      'both, and in a header and a cookie where it has no business',
      (key) => ({ 'x-api-key': key, 'x-note': `my key is ${key}`, cookie: `k=${key}` }),
    ],
    ['beside a provider’s', (key) => ({ 'x-api-key': key, authorization: 'Bearer sk-mine' })],
  ]
  const cases = dialects.flatMap(([dialect, path]) =>
    places.map(([where, headersFor]) => ({ dialect, path, where, headersFor })),
  )

  it.each(cases)(
    'C6: in $where is taken and goes no further, dialect $dialect',
    async ({ dialect, path, headersFor }) => {
      const answer = await exchange(gateway, { path: `${path}/ok`, headers: headersFor(gateway.key) })
      expect(answer.status).toBe(200)
      const up = upstreamOf(dialect)
      expect(up.requests()).toHaveLength(1)
      expect(leaks(up.received(), { key: secretPart(gateway.key) })).toEqual([])
      expect(up.received().includes('sk-mine')).toBe(false)
    },
  )

  it.each([
    ['?key=KEY', ''],
    ['?a=1&key=KEY&b=%20&&c', '?a=1&b=%20&&c'],
    ['?%6bey=KEY&q=k%65y', '?q=k%65y'],
    ['?key=KEY&key=KEY', ''],
  ])(
    'C6: in the query %s is taken, and the rest of the query goes on as it stood',
    async (query, forwarded) => {
      const path = `/by-query/ok${query.replaceAll('KEY', gateway.key)}`
      const seen = await seenFor(path, {})
      expect(seen.target).toBe(`/ok${forwarded}`)
      expect(leaks(plain.received(), { key: secretPart(gateway.key) })).toEqual([])
    },
  )

  it('in the query of a route that does not take it there is no key', async () => {
    const answer = await exchange(gateway, { path: `/http/ok?key=${gateway.key}` })
    expectRefusal(answer, 'http', { status: 401, code: 'key_missing' })
    expect(plain.requests()).toEqual([])
  })

  it.each(dialects)('that contradicts another is refused, dialect %s', async (dialect, path) => {
    const other = await gateway.newKey()
    const headers = { authorization: `Bearer ${gateway.key}`, 'x-api-key': other.key }
    const answer = await exchange(gateway, { path: `${path}/ok`, headers })
    expectRefusal(answer, dialect, { status: 400, code: 'key_conflict' })
    expect(upstreamOf(dialect).requests()).toEqual([])
  })

  it('on a route without keys goes nowhere, while what belongs to another system passes', async () => {
    const ours = await seenFor('/open/ok', authorized({ 'x-api-key': gateway.key }))
    expect([ours.field('authorization'), ours.field('x-api-key')]).toEqual([null, null])
    plain.forget()
    const theirs = await seenFor('/open/ok', { authorization: 'Bearer of-another-system' })
    expect(theirs.field('authorization')).toBe('Bearer of-another-system')
  })

  it('sent twice in one header is refused', async () => {
    const connection = await RawConnection.open(gateway)
    const line = `x-api-key: ${gateway.key}\r\n`
    connection.write(`GET /http/ok HTTP/1.1\r\nhost: gateway.test\r\n${line}${line}\r\n`)
    const answer = await connection.expect().answer()
    connection.destroy()
    expectRefusal(answer, 'http', { status: 401, code: 'key_invalid' })
  })
})

describe('a redirect', () => {
  it.each(dialects)(
    'C8: to another origin is handed on, never followed, dialect %s',
    async (dialect, path) => {
      const location = `${elsewhere.url}/stolen`
      for (const status of [301, 302, 307, 308]) {
        upstreamOf(dialect).on('/away', (x) => x.send(wholeAnswer(status, { location }, '')))
        const answer = await exchange(gateway, {
          method: 'POST',
          path: `${path}/away`,
          headers: authorized({ 'content-type': 'application/json' }),
          body: '{}',
        })
        expect(answer).toMatchObject({ status })
        expect(answer.field('location')).toBe(location)
      }
      expect(elsewhere.connections()).toBe(0)
    },
  )

  it('C9: within the upstream leads through the gateway and does not name its host', async () => {
    plain.on('/here', (x) => x.send(wholeAnswer(302, { location: `${plain.url}/there?q=1` }, '')))
    const answer = await exchange(gateway, { path: '/http/here', headers: authorized() })
    expect(answer.status).toBe(302)
    expect(answer.field('location')).toBe('/http/there?q=1')
    expect(JSON.stringify(answer.head)).not.toContain(String(plain.port))
  })
})

function secretOf(dialect: DialectName): string {
  return gateway.canaries[dialect === 'openai' ? 'OPENAI_API_KEY' : 'ANTHROPIC_API_KEY'] ?? ''
}

async function errorFrom(dialect: DialectName, path: string, status: number): Promise<RawAnswer> {
  provider.on('/error', (x) => {
    const text = JSON.stringify({ error: { message: `Incorrect API key: ${secretOf(dialect)}` } })
    const headers = { 'content-type': 'application/json', 'x-debug': secretOf(dialect) }
    return x.send(wholeAnswer(status, status < 500 ? { 'content-type': 'application/json' } : headers, text))
  })
  return exchange(gateway, { path: `${path}/error`, headers: authorized() })
}

describe('a provider that repeats the gateway’s credential', () => {
  const llm = dialects.filter(([dialect]) => dialect !== 'http')

  it.each(llm)('C7: in a 401 or 403 is not heard: 502, dialect %s', async (dialect, path) => {
    for (const status of [401, 403]) {
      const answer = await errorFrom(dialect, path, status)
      expectRefusal(answer, dialect, { status: 502, code: 'upstream_credential_refused' })
      expect(leaks(JSON.stringify(answer), gateway.canaries)).toEqual([])
      const [record] = await gateway.recordsOf(answer.field('x-request-id') ?? '')
      expect(record).toMatchObject({ status: 502, upstreamStatus: status })
    }
  })

  it.each(llm)('C7: in any other error is not heard to the end, dialect %s', async (dialect, path) => {
    for (const status of [400, 404, 429, 500, 503]) {
      const answer = await errorFrom(dialect, path, status)
      expect(answer).toMatchObject({ status, ended: 'complete' })
      expect(leaks(JSON.stringify([answer.head, answer.text]), gateway.canaries)).toEqual([])
    }
  })
})

describe('a gateway that is its own upstream', () => {
  it('C20: finds the loop at the second pass: 508', async () => {
    const port = await freePort()
    const own = await startGatewayUnderTest({
      upstreamUrl: provider.url,
      upstreams: { self: { dialect: 'http', targets: [{ origin: `http://127.0.0.1:${port}` }] } },
      routes: [{ id: 'loop', path: '/loop/*', upstream: 'self', auth: 'none' }],
      rig: { port },
    })
    try {
      const answer = await exchange(own, { path: '/loop/x' })
      expect(answer.status).toBe(508)
      expect(JSON.parse(answer.text)).toMatchObject({ code: 'loop_detected' })
      expect(own.records().filter(({ route }) => route === 'loop')).toHaveLength(2)
    } finally {
      await own.close()
    }
  })
})

describe('what is said of a request’s inside', () => {
  it('is a profile for a key that may see one and asks, for nobody else', async () => {
    const allowed = await gateway.newKey({ scopes: ['profile'] })
    const profileFor = async (key: string, ask: string): Promise<string | null> => {
      const headers = { authorization: `Bearer ${key}`, 'x-sluice-profile': ask }
      return (await exchange(gateway, { path: '/http/ok', headers })).field('x-sluice-profile')
    }
    expect(await profileFor(gateway.key, '1')).toBeNull()
    expect(await profileFor(allowed.key, '0')).toBeNull()
    const profile = JSON.parse((await profileFor(allowed.key, '1')) ?? 'null') as object
    expect(profile).toMatchObject({
      stages: { match: expect.any(Number) as number },
      operations: { upstream: 1 },
    })
  })

  it('is Server-Timing with the waits', async () => {
    const answer = await exchange(gateway, { path: '/http/ok', headers: authorized() })
    expect(answer.field('server-timing')).toMatch(/\bupstream;dur=\d/)
  })
})

/** Stays last: it looks back at everything above. */
describe('after all of this', () => {
  it('C63: no secret stands in the log, nor what bodies, queries and cookies held', async () => {
    const headers = authorized({ cookie: `session=${canary}`, 'content-type': 'application/json' })
    await exchange(gateway, { path: `/by-query/ok?key=${gateway.key}&q=${canary}` })
    await exchange(gateway, { method: 'POST', path: '/openai/ok', headers, body: `{"user":"${canary}"}` })
    expect(gateway.records().length).toBeGreaterThan(100)
    const held = { ...gateway.canaries, contentOrCookie: `session=${canary}`, query: `q=${canary}` }
    expect(leaks(gateway.rig.log(), held)).toEqual([])
    expect(provider.received().includes(secretOf('openai'))).toBe(true)
  })

  it('the stores hold no key, only its hash', async () => {
    const entries = JSON.stringify(await gateway.rig.kvControl.entries())
    expect(entries).toContain(gateway.id)
    expect(leaks(entries, gateway.canaries)).toEqual([])
  })
})

describe('an upstream where nobody listens', () => {
  it('makes a 502 with nothing about where that was', async () => {
    const port = await freePort()
    const own = await startGatewayUnderTest({ upstreamUrl: `http://127.0.0.1:${port}` })
    try {
      const headers = { authorization: `Bearer ${own.key}` }
      const answer = await exchange(own, { path: '/http/x', headers })
      expectRefusal(answer, 'http', { status: 502, code: 'upstream_unreachable' })
      expect(headText('', Object.fromEntries(answer.head.headers)) + answer.text).not.toContain(String(port))
    } finally {
      await own.close()
    }
  })
})
