import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { leaks, secretPart } from '../support/canaries.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, lastChunk } from '../support/http-message.ts'
import { exchange, RawConnection, type RawAnswer } from '../support/raw-client.ts'
import {
  startScriptedUpstream,
  wholeAnswer,
  type ReceivedRequest,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'

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
      { id: 'by-query', path: '/by-query/*', upstream: 'example', rewrite: '/*', keyQuery: 'key' },
      { id: 'param', path: '/of/{value}', upstream: 'example', rewrite: '/of/{value}' },
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

beforeEach(() => up.forget())

const canary = `canary-${randomBytes(8).toString('hex')}`

/** Sends header lines as they are, with a good key. */
async function send(
  path: string,
  lines: readonly string[],
  { method = 'GET', body = '' } = {},
): Promise<RawAnswer> {
  const connection = await RawConnection.open(gateway)
  const head = [`${method} ${path} HTTP/1.1`, 'host: gateway.test', ...lines, '', body].join('\r\n')
  connection.write(Buffer.from(head.replaceAll('KEY', gateway.key), 'latin1'))
  try {
    return await connection.expect(method).answer()
  } finally {
    connection.destroy()
  }
}

function theOnlyRequest(): ReceivedRequest {
  expect(up.requests()).toHaveLength(1)
  return up.requests()[0] as ReceivedRequest
}

/** Header fields at the upstream as one would compare two requests: without the id, which is always new. */
function comparable(request: ReceivedRequest): object {
  const headers = request.head.headers.filter(([name]) => name.toLowerCase() !== 'x-request-id')
  return { start: request.head.startLine, headers, body: request.body.toString() }
}

const openaiSecret = () => `Bearer ${gateway.canaries['OPENAI_API_KEY']}`

describe('C1: Connection', () => {
  it.each([
    ['X-Api-Key, Authorization', 'X-Api-Key: KEY'],
    ['x-api-key,authorization', 'x-api-key: KEY'],
    ['x-API-key', 'X-ApI-kEy: KEY'],
    ['close, x-real-ip, X-Private', 'x-api-key: KEY'],
    [' , ,x-private,, ', 'x-api-key: KEY'],
    ['\tx-private\t,\tkeep-alive', 'x-api-key: KEY'],
  ])('C1: `%s` takes no credential away: neither the client’s nor the gateway’s', async (value, key) => {
    const lines = [`Connection: ${value}`, key, `x-private: ${canary}`, `x-real-ip: ${canary}`]
    const answer = await send('/openai/x', value.includes('private') ? lines : lines.slice(0, 2))
    expect(answer.status).toBe(200)
    const seen = theOnlyRequest()
    expect(seen.field('authorization')).toBe(openaiSecret())
    expect([seen.field('x-api-key'), seen.field('x-private'), seen.field('x-real-ip')]).toEqual([
      null,
      null,
      null,
    ])
    expect(seen.field('connection') ?? 'keep-alive').toMatch(/^(keep-alive|close)$/i)
    expect(up.received().includes(canary)).toBe(false)
  })

  it('C1: on two lines nominates what both say', async () => {
    const lines = ['Connection: x-one', 'connection: close, X-Two', `x-one: ${canary}`, `X-TWO: ${canary}`]
    expect((await send('/http/x', ['x-api-key: KEY', ...lines])).status).toBe(200)
    expect(up.received().includes(canary)).toBe(false)
  })
})

/** What the gateway says to an upstream, by route. */
const said: readonly (readonly [path: string, names: readonly string[]])[] = [
  ['/http/x', ['via', 'x-request-id', 'x-forwarded-host', 'x-forwarded-proto', 'accept-encoding', 'host']],
  ['/openai/x', ['authorization', 'via', 'x-request-id', 'accept-encoding', 'host']],
  ['/anthropic/x', ['x-api-key', 'via', 'x-request-id', 'accept-encoding', 'host']],
]
const saidCases = said.flatMap(([path, names]) => names.map((name) => ({ path, name })))

describe('C2, C5: what the gateway says', () => {
  it.each(saidCases)('C2: cannot be nominated away: $name on $path', async ({ path, name }) => {
    const key = path === '/anthropic/x' ? 'authorization: Bearer KEY' : 'x-api-key: KEY'
    await send(path, [key, 'accept-encoding: gzip'])
    const control = theOnlyRequest().field(name)
    up.forget()
    await send(path, [`Connection: ${name}`, key, 'accept-encoding: gzip'])
    const seen = theOnlyRequest().field(name)
    if (name === 'x-request-id') expect(seen).toMatch(/^[0-9a-f]{32}$/)
    else expect(seen).toBe(control)
    expect(seen).not.toBeNull()
  })

  const aliases = saidCases
    .filter(({ name }) => name.includes('-'))
    .flatMap(({ path, name }) =>
      ['_', '.'].map((sign) => ({ path, name, alias: name.replaceAll('-', sign) })),
    )

  it.each(aliases)('C5: has no second voice: $alias on $path', async ({ path, name, alias }) => {
    const key = path === '/anthropic/x' ? 'authorization: Bearer KEY' : 'x-api-key: KEY'
    expect((await send(path, [key, `${alias}: ${canary}`])).status).toBe(200)
    const folded = theOnlyRequest().head.headers.filter(
      ([field]) => field.toLowerCase().replaceAll(/[_.]/g, '-') === name,
    )
    expect(folded.length).toBeLessThanOrEqual(1)
    expect(up.received().includes(canary)).toBe(false)
  })
})

describe('C4: an upstream’s answer', () => {
  const ofTheHop = [
    'x-secret',
    'x_other',
    'keep-alive',
    'proxy-authenticate',
    'trailer',
    'x-sluice-x',
    'upgrade',
  ]

  it.each(['/http', '/openai', '/anthropic'])(
    'C4: in chunks with trailers: nothing of its connection reaches the client, and the body is intact: %s',
    async (path) => {
      const lines = [
        'HTTP/1.1 200 OK',
        'Connection: X-Secret, close',
        'connection: x_other',
        ...ofTheHop.map((name) => `${name}: ${canary}`),
        'Transfer-Encoding: chunked',
      ]
      const body = [chunk('the '), chunk('body'), Buffer.from(`0\r\nX-Late: ${canary}\r\n\r\n`)]
      up.on('/hops', (x) => x.send(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), ...body])))
      const key = path === '/anthropic' ? 'authorization: Bearer KEY' : 'x-api-key: KEY'
      const answer = await send(`${path}/hops`, [key])
      expect(answer).toMatchObject({ status: 200, text: 'the body', ended: 'complete' })
      expect(JSON.stringify(answer.head)).not.toContain(canary)
    },
  )
})

