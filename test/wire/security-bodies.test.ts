import { Buffer } from 'node:buffer'
import { setTimeout as wait } from 'node:timers/promises'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { expectRefusal } from '../support/dialect-errors.ts'
import { eventually } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, lastChunk } from '../support/http-message.ts'
import { exchange, RawConnection, type RawAnswer } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

const bodyMs = 1_000
const firstByteMs = 1_200
const megabyte = 1_048_576

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('*', async (x) => {
    await x.bodyEnd()
    if (x.request.complete) await x.send(wholeAnswer(200, { 'content-type': 'application/json' }, '{}'))
  })
  const target = { origin: up.url, timeouts: { firstByteMs } }
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    upstreams: {
      hasty: { dialect: 'http', targets: [target] },
      'hasty-openai': { dialect: 'openai', targets: [target] },
    },
    routes: [
      { id: 'hasty', path: '/hasty/*', upstream: 'hasty', rewrite: '/*', bodyMs },
      { id: 'hasty-llm', path: '/hasty-llm/*', upstream: 'hasty-openai', rewrite: '/*', bodyMs },
      { id: 'query', path: '/query/*', upstream: 'hasty', rewrite: '/*', keyQuery: 'key' },
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

beforeEach(() => up.forget())

const llm = [
  ['openai', '/v1/chat/completions'],
  ['anthropic', '/v1/messages'],
] as const

function authorized(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { authorization: `Bearer ${gateway.key}`, ...more }
}

const json = { 'content-type': 'application/json' }

function post(
  path: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = json,
): Promise<RawAnswer> {
  return exchange(gateway, { method: 'POST', path, headers: authorized(headers), body })
}

/** The same body with its length left out. */
function inChunks(path: string, body: string | Uint8Array): Promise<RawAnswer> {
  const bytes = Buffer.from(body)
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 16_384) pieces.push(chunk(bytes.subarray(at, at + 16_384)))
  const framed = Buffer.concat([...pieces, Buffer.from(lastChunk)])
  return post(path, framed, { ...json, 'transfer-encoding': 'chunked' })
}

describe('C23: a body with a content-encoding', () => {
  const bomb = gzipSync(Buffer.alloc(20 * megabyte, 0x20), { level: 9 })
  const request = Buffer.from('{"model":"m","messages":[]}')
  const encoded: readonly (readonly [string, Buffer])[] = [
    ['gzip', bomb],
    ['gzip', gzipSync(request)],
    ['deflate', deflateSync(request)],
    ['br', brotliCompressSync(request)],
    ['zstd', request],
    ['x-gzip', gzipSync(request)],
    ['gzip, gzip', gzipSync(gzipSync(request))],
    ['identity, gzip', gzipSync(request)],
    ['GZIP', gzipSync(request)],
    ['Identity', request],
    ['none', request],
    ['aws-chunked', request],
  ]

  it.each(encoded)(
    'C23: `%s` is not opened, and not half understood, on an LLM route',
    async (encoding, body) => {
      for (const [dialect, path] of llm) {
        const answer = await post(path, body, { ...json, 'content-encoding': encoding })
        expectRefusal(answer, dialect, { status: 415, code: 'body_not_readable' })
      }
      expect(up.requests()).toEqual([])
    },
  )

  it('C23: passes unopened on a plain route, bomb or not: as long as it came', async () => {
    expect((await post('/http/x', bomb, { 'content-encoding': 'gzip' })).status).toBe(200)
    expect(up.requests()[0]?.bodyBytes).toBe(bomb.length)
    expect(bomb.length).toBeLessThan(30_000)
  })
})

const deep = (levels: number) => `{"model":"m","x":${'['.repeat(levels)}${']'.repeat(levels)}}`
const manyKeys = () => `{"model":"m",${Array.from({ length: 1_000_000 }, (_, at) => `"k${at}":0`).join(',')}}`

