import { Buffer } from 'node:buffer'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { expectRefusal } from '../support/dialect-errors.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { exchange, RawConnection, type RawAnswer } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('*', async (x) => {
    await x.bodyEnd()
    await x.send(wholeAnswer(200, { 'content-type': 'text/plain' }, 'ok'))
  })
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    routes: [
      { id: 'one-method', path: '/one-method', methods: ['POST'], upstream: 'example' },
      {
        id: 'shared-with-pages',
        path: '/cors/*',
        methods: ['GET', 'POST'],
        upstream: 'example',
        rewrite: '/*',
        cors: { origins: ['https://app.example.com'] },
      },
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

beforeEach(() => up.forget())

/** Sends bytes as they are, KEY standing for a good key, and reads one answer. */
async function answerTo(raw: string, encoding: BufferEncoding = 'latin1'): Promise<RawAnswer> {
  const connection = await RawConnection.open(gateway)
  connection.write(Buffer.from(raw.replaceAll('KEY', gateway.key), encoding))
  try {
    return await connection.expect(raw.startsWith('HEAD') ? 'HEAD' : 'GET').answer()
  } finally {
    connection.destroy()
  }
}

function get(path: string, lines: readonly string[] = ['host: gateway.test']): string {
  return `GET ${path} HTTP/1.1\r\n${[...lines, 'authorization: Bearer KEY'].join('\r\n')}\r\n\r\n`
}

function post(headers: readonly string[], body: string): string {
  const lines = ['host: gateway.test', 'authorization: Bearer KEY', ...headers]
  return `POST /http/x HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

const malformed = { status: 400, code: 'malformed_request' }
const noRoute = { status: 404, code: 'no_route' }

const hosts = ['gw/admin?', 'a@b', 'gw#', 'gw\\', 'gw evil', 'gw, evil', 'gw:99999', 'gw:port', '[::1']

const paths: readonly (readonly [path: string, expected: { status: number; code: string }])[] = [
  ['/http/../_sluice/v1/accounts', malformed],
  ['/http/%2e%2e/_sluice/v1/accounts', malformed],
  ['/http/.%2E/_sluice', malformed],
  ['/http/..%2f_sluice', malformed],
  ['/http/%252e%252e/_sluice', malformed],
  ['/http/..\\_sluice', malformed],
  ['/http/..;/_sluice', malformed],
  ['/./http/x', malformed],
  ['/http//x', malformed],
  ['//http/x', malformed],
  ['/http/%00', malformed],
  ['/http/%c0%ae%c0%ae/x', malformed],
  ['/http/%zz', malformed],
  ['/http/%', malformed],
  ['/http/%5cx', malformed],
  ['/HTTP/x', noRoute],
  ['/httpx', noRoute],
  ['/nowhere', noRoute],
  [`/http/${'x'.repeat(17_000)}`, { status: 414, code: 'url_too_long' }],
]

describe('a malformed request gets a 4xx that says why, with an id, and reaches no upstream:', () => {
  it.each(hosts)('C10: Host %s', async (host) => {
    const answer = await answerTo(get('/http/x', [`host: ${host}`]))
    expectRefusal(answer, 'http', malformed)
    expect(up.requests()).toEqual([])
  })

  it('C10: two Hosts', async () => {
    const answer = await answerTo(get('/http/x', ['host: gateway.test', 'host: evil.test']))
    expectRefusal(answer, 'http', malformed)
    expect(up.requests()).toEqual([])
  })

  it.each(paths)('C14: path %s', async (path, expected) => {
    const answer = await answerTo(get(path))
    expectRefusal(answer, 'http', expected)
    expect(up.requests()).toEqual([])
  })

  it.each([
    ['one field of 129 KB', [`x-big: ${'x'.repeat(129 * 1_024)}`]],
    ['fields of 66 KB in all', Array.from({ length: 66 }, (_, at) => `x-${at}: ${'x'.repeat(1_024)}`)],
    ['two hundred fields', Array.from({ length: 200 }, (_, at) => `x-${at}: 1`)],
  ])('C26: %s', async (_what, lines) => {
    const answer = await answerTo(get('/http/x', ['host: gateway.test', ...lines]))
    expectRefusal(answer, 'http', { status: 431, code: 'headers_too_large' })
    expect(up.requests()).toEqual([])
  })

  it.each([
    ['a key outside ASCII', 'x-api-key: slc_t1_schlüssel'],
    ['an endless key', `x-api-key: slc_t1_${'a'.repeat(10_000)}`],
    ['a key in a list', 'x-api-key: slc_t1_a, slc_t1_b'],
  ])('%s', async (_what, line) => {
    const answer = await answerTo(`GET /http/x HTTP/1.1\r\nhost: gateway.test\r\n${line}\r\n\r\n`)
    expectRefusal(answer, 'http', { status: 401, code: 'key_invalid' })
    expect(up.requests()).toEqual([])
  })

  it('a method that the route does not take, with those it does', async () => {
    const answer = await answerTo(get('/one-method'))
    expectRefusal(answer, 'http', { status: 405, code: 'method_not_allowed' })
    expect(answer.field('allow')).toContain('POST')
    expect(up.requests()).toEqual([])
  })

  it('TRACE, which would send the credentials back', async () => {
    const answer = await answerTo(get('/http/x').replace('GET', 'TRACE'))
    expectRefusal(answer, 'http', { status: 405, code: 'method_not_allowed' })
    expect(up.requests()).toEqual([])
  })

  it.each([
    ['a chunk size that is none', 'zz\r\nx\r\n0\r\n\r\n'],
    ['a chunk size out of all bounds', 'FFFFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n'],
    ['a chunk size in C', '0x1\r\nx\r\n0\r\n\r\n'],
  ])('%s', async (_what, body) => {
    const answer = await answerTo(post(['transfer-encoding: chunked'], body))
    expectRefusal(answer, 'http', malformed)
    expect(up.requests().every(({ complete }) => !complete)).toBe(true)
  })
})

describe('a message that the runtime itself refuses to read never reaches an upstream, nor makes a 500:', () => {
  it.each([
    ['two lengths', post(['content-length: 1', 'content-length: 2'], 'xx')],
    ['a signed length', post(['content-length: +1'], 'x')],
    ['an unknown transfer coding', post(['transfer-encoding: xchunked'], 'x')],
    ['a folded field', get('/http/x', ['host: gateway.test', 'x-a: 1\r\n 2'])],
    ['a NUL in a field', get('/http/x', ['host: gateway.test', 'x-a: \u0000'])],
    ['no Host', get('/http/x', [])],
    ['an empty Host', get('/http/x', ['host:'])],
    ['a Host outside ASCII', get('/http/x', ['host: ü.test'])],
    ['a path outside ASCII', get('/http/ü')],
    ['a control character in the query', get('/http/x?q=\u0001')],
    ['no version', 'GET /http/x\r\nhost: gateway.test\r\n\r\n'],
    ['a method nobody knows', get('/http/x').replace('GET', 'FROB')],
    ['a method in lower case', get('/http/x').replace('GET', 'get')],
  ])('%s', async (_what, raw) => {
    const answer = await answerTo(raw)
    expect([400, 405, 501]).toContain(answer.status)
    expect(up.requests()).toEqual([])
  })
})

describe('a body of an LLM route that is not what it says', () => {
  it.each([
    ['application/json', '{"model": "x", "messages": [{"role": \u0000\uFFFD', 400, 'malformed_request'],
    ['application/json', '{"model":"a","model":"b"}', 400, 'malformed_request'],
    ['text/plain', '{"model":"a"}', 415, 'body_not_readable'],
    ['application/json; charset=utf-16', '{"model":"a"}', 415, 'body_not_readable'],
  ])('of type %s, %s, is refused before the upstream is called', async (type, body, status, code) => {
    up.forget()
    const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': type }
    const answer = await exchange(gateway, { method: 'POST', path: '/v1/chat/completions', headers, body })
    expectRefusal(answer, 'openai', { status, code })
    expect(up.requests()).toHaveLength(0)
  })
})

describe('what is odd but well formed passes as it is:', () => {
  it('a body that is no JSON, on a plain route', async () => {
    const body = '{"model": "x", "messages": [{"role": \u0000\uFFFD'
    const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' }
    const answer = await exchange(gateway, { method: 'POST', path: '/http/x', headers, body })
    expect(answer.status).toBe(200)
    expect(up.requests()[0]?.body.toString()).toBe(body)
  })

  it.each([
    '/http/a%20b/%C3%BC',
    "/http/~user/!$&'()*+,=:@",
    '/http/x?a=%zz&b=%00&c=%2e%2e/&d=?',
    '/http/x?',
    '/http/...',
    '/http/.hidden',
  ])('%s', async (path) => {
    const answer = await answerTo(get(path))
    expect(answer.status).toBe(200)
    expect(up.requests().map(({ target }) => target)).toEqual([path.slice('/http'.length)])
  })

  it.each([
    ['a fragment, which is nobody’s but the client’s', '/http/x?q=1#/../_sluice'],
    [
      'a target on another host: the Host header counts, and no target is a place to go',
      'http://evil.test/http/x?q=1',
    ],
  ])('%s', async (_what, path) => {
    const answer = await answerTo(get(path))
    expect(answer.status).toBe(200)
    expect(up.requests().map(({ target }) => target)).toEqual(['/x?q=1'])
    expect(up.requests()[0]?.field('x-forwarded-host')).toBe('gateway.test')
  })

  it('a length beside chunks: read once, as chunks', async () => {
    const body = '5\r\nhello\r\n0\r\n\r\n'
    const answer = await answerTo(post(['content-length: 4', 'transfer-encoding: chunked'], body))
    expect(answer.status).toBe(200)
    expect(up.requests().map((request) => request.body.toString())).toEqual(['hello'])
  })

  it('a GET with a body: the body is dropped, so that it can confuse nobody', async () => {
    const headers = { authorization: `Bearer ${gateway.key}` }
    const answer = await exchange(gateway, { path: '/http/x', headers, body: 'GET /evil HTTP/1.1\r\n\r\n' })
    expect(answer.status).toBe(200)
    expect(up.requests()).toHaveLength(1)
    expect(up.requests()[0]?.bodyBytes).toBe(0)
  })
})

describe('what the gateway answers itself', () => {
  it('is at / what this is', async () => {
    const answer = await answerTo(get('/'))
    expect(answer.status).toBe(200)
    expect(JSON.parse(answer.text)).toMatchObject({ name: 'Sluice', health: '/health' })
  })

  it('is at /health that it is there and what time it is, without a key', async () => {
    const answer = await exchange(gateway, { path: '/health' })
    expect(answer.status).toBe(200)
    const { status, timestamp, ...more } = JSON.parse(answer.text) as { status: string; timestamp: string }
    expect([status, more]).toEqual(['ok', {}])
    expect(Math.abs(Date.parse(timestamp) - Date.now())).toBeLessThan(60_000)
  })

  it('is at /health?ready whether the bindings answer', async () => {
    const ready = await exchange(gateway, { path: '/health?ready' })
    expect(ready.status).toBe(200)
    expect(JSON.parse(ready.text)).toMatchObject({ status: 'ok', bindings: { keys: 'ok', registry: 'ok' } })
    await gateway.rig.kvControl.setMode({ kind: 'throw' })
    const failing = await exchange(gateway, { path: '/health?ready' })
    await gateway.rig.kvControl.setMode({ kind: 'ok' })
    expect(failing.status).toBe(503)
    expect(JSON.parse(failing.text)).toMatchObject({ bindings: { keys: 'failing', registry: 'ok' } })
  })

  it('C35: is under /_sluice nothing for a client key', async () => {
    const answer = await answerTo(get('/_sluice/v1/accounts'))
    expect(answer.status).toBe(401)
  })

  it('carries an id and no-store', async () => {
    for (const path of ['/', '/health', '/nowhere', '/_sluice/v1/accounts']) {
      const answer = await exchange(gateway, { path })
      expect(answer.field('x-request-id')).toMatch(/^[0-9a-f]{32}$/)
      expect(answer.field('cache-control')).toBe('no-store')
    }
  })
})

const page = 'https://app.example.com'

function preflight(origin: string, path = '/cors/x'): Promise<RawAnswer> {
  const ask = {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization',
  }
  return exchange(gateway, { method: 'OPTIONS', path, headers: ask })
}

describe('cross-origin requests', () => {
  it('C64: a preflight of an allowed page is answered without a key and without the upstream', async () => {
    const answer = await preflight(page)
    expect(answer).toMatchObject({ status: 204, text: '' })
    expect(answer.field('access-control-allow-origin')).toBe(page)
    expect(answer.field('access-control-allow-methods')).toBe('GET, POST')
    expect(answer.field('access-control-allow-headers')).toContain('authorization')
    expect(answer.field('vary')?.toLowerCase()).toContain('origin')
    expect(up.requests()).toEqual([])
  })

  it.each([
    'null',
    'http://app.example.com',
    `${page}.evil.test`,
    `${page}.`,
    `${page}:444`,
    'https://evil.test',
  ])('C64: a page of %s is allowed nothing', async (origin) => {
    const answers = [
      await preflight(origin),
      await exchange(gateway, {
        path: '/cors/x',
        headers: { origin, authorization: `Bearer ${gateway.key}` },
      }),
    ]
    for (const answer of answers) {
      expect(answer.field('access-control-allow-origin')).toBeNull()
      expect(answer.field('vary')?.toLowerCase()).toContain('origin')
    }
  })

  it('C64: an answer is readable for the page, whatever the upstream says of origins; so is a refusal', async () => {
    up.on('/says-all', (x) => x.send(wholeAnswer(200, { 'access-control-allow-origin': '*' }, 'ok')))
    const headers = { origin: page, authorization: `Bearer ${gateway.key}` }
    const answer = await exchange(gateway, { path: '/cors/says-all', headers })
    expect(answer.field('access-control-allow-origin')).toBe(page)
    const refused = await exchange(gateway, { path: '/cors/x', headers: { origin: page } })
    expectRefusal(refused, 'http', { status: 401, code: 'key_missing' })
    expect(refused.field('access-control-allow-origin')).toBe(page)
  })

  it('C64: a preflight of a route that allows no pages is an ordinary request without a key', async () => {
    const answer = await preflight(page, '/http/x')
    expect(answer.status).toBe(401)
    expect(answer.field('access-control-allow-origin')).toBeNull()
  })
})