const overrides = [
  'X-Forwarded-Host: evil.test',
  'X-Forwarded-Host: gateway.test/_sluice',
  'X-Forwarded-Prefix: /_sluice',
  'X-Forwarded-Path: /_sluice',
  'X-Forwarded-Uri: /_sluice',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Port: 1',
  'X-Forwarded-Scheme: nothttps',
  'X-Original-URL: /_sluice/v1/accounts',
  'X-Original-Host: evil.test',
  'X-Rewrite-URL: /_sluice/v1/accounts',
  'X-Host: evil.test',
  'X-HTTP-Method-Override: DELETE',
  'X-HTTP-Method: DELETE',
  'X-Method-Override: DELETE',
  'x-middleware-subrequest: src/middleware:src/middleware',
  'x-envoy-original-path: /_sluice',
  'x-envoy-upstream-rq-timeout-ms: 1',
  'Forwarded: for=1.1.1.1;host=evil.test;proto=https',
  'CF-Connecting-IP: 1.1.1.1',
  'True-Client-IP: 1.1.1.1',
  'X-Real-IP: 127.0.0.1',
  'X-Client-IP: 127.0.0.1',
  'X-Forwarded-For: 127.0.0.1',
  'CDN-Loop: cloudflare',
  'CF-EW-Via: 15',
  'x-sluice-account: aaaaaaaaaa',
  'x-sluice-target: evil.test',
  'Proxy-Authorization: Basic eDp5',
  'Proxy-Connection: close',
  'TE: trailers',
]

/** What a request with these lines too comes to at the upstream and in its record. */
const outcome = async (lines: readonly string[]) => {
  up.forget()
  const answer = await send('/http/x?q=1', ['x-api-key: KEY', 'content-length: 4', ...lines], {
    method: 'POST',
    body: 'body',
  })
  expect(answer.status).toBe(200)
  const [record] = await gateway.recordsOf(answer.field('x-request-id') ?? '')
  return { ...comparable(theOnlyRequest()), route: record?.route, method: record?.method }
}