/** Bodies that no JSON reader takes, or that two of them read differently. */
const unreadable: readonly (readonly [string, string | Uint8Array])[] = [
  ['nested 100,000 deep', deep(100_000)],
  ['nested 100,000 deep in objects', `{"model":"m","x":${'{"x":'.repeat(100_000)}0${'}'.repeat(100_001)}`],
  ['nested without an end', `{"x":${'['.repeat(200_000)}`],
  ['with a byte order mark', '\uFEFF{"model":"m"}'],
  ['with NaN', '{"model":"m","temperature":NaN}'],
  ['with Infinity', '{"model":"m","temperature":-Infinity}'],
  ['truncated', '{"model":"m","messages":[{"role":'],
  ['truncated in an escape', '{"model":"m\\u00'],
  ['with something behind it', '{"model":"m"}{"model":"n"}'],
  ['with a comment', '{"model":"m"/*x*/}'],
  ['with a comma too many', '{"model":"m",}'],
  ['in single quotes', "{'model':'m'}"],
  ['that is an array', '[{"model":"m"}]'],
  ['that is a string', '"model"'],
  ['that is empty space', '   '],
  ['that is NUL', '\u0000'],
  ['in UTF-16', Buffer.from('{"model":"m"}', 'utf16le')],
  [
    'in overlong UTF-8',
    Buffer.concat([Buffer.from('{"model":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]),
  ],
  [
    'in surrogates as UTF-8',
    Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
  ],
  ['with a line end in a string', '{"model":"a\nb"}'],
  ['with its model twice', '{"model":"cheap","model":"dear"}'],
  ['with its model twice, once escaped', '{"model":"cheap","\\u006dodel":"dear"}'],
  ['with its model twice, once in capitals', '{"model":"cheap","Model":"dear"}'],
  ['with `stream` twice', '{"model":"m","stream":false,"stream":true}'],
  ['with a model that is a lone surrogate', '{"model":"\\ud800"}'],
  ['with a model that is a number', '{"model":1}'],
  ['with a model that is an object', '{"model":{"toString":"m"}}'],
  ['with a model of two lines', '{"model":"m\\r\\nx-evil: 1"}'],
  ['with a model with NUL', '{"model":"m\\u0000"}'],
  ['with tokens below zero', '{"model":"m","max_tokens":-1}'],
  ['with tokens beyond counting', '{"model":"m","max_tokens":1e400}'],
  ['with half a token', '{"model":"m","max_tokens":0.5}'],
  ['with tokens in words', '{"model":"m","max_tokens":"5"}'],
]

describe('C24: an LLM route given a body', () => {
  it.each(unreadable)(
    'C24: %s: 400 that says why, declared or not, and no whole body upstream',
    async (_what, body) => {
      for (const [dialect, path] of llm) {
        for (const answer of [await post(path, body), await inChunks(path, body)]) {
          expectRefusal(answer, dialect, { status: 400, code: 'malformed_request' })
          expect(answer.text.length).toBeLessThan(600)
        }
      }
      await eventually(() => up.requests().every(({ closedMs, complete }) => complete || closedMs !== null))
      expect(up.requests().filter(({ complete }) => complete)).toEqual([])
    },
  )

  it.each([
    ['nested 100 deep', deep(100)],
    ['of a million keys', manyKeys()],
    [
      'with a string of 10 MB',
      `{"model":"m","messages":[{"role":"user","content":"${'x'.repeat(10 * megabyte)}"}]}`,
    ],
    ['with a lone surrogate in a prompt', '{"model":"m","messages":[{"content":"\\ud800"}]}'],
    ['with a million escapes', `{"model":"m","x":"${'\\u0000'.repeat(1_000_000)}"}`],
    ['with a number of 100,000 digits', `{"model":"m","x":${'9'.repeat(100_000)}}`],
    ['with a key of 1 MB', `{"model":"m","${'k'.repeat(megabyte)}":1}`],
    ['of half a million empty arrays', `{"model":"m","x":[${'[],'.repeat(500_000)}[]]}`],
    ['with 10 MB of space in it', `{${' '.repeat(10 * megabyte)}"model":"m"}`],
  ])('C24: %s, which is large but good, passes as it is', async (_what, body) => {
    for (const answer of [
      await post('/v1/chat/completions', body),
      await inChunks('/v1/chat/completions', body),
    ]) {
      expect(answer.status).toBe(200)
    }
    const length = Buffer.byteLength(body)
    expect(up.requests().map(({ bodyBytes, complete }) => [bodyBytes, complete])).toEqual([
      [length, true],
      [length, true],
    ])
  })
})

const poisoned = (inner: string) => [
  `{"__proto__":${inner},"model":"m"}`,
  `{"constructor":{"prototype":${inner}},"model":"m"}`,
  `{"model":"m","__proto__":{"__proto__":${inner}}}`,
  `{"model":"m","\\u005f_proto__":${inner}}`,
  `{"model":"m","stream_options":{"__proto__":${inner}}}`,
]

describe('C25: __proto__ and constructor.prototype', () => {
  const inner = '{"model":"evil","stream":true,"x":1,"auth":"none","scopes":["profile"],"kind":"anonymous"}'

  it('C25: in a request’s body change nothing, then or later', async () => {
    for (const body of poisoned(inner)) {
      const answer = await post('/v1/chat/completions', body)
      expect([200, 400]).toContain(answer.status)
      if (answer.status !== 200) continue
      const id = answer.field('x-request-id') ?? ''
      expect(
        up
          .requests()
          .find((request) => request.field('x-request-id') === id)
          ?.body.toString(),
      ).toBe(body)
      const [record] = await gateway.recordsOf(id)
      expect([record?.model, record?.upstreamModel]).toEqual(['m', 'm'])
    }
    const later = await post('/v1/chat/completions', '{"messages":[]}')
    const [record] = await gateway.recordsOf(later.field('x-request-id') ?? '')
    expect(record?.model).toBeNull()
    expect((await exchange(gateway, { path: '/http/x' })).status).toBe(401)
  })

  it('C25: in an admin request are refused, or change nothing', async () => {
    const token = gateway.canaries['SLUICE_OPERATOR_TOKEN'] ?? ''
    for (const body of poisoned('{"name":"n","region":"weur","scopes":["profile"],"admin":true}')) {
      for (const path of ['/accounts', `/accounts/${gateway.account}/keys`]) {
        const answer = await exchange(gateway, {
          method: 'POST',
          path: `/_sluice/v1${path}`,
          headers: { authorization: `Bearer ${token}`, ...json },
          body,
        })
        expect(answer.status).toBe(400)
        expect(JSON.parse(answer.text)).toMatchObject({ code: 'invalid_request' })
      }
    }
  })
})

const lines = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`x-${at}`, '1']))

