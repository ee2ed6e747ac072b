import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { leaks } from '../support/canaries.ts'
import { freePort, startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { exchange, RawConnection } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'

let provider: ScriptedUpstream
let plain: ScriptedUpstream
let elsewhere: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  provider = await startScriptedUpstream()
  plain = await startScriptedUpstream()
  elsewhere = await startScriptedUpstream()
  for (const up of [provider, plain, elsewhere]) {
    up.on('*', async (x) => {
      await x.bodyEnd()
      await x.send(wholeAnswer(200, { 'content-type': 'application/json' }, '{}'))
    })
  }
  gateway = await startGatewayUnderTest({
    upstreamUrl: provider.url,
    upstreams: { example: { dialect: 'http', targets: [{ origin: plain.url }] } },
    routes: [
      { id: 'params', path: '/of/{name}/*', upstream: 'example', rewrite: '/{name}/*' },
      { id: 'by-query', path: '/by-query/*', upstream: 'example', rewrite: '/*', keyQuery: 'key' },
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

const chat = '/v1/chat/completions'

function post(path: string, headers: Readonly<Record<string, string>>, body: object) {
  const all = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json', ...headers }
  return exchange(gateway, { method: 'POST', path, headers: all, body: JSON.stringify(body) })
}

/** Names by which other gateways let a client say where to. */
const wishes = [
  'api_base',
  'base_url',
  'baseURL',
  'api_url',
  'endpoint',
  'url',
  'target',
  'upstream',
  'host',
  'proxy',
  'custom_llm_provider',
  'azure_endpoint',
]
const headerWishes = [
  'x-portkey-custom-host',
  'x-portkey-config',
  'x-custom-host',
  'x-api-base',
  'x-base-url',
  'x-upstream',
  'x-target-url',
  'x-sluice-upstream',
  'x-sluice-target',
  'helicone-target-url',
  'x-forwarded-host',
  'x-forwarded-server',
  'cf-worker',
  'x-litellm-api-base',
]

describe('C17: nothing a client says chooses an upstream:', () => {
  it.each(wishes)('C17: `%s` in the body, in the query, in a form', async (name) => {
    await post(
      chat,
      {},
      { model: 'm', messages: [], [name]: elsewhere.url, extra_body: { [name]: elsewhere.url } },
    )
    await post(`${chat}?${name}=${encodeURIComponent(elsewhere.url)}`, {}, { model: 'm', messages: [] })
    await post(`/http/x?${name}=${elsewhere.url}`, {}, { [name]: elsewhere.url })
    await post(`/by-query/x?${name}=${elsewhere.url}&key=${gateway.key}`, {}, { [name]: elsewhere.url })
    expect(elsewhere.connections()).toBe(0)
    expect(provider.requests().map(({ target }) => target.split('?')[0])).toEqual([chat, chat])
    expect(plain.requests().map(({ target }) => target.split('?')[0])).toEqual(['/x', '/x'])
  })

  it.each(headerWishes)('C17: header `%s`', async (name) => {
    for (const value of [elsewhere.url, `127.0.0.1:${elsewhere.port}`]) {
      expect((await post(chat, { [name]: value }, { model: 'm', messages: [] })).status).toBe(200)
      expect((await post('/http/x', { [name]: value }, {})).status).toBe(200)
    }
    expect(elsewhere.connections()).toBe(0)
    expect(leaks(plain.received(), gateway.canaries)).toEqual([])
  })

  it('C17: a value in the path', async () => {
    const host = `127.0.0.1:${elsewhere.port}`
    const values = [
      host,
      `@${host}`,
      `evil@${host}`,
      `${host}%23`,
      `%23${host}`,
      `http:`,
      '%2F%2F',
      `%40${host}`,
      '.',
    ]
    for (const value of values) {
      const answer = await post(`/of/${value}/${host}`, {}, {})
      expect([200, 400]).toContain(answer.status)
    }
    expect(elsewhere.connections()).toBe(0)
    for (const { head } of plain.requests()) {
      expect(head.headers.find(([name]) => name.toLowerCase() === 'host')?.[1]).toBe(
        `127.0.0.1:${plain.port}`,
      )
    }
  })

  it('C17: a Host, a target in absolute form, an authority', async () => {
    const host = `127.0.0.1:${elsewhere.port}`
    for (const [target, named] of [
      ['/http/x', host],
      [`http://${host}/http/x`, 'gateway.test'],
      [`http://${host}/http/x`, host],
      [host, 'gateway.test'],
    ] as const) {
      for (const method of ['GET', 'CONNECT']) {
        const connection = await RawConnection.open(gateway)
        connection.write(
          `${method} ${target} HTTP/1.1\r\nhost: ${named}\r\nx-api-key: ${gateway.key}\r\n\r\n`,
        )
        const answer = await connection.expect().answer()
        expect([200, 400, 405, 501, 500]).toContain(answer.status)
        connection.destroy()
      }
    }
    expect(elsewhere.connections()).toBe(0)
  })
})

interface Pair {
  readonly first: GatewayUnderTest
  readonly second: GatewayUnderTest
  close(): Promise<void>
}

function startAt(port: number, other: number, name: string): Promise<GatewayUnderTest> {
  return startGatewayUnderTest({
    upstreamUrl: provider.url,
    settings: { name },
    upstreams: { other: { dialect: 'http', targets: [{ origin: `http://127.0.0.1:${other}` }] } },
    routes: [{ id: 'loop', path: '/loop/*', upstream: 'other', auth: 'none' }],
    rig: { port },
  })
}

/** Two gateways, each the other's upstream for `/loop/*`. */
async function circle(secondName: string): Promise<Pair> {
  const [firstPort, secondPort] = [await freePort(), await freePort()]
  const first = await startAt(firstPort, secondPort, 'sluice')
  const second = await startAt(secondPort, firstPort, secondName)
  return { first, second, close: async () => void (await Promise.all([first.close(), second.close()])) }
}

const passes = (pair: Pair) =>
  [pair.first, pair.second].map((each) => each.records().filter(({ route }) => route === 'loop').length)

describe('C20: gateways in a circle', () => {
  it.each([
    ['of different names stop at the first’s second sight of it', 'another', [2, 1]],
    ['of one name stop at once', 'sluice', [1, 1]],
  ] as const)('C20: %s: 508, no storm', async (_what, name, expected) => {
    const pair = await circle(name)
    try {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => exchange(pair.first, { path: '/loop/x' })),
      )
      for (const answer of answers) {
        expect(answer.status).toBe(508)
        expect(JSON.parse(answer.text)).toMatchObject({ code: 'loop_detected' })
      }
      expect(passes(pair)).toEqual(expected.map((each) => each * 10))
    } finally {
      await pair.close()
    }
  })

  it('C20: cannot be hidden by a client: a `Via` of its own, nominated, aliased or long', async () => {
    const pair = await circle('another')
    try {
      const vias = [
        '1.1 x',
        '1.1 sluicer',
        `${'1.1 a, '.repeat(500)}1.1 b`,
        'HTTP/1.1 "sluice"',
        ', ,',
        '1.1\tq (a, b)',
      ]
      for (const via of vias) {
        const headers = { via, connection: 'via, x-via', x_via: '1', _via: '1' }
        const answer = await exchange(pair.first, { path: '/loop/x', headers })
        expect([via.slice(0, 20), answer.status]).toEqual([via.slice(0, 20), 508])
      }
      expect(passes(pair)).toEqual([vias.length * 2, vias.length])
    } finally {
      await pair.close()
    }
  })
})