describe('C3, C11: a header that would steer a gateway or its upstream', () => {
  it.each(overrides)('C11: `%s` changes nothing: the upstream gets the same bytes', async (line) => {
    expect(await outcome([line])).toEqual(await outcome([]))
  })
})

/** Characters that end a line, or a string, somewhere. */
const breaks = ['\r\nx-evil: 1', '\nx-evil: 1', '\rx-evil: 1', '\u0000', '\r\n\r\nGET /evil HTTP/1.1\r\n\r\n']
const encodedBreaks = ['%0d%0ax-evil:%201', '%0ax-evil:%201', '%00', '%E5%98%8A%E5%98%8Dx-evil', '%250d%250a']

describe('C21: CR, LF and NUL', () => {
  const spots = {
    'a header’s value': (text: string) => send('/http/x', ['x-api-key: KEY', `x-a: 1${text}2`]),
    'a key': (text: string) => send('/http/x', [`x-api-key: KEY${text}`]),
    'a Bearer token': (text: string) => send('/http/x', [`authorization: Bearer KEY${text}`]),
    'the id of a request': (text: string) => send('/http/x', ['x-api-key: KEY', `x-request-id: a${text}b`]),
    'a header’s name': (text: string) => send('/http/x', ['x-api-key: KEY', `x-a${text}b: 1`]),
    'the path': (text: string) => send(`/http/x${text}y`, ['x-api-key: KEY']),
    'the query': (text: string) => send(`/http/x?q=${text}y`, ['x-api-key: KEY']),
    'a method': (text: string) => send('/http/x', ['x-api-key: KEY'], { method: `GET${text}` }),
    'an origin': (text: string) => send('/http/x', ['x-api-key: KEY', `origin: https://a${text}b`]),
    'a Host': (text: string) => send('/http/x', [`host: a${text}b`, 'x-api-key: KEY']),
  }
  const raw = Object.entries(spots).flatMap(([spot, ask]) =>
    breaks.map((text) => ({ spot, ask, text, shown: JSON.stringify(text) })),
  )

  it.each(raw)(
    'C21: $shown in $spot injects nothing into the upstream’s request, and is no 500',
    async ({ ask, text }) => {
      const answer = await ask(text)
      expect(answer.status).toBeLessThan(502)
      expect(answer.status).not.toBe(500)
      // A line of its own is a header that the client might as well have sent in the first place; it is not ours.
      expect(up.requests().length).toBeLessThanOrEqual(1)
      for (const { target, method } of up.requests())
        expect([target.split('?')[0], method]).toEqual(['/x', 'GET'])
      expect(answer.field('x-evil')).toBeNull()
    },
  )

  const encoded = encodedBreaks.flatMap((text) =>
    ['/of/a', '/http/a', '/by-query/x?key=KEY&a=', '/by-query/x?key=KEY', '/http/x?'].map((before) => ({
      before,
      text,
    })),
  )

  it.each(encoded)('C21: $text after $before is refused or stays encoded', async ({ before, text }) => {
    const answer = await send(before.replaceAll('KEY', gateway.key) + text, ['x-api-key: KEY'])
    expect([200, 400, 401]).toContain(answer.status)
    for (const seen of up.requests()) {
      expect(seen.field('x-evil')).toBeNull()
      expect(seen.target).toContain(text)
    }
    expect(answer.field('x-evil')).toBeNull()
  })

  it('C21: in an upstream’s Location, id or Retry-After reach the client as nothing of their own', async () => {
    for (const text of ['%0d%0ax-evil:1', '\u00e9', 'a\tb']) {
      const head = `HTTP/1.1 302 Found\r\nLocation: /x${text}\r\nx-request-id: a${text}\r\nContent-Length: 0\r\n\r\n`
      up.on('/lines', (x) => x.send(Buffer.from(head, 'latin1')))
      const answer = await send('/http/lines', ['x-api-key: KEY'])
      expect(answer.status).toBe(302)
      expect(answer.field('x-evil')).toBeNull()
    }
  })
})