describe('C26: sizes', () => {
  it.each([
    ['two thousand header fields', '/http/x', lines(2_000), 431],
    ['five thousand parameters', `/http/x?${'a=1&'.repeat(5_000)}`, {}, 414],
    ['a URL of 17 KB', `/http/${'x'.repeat(17_000)}`, {}, 414],
    ['a URL of 17 KB that is all escapes', `/http/${'%41'.repeat(5_700)}`, {}, 414],
    ['a URL of a megabyte', `/http/${'x'.repeat(megabyte)}`, {}, 400],
    ['a Connection that nominates thousands', '/http/x', { connection: 'x-a,'.repeat(20_000) }, 431],
    ['a cookie of 100 KB', '/http/x', { cookie: 'x'.repeat(100_000) }, 431],
  ] as const)('C26: %s: refused, in a body of a few hundred bytes', async (_what, path, headers, status) => {
    const answer = await exchange(gateway, { path, headers: authorized(headers) })
    expect([status, 400, 431]).toContain(answer.status)
    expect(answer.body.length).toBeLessThan(700)
    expect(up.requests()).toEqual([])
  })

  it.each([
    ['a hundred fields less those of every request', '/http/x', lines(90)],
    ['four thousand parameters', `/http/x?${'a=1&'.repeat(4_000)}`, {}],
    ['four thousand parameters, looked through for a key', `/query/x?${'a=1&'.repeat(3_980)}`, {}],
    ['a path of seven thousand segments', `/http/${'a/'.repeat(7_000)}`, {}],
  ])('C26: %s pass', async (_what, path, headers) => {
    const answer = await exchange(gateway, { path, headers: authorized(headers) })
    expect(answer.status).toBe(200)
  })
})

/** Sends the head and a byte now and then, listening meanwhile. */
async function trickled(path: string, frame: Readonly<Record<string, string>>): Promise<RawAnswer> {
  const connection = await RawConnection.open(gateway)
  const live = connection.request({ method: 'POST', path, headers: authorized({ ...json, ...frame }) })
  const one = 'transfer-encoding' in frame ? chunk('{') : '{'
  const trickle = setInterval(() => connection.write(one), 250)
  connection.write(one)
  try {
    return await live.answer()
  } finally {
    clearInterval(trickle)
    connection.destroy()
  }
}

describe.concurrent('C28: a body that comes a byte a second', () => {
  const frames = [
    ['large, declared', { 'content-length': '100000' }],
    ['small, declared', { 'content-length': '1000' }],
    ['not declared', { 'transfer-encoding': 'chunked' }],
  ] as const

  it.each(frames)(
    'C28: to an LLM route: 408 or 400 at the latest when its time is over, %s',
    async (what, frame) => {
      const path = `/hasty-llm/${what.replaceAll(/\W/g, '-')}`
      const answer = await trickled(path, frame)
      expect([408, 400]).toContain(answer.status)
      expect(answer.tookMs).toBeLessThan(bodyMs * 1.5)
      await eventually(() => up.requests(path.slice(10)).every(({ closedMs }) => closedMs !== null))
      expect(up.requests(path.slice(10)).filter(({ complete }) => complete)).toEqual([])
    },
  )

  it('C28: to a plain route, small and declared: its time is that to the first byte, 504, and the upstream is closed', async () => {
    const answer = await trickled('/hasty/small', { 'content-length': '1000' })
    expectRefusal(answer, 'http', { status: 504, code: 'upstream_first_byte_timeout' })
    expect(answer.tookMs).toBeGreaterThan(firstByteMs * 0.85)
    expect(answer.tookMs).toBeLessThan(firstByteMs * 1.3)
    await eventually(() => up.requests('/small').every(({ closedMs }) => closedMs !== null))
    expect(up.requests('/small').filter(({ complete }) => complete)).toEqual([])
  })

  it('C28: holds up nobody else meanwhile', async () => {
    const slow = trickled('/hasty/held', { 'transfer-encoding': 'chunked' })
    await wait(100)
    expect((await post('/http/x', 'x')).status).toBe(200)
    expectRefusal(await slow, 'http', { status: 408, code: 'body_too_slow' })
  })
})
