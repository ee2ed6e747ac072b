import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startRig } from '../../bench/rig/rig.ts'
import { expectRefusal } from '../support/dialect-errors.ts'
import { freePort, startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { exchange, type RawAnswer } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

const page = 'https://app.example.com'
const otherPage = 'https://other.example.com:8443'

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('*', (x) => {
    const origin = { 'access-control-allow-origin': '*', 'access-control-allow-credentials': 'true' }
    return x.send(
      wholeAnswer(200, { ...origin, 'access-control-expose-headers': 'x-secret', vary: 'accept' }, 'ok'),
    )
  })
  const nobody = { dialect: 'http', targets: [{ origin: `http://127.0.0.1:${await freePort()}` }] }
  const cors = { origins: [page, otherPage], credentials: true }
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    upstreams: { nobody },
    routes: [
      {
        id: 'exact',
        path: '/exact/*',
        methods: ['GET', 'POST'],
        upstream: 'example',
        rewrite: '/*',
        cors,
        bodyBytesMax: 10,
      },
      { id: 'any', path: '/any/*', upstream: 'example', rewrite: '/*', cors: { origins: ['*'] } },
      { id: 'dead', path: '/dead/*', upstream: 'nobody', rewrite: '/*', cors },
      { id: 'llm', path: '/llm/*', upstream: 'openai', rewrite: '/*', cors },
      { id: 'plain', path: '/plain/*', upstream: 'example', rewrite: '/*' },
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

beforeEach(() => up.forget())

const allowed = (answer: RawAnswer) => answer.field('access-control-allow-origin')
const varies = (answer: RawAnswer) => (answer.field('vary') ?? '').toLowerCase().split(/, */)

function ask(path: string, origin: string, more: Readonly<Record<string, string>> = {}, method = 'GET') {
  return exchange(gateway, { method, path, headers: { origin, 'x-api-key': gateway.key, ...more } })
}

function preflight(path: string, origin: string, method = 'POST'): Promise<RawAnswer> {
  const headers = {
    origin,
    'access-control-request-method': method,
    'access-control-request-headers': 'x-api-key',
  }
  return exchange(gateway, { method: 'OPTIONS', path, headers })
}

/** Origins that look like an allowed one to whoever compares carelessly. */
const strangers = [
  'null',
  '*',
  'http://app.example.com',
  'https://app.example.com.',
  'https://app.example.com:443',
  'https://app.example.com/',
  'https://app.example.com.evil.test',
  'https://evil.test/https://app.example.com',
  'https://app.example.com@evil.test',
  'https://xapp.example.com',
  'https://appXexample.com',
  'https://APP.example.com',
  'HTTPS://app.example.com',
  'https://other.example.com',
  'https://other.example.com:8444',
  `${page}, https://evil.test`,
  `https://evil.test, ${page}`,
  `${page} `,
  `${page}%00.evil.test`,
  'file://',
]

describe('C64: a route for the pages of some origins', () => {
  it.each(strangers.filter((origin) => origin.trim() !== page))(
    'C64: says to a page of `%s` nothing it may read',
    async (origin) => {
      for (const answer of [
        await ask('/exact/x', origin),
        await preflight('/exact/x', origin),
        await ask('/exact/x', origin, { 'x-api-key': '' }),
      ]) {
        const given = answer.head.headers.filter(([name]) => name.toLowerCase().startsWith('access-control-'))
        expect(given).toEqual([])
        expect(varies(answer)).toContain('origin')
      }
    },
  )

  it('C64: gives each of its own pages exactly that origin, with Vary beside the upstream’s', async () => {
    for (const origin of [page, otherPage]) {
      const answer = await ask('/exact/x', origin)
      expect(answer.status).toBe(200)
      expect(allowed(answer)).toBe(origin)
      expect(varies(answer)).toEqual(expect.arrayContaining(['accept', 'origin']) as unknown)
      expect(answer.field('access-control-allow-credentials')).toBe('true')
      expect(answer.field('access-control-expose-headers')).not.toContain('x-secret')
    }
  })

  it('C64: answers their preflight without a key, without the upstream, for its methods only', async () => {
    const answer = await preflight('/exact/x', page)
    expect(answer).toMatchObject({ status: 204, text: '' })
    expect([allowed(answer), answer.field('access-control-allow-methods')]).toEqual([page, 'GET, POST'])
    const other = await preflight('/exact/x', page, 'DELETE')
    expect([other.status === 204, allowed(other)]).not.toEqual([true, page])
    for (const method of ['TRACE', 'CONNECT', 'get', '<x>', '*']) {
      const odd = await preflight('/exact/x', page, method)
      expect([method, odd.status < 500, odd.status === 204]).toEqual([method, true, false])
    }
    expect(up.requests()).toEqual([])
  })

  it('C64: lets them read its refusals and errors too: 401, 400, 405, 413, 502 and those of a provider', async () => {
    const answers = [
      [401, await ask('/exact/x', page, { 'x-api-key': '' })],
      [401, await ask('/exact/x', page, { 'x-api-key': 'slc_x' })],
      [
        413,
        await exchange(gateway, {
          method: 'POST',
          path: '/exact/x',
          headers: { origin: page, 'x-api-key': gateway.key },
          body: 'x'.repeat(11),
        }),
      ],
      [400, await ask('/exact/x', page, { upgrade: 'websocket', connection: 'upgrade' })],
      [431, await ask('/exact/x', page, { 'x-big': 'x'.repeat(70_000) })],
      [502, await ask('/dead/x', page)],
    ] as const
    for (const [status, answer] of answers) {
      expect([answer.status, allowed(answer)]).toEqual([status, page])
      expect(varies(answer)).toContain('origin')
    }
    up.on('/limit', (x) => x.send(wholeAnswer(429, {}, 'x')))
    const limited = await ask('/llm/limit', page)
    expectRefusal(limited, 'openai', { status: 429, code: 'upstream_error' })
    expect(allowed(limited)).toBe(page)
  })

  it('C64: with credentials never says `*`; one for all pages says it, and never with credentials', async () => {
    for (const origin of [page, 'https://evil.test', 'null']) {
      const open = await ask('/any/x', origin)
      expect([allowed(open), open.field('access-control-allow-credentials')]).toEqual(['*', null])
    }
    for (const origin of strangers) expect(allowed(await ask('/exact/x', origin))).not.toBe('*')
  })

  it('C64: what lies outside such routes says nothing to pages: no route, a plain one, the admin API', async () => {
    for (const path of ['/nowhere', '/_sluice/v1/accounts', '/exact//x', '/health', '/']) {
      for (const answer of [await ask(path, page), await preflight(path, page)])
        expect(allowed(answer)).toBeNull()
    }
    // What an upstream itself says to pages of a route without rules is the upstream's own business.
    expect(allowed(await ask('/plain/x', page))).toBe('*')
    expect((await preflight('/plain/x', page)).status).toBe(401)
  })
})

describe('C35: the admin API of a gateway', () => {
  const ring = `t1=${randomBytes(32).toString('base64url')}`
  const asks: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['nothing', {}],
    ['an empty token', { authorization: 'Bearer ' }],
    ['Bearer undefined', { authorization: 'Bearer undefined' }],
    ['Bearer null', { authorization: 'Bearer null' }],
    ['the token itself', { authorization: 'Bearer TOKEN' }],
    ['the name of the secret', { authorization: 'Bearer SLUICE_OPERATOR_TOKEN' }],
    ['admin', { authorization: 'Bearer admin' }],
    ['sixteen spaces', { authorization: `Bearer ${' '.repeat(16)}x` }],
  ]

  it.each([
    ['an empty token', ''],
    ['a token of fifteen characters', 'x'.repeat(15)],
    ['the word undefined for a token', 'undefined'],
  ])('C35: with %s is not there for anybody: 404', async (_what, token) => {
    const rig = await startRig({ bindings: { SLUICE_KEY_RING: ring, SLUICE_OPERATOR_TOKEN: token } })
    try {
      const to = { port: Number(new URL(rig.url).port) }
      for (const [name, headers] of asks) {
        for (const path of ['/_sluice', '/_sluice/v1/accounts', '/_sluice/v1/config']) {
          const put = Object.entries(headers).map(([field, value]) => [field, value.replace('TOKEN', token)])
          const answer = await exchange(to, {
            path,
            headers: Object.fromEntries(put) as Record<string, string>,
          })
          expect([name, path, answer.status]).toEqual([name, path, 404])
        }
      }
    } finally {
      await rig.close()
    }
  })

  it('C35: with a token takes none of a client’s credentials for it, and no page’s request', async () => {
    for (const [name, headers] of asks) {
      const answer = await exchange(gateway, { path: '/_sluice/v1/accounts', headers })
      expect([name, answer.status]).toEqual([name, 401])
    }
    const headers = { authorization: `Bearer ${gateway.key}`, 'x-api-key': gateway.key, origin: page }
    const answer = await exchange(gateway, { path: '/_sluice/v1/accounts', headers })
    expect([answer.status, allowed(answer)]).toEqual([401, null])
  })
})