describe('C6: a client key', () => {
  const places: readonly (readonly [string, string, readonly string[]])[] = [
    ['Authorization', '/http/x', ['Authorization: Bearer KEY']],
    ['x-api-key', '/http/x', ['X-Api-Key: KEY']],
    ['api-key, where it is no credential, beside a good one', '/http/x', ['x-api-key: KEY', 'api-key: KEY']],
    ['x-goog-api-key, likewise', '/http/x', ['x-api-key: KEY', 'x-goog-api-key: KEY']],
    ['?key=', '/by-query/x?key=KEY', []],
    ['?%6Bey=', '/by-query/x?a=1&%6Bey=KEY', []],
    ['?key= in two places', '/by-query/x?key=KEY&b=2&key=KEY', []],
    ['?key= with its value encoded', '/by-query/x?key=%73lcREST', []],
    ['?key= beside a header', '/by-query/x?key=KEY', ['x-api-key: KEY']],
    ['a cookie beside a good one', '/http/x', ['x-api-key: KEY', 'cookie: a=KEY']],
    ['a Basic password beside a good one', '/http/x', ['x-api-key: KEY', 'authorization: Basic BASIC']],
    ['an LLM route', '/openai/x', ['authorization: Bearer KEY']],
    ['an LLM route', '/anthropic/x', ['x-api-key: KEY']],
  ]

  it.each(places)('C6: in %s is in no byte that leaves for the upstream, %s', async (_place, path, lines) => {
    const basic = Buffer.from(`user:${gateway.key}`).toString('base64')
    const put = (text: string) =>
      text.replaceAll('BASIC', basic).replaceAll('REST', gateway.key.slice(3)).replaceAll('KEY', gateway.key)
    const answer = await send(put(path), lines.map(put))
    expect(answer.status).toBe(200)
    expect(up.requests()).toHaveLength(1)
    expect(leaks(up.received(), { key: secretPart(gateway.key) })).toEqual([])
    expect(up.received().includes(basic)).toBe(false)
    expect(theOnlyRequest().target).not.toMatch(/key=/i)
    expect(leaks(JSON.stringify([answer.head, answer.text]), { key: secretPart(gateway.key) })).toEqual([])
    expect(leaks(gateway.rig.log(), { key: secretPart(gateway.key) })).toEqual([])
  })

  it('C6: that is refused is not said back either, wherever it stood', async () => {
    const wrong = `${gateway.key.slice(0, -1)}${gateway.key.endsWith('0') ? '1' : '0'}`
    const asks = [
      exchange(gateway, { path: '/http/x', headers: { 'x-api-key': wrong } }),
      exchange(gateway, { path: `/by-query/x?key=${wrong}` }),
      exchange(gateway, {
        path: `/nowhere/${wrong}?key=${wrong}`,
        headers: { authorization: `Bearer ${wrong}` },
      }),
      exchange(gateway, { path: `/http//${wrong}` }),
      exchange(gateway, { path: `/http/x`, headers: { 'x-api-key': `${wrong}, ${wrong}` } }),
      exchange(gateway, { path: '/_sluice/v1/accounts', headers: { authorization: `Bearer ${wrong}` } }),
    ]
    for (const answer of await Promise.all(asks)) {
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(leaks(JSON.stringify([answer.head, answer.text]), { key: secretPart(wrong) })).toEqual([])
    }
    expect(leaks(gateway.rig.log(), { key: secretPart(wrong) })).toEqual([])
    expect(up.connections()).toBe(0)
  })
})

it('C3: Expect is answered here and goes no further', async () => {
  const connection = await RawConnection.open(gateway)
  const head = `POST /http/x HTTP/1.1\r\nhost: gateway.test\r\nx-api-key: ${gateway.key}\r\ncontent-length: 4\r\n`
  connection.write(`${head}expect: 100-continue\r\n\r\n`)
  const [interim, final] = [connection.expect(), connection.expect()] as const
  expect((await interim.answer()).status).toBe(100)
  connection.write('body')
  expect((await final.answer()).status).toBe(200)
  connection.destroy()
  expect([theOnlyRequest().field('expect'), theOnlyRequest().body.toString()]).toEqual([null, 'body'])
})

it('C3: a chunked request’s own trailers do not reach the upstream, nor become headers there', async () => {
  const body = Buffer.concat([
    chunk('hello'),
    Buffer.from(`0\r\nX-Late: ${canary}\r\nAuthorization: ${canary}\r\n\r\n`),
  ])
  const answer = await send(
    '/http/x',
    ['x-api-key: KEY', 'transfer-encoding: chunked', 'trailer: x-late', 'te: trailers'],
    { method: 'POST', body: body.toString('latin1') },
  )
  expect(answer.status).toBe(200)
  expect(theOnlyRequest().body.toString()).toBe('hello')
  expect(up.received().includes(canary)).toBe(false)
  expect(lastChunk).toBe('0\r\n\r\n')
})
