import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { IssuedKeyView, KeyView, ProblemView } from '../../src/control/api.ts'
import { controlWith, operatorToken } from './support/control.ts'
import { accepted, realAdmin } from './support/objects.ts'

let account: string
let keyId: string
let clientKey: string

beforeAll(async () => {
  const admin = realAdmin()
  account = accepted(await admin.createAccount({ name: 'acme', region: 'weur' })).id
  const issued = accepted(
    await admin.createKey(account, {
      name: 'k',
      scopes: [],
      models: null,
      limits: [],
      strict: false,
      expiresAtMs: null,
    }),
  )
  keyId = issued.record.id
  clientKey = issued.text
})

const operations: [string, string][] = [
  ['POST', '/accounts'],
  ['GET', '/accounts'],
  ['GET', '/accounts/ACCOUNT'],
  ['DELETE', '/accounts/ACCOUNT'],
  ['POST', '/accounts/ACCOUNT/keys'],
  ['GET', '/accounts/ACCOUNT/keys'],
  ['GET', '/accounts/ACCOUNT/keys/KEY'],
  ['PATCH', '/accounts/ACCOUNT/keys/KEY'],
  ['DELETE', '/accounts/ACCOUNT/keys/KEY'],
  ['GET', '/accounts/ACCOUNT/limits'],
  ['PUT', '/accounts/ACCOUNT/limits'],
  ['POST', '/accounts/ACCOUNT/purges'],
  ['GET', '/config'],
  ['GET', '/nothing'],
  ['PUT', '/accounts'],
]

const path = (template: string): string => template.replace('ACCOUNT', account).replace('KEY', keyId)

function expectGuarded(response: Response): void {
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/)
  expect(response.headers.get('access-control-allow-origin')).toBeNull()
}

describe.each(operations)('%s %s', (method, template) => {
  test('is refused without the operator’s token', async () => {
    const credentials = [
      '',
      'Bearer',
      'Bearer ',
      'Bearer undefined',
      'Bearer null',
      `Bearer ${operatorToken}x`,
      `Bearer ${operatorToken.slice(0, -1)}`,
      `Basic ${operatorToken}`,
      operatorToken,
      `Bearer ${clientKey}`,
    ]
    for (const authorization of credentials) {
      const response = await controlWith().send(method, path(template), { headers: { authorization } })
      expect(response.status, authorization).toBe(401)
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /)
      expectGuarded(response)
    }
  })

  test.each([undefined, '', 'undefined', 'short-of-sixtee'])(
    'does not exist while the token is %j',
    async (token) => {
      for (const authorization of ['', `Bearer ${token}`, `Bearer ${operatorToken}`, `Bearer ${clientKey}`]) {
        const { send } = controlWith({ operatorToken: token })
        const response = await send(method, path(template), { headers: { authorization } })
        expect(response.status, authorization).toBe(404)
        expect(await response.json()).toMatchObject({ code: 'not_found' })
        expectGuarded(response)
      }
    },
  )
})

test('none of these refused operations did anything', async () => {
  const response = await controlWith().send('GET', path('/accounts/ACCOUNT/keys/KEY'))
  expect(await response.json()).toMatchObject({ state: 'active', version: 1 })
})

test('a client key is no operator even when the token was set to it', async () => {
  const { send } = controlWith({ operatorToken: clientKey })
  const response = await send('GET', '/accounts', { headers: { authorization: `Bearer ${clientKey}` } })
  expect(response.status).toBe(401)
})

test('a path that does not exist is 404, a method that it does not take 405 with Allow', async () => {
  const { send } = controlWith()
  for (const missing of [
    '/nothing',
    '/accounts/UPPERCASE1',
    '/accounts/..%2fconfig',
    '/accounts/%E0%A4%A',
    '//',
  ]) {
    const response = await send('GET', missing)
    expect(response.status, missing).toBe(404)
    expectGuarded(response)
  }
  const put = await send('PUT', path('/accounts/ACCOUNT/keys'))
  expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, POST'])
  const post = await send('POST', path('/accounts/ACCOUNT/keys/KEY'))
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, PATCH, DELETE'])
  const patch = await send('PATCH', path('/accounts/ACCOUNT/limits'))
  expect([patch.status, patch.headers.get('allow')]).toEqual([405, 'GET, PUT'])
})

test('everything that is wrong with a body is told at once', async () => {
  const json = { name: '', regoin: 'x', region: 'mars', ['__proto__x']: 1 }
  const response = await controlWith().send('POST', '/accounts', { json })
  expect(response.status).toBe(400)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const problem: ProblemView = await response.json()
  expect(problem.request_id).toBe(response.headers.get('x-request-id'))
  const paths = (problem.problems ?? []).map((one) => one.path)
  expect(paths.toSorted()).toEqual(['$.__proto__x', '$.name', '$.region', '$.regoin'])
})

type Body = [name: string, body: BodyInit | null, status: number, headers?: Record<string, string>]

const stream = (chunk: Uint8Array, chunks: number): ReadableStream =>
  new ReadableStream({
    pull(controller) {
      if (chunks === 0) return controller.close()
      chunks -= 1
      controller.enqueue(chunk)
    },
  })

const bodies: Body[] = [
  ['nothing', null, 400],
  ['an empty text', '', 400],
  ['a BOM alone', '\uFEFF', 400],
  ['a scalar', '1', 400],
  ['null', 'null', 400],
  ['an array', '[]', 400],
  ['cut short', '{"name":"a","region":"we', 400],
  ['NaN', '{"name":NaN}', 400],
  ['bytes that are not UTF-8', new Uint8Array([0x22, 0xff, 0xfe, 0x22]), 400],
  ['a lone surrogate', String.raw`{"name":"\ud800","region":"weur"}`, 400],
  ['__proto__', '{"__proto__":{"name":"x"},"name":"a","region":"weur"}', 400],
  ['constructor', '{"constructor":{"prototype":{"x":1}},"name":"a","region":"weur"}', 400],
  ['30,000 brackets', '['.repeat(30_000), 400],
  ['30,000 brackets, closed', '['.repeat(30_000) + ']'.repeat(30_000), 400],
  ['a control character in the name', String.raw`{"name":"a\r\nb","region":"weur"}`, 400],
  ['101 characters of name', JSON.stringify({ name: 'a'.repeat(101), region: 'weur' }), 400],
  ['70,000 bytes', JSON.stringify({ name: 'a'.repeat(70_000) }), 413],
  ['70,000 bytes in pieces of unknown length', stream(new Uint8Array(1_000).fill(32), 70), 413],
  ['another content type', '{}', 415, { 'content-type': 'text/plain' }],
  ['a form', 'name=a', 415, { 'content-type': 'application/x-www-form-urlencoded' }],
  ['almost JSON', '{}', 415, { 'content-type': 'application/jsonx' }],
  ['compressed', '{}', 415, { 'content-encoding': 'gzip' }],
  ['a charset', '{"name":"a","region":"weur"}', 201, { 'content-type': 'application/json; charset=utf-8' }],
]

test.each(bodies)('a body with %s', async (_, body, status, headers = {}) => {
  const bugs: unknown[] = []
  const response = await controlWith({}, bugs).send('POST', '/accounts', {
    body,
    headers: { 'content-type': 'application/json', ...headers },
  })
  expect([response.status, bugs]).toEqual([status, []])
  expectGuarded(response)
  expect(({} as { x?: unknown }).x).toBeUndefined()
})

test('a body that breaks off is 400', async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) })
  const headers = { 'content-type': 'application/json' }
  const response = await controlWith().send('POST', '/accounts', { body: broken, headers })
  expect(response.status).toBe(400)
})

test.each([
  { name: 'k', scopes: 'chat' },
  { name: 'k', scopes: ['chat', 'chat'] },
  { name: 'k', scopes: ['Chat'] },
  { name: 'k', scopes: [null] },
  { name: 'k', scopes: Array.from({ length: 33 }, (_, index) => `s${index}`) },
  { name: 'k', expiresAtMs: 1 },
  { name: 'k', expiresAtMs: '2030-01-01' },
  { name: 'k', expiresAtMs: 1e300 },
  { name: 'k', expiresAtMs: 4_000_000_000_000.5 },
  { name: 'k', hash: 'x' },
  { name: 'k', state: 'active', version: 9 },
  { scopes: [] },
  { name: 'k', models: 'small' },
  { name: 'k', models: ['small'] },
  { name: 'k', models: { allow: 'small' } },
  { name: 'k', models: { allow: [1] } },
  { name: 'k', models: { allow: [''] } },
  { name: 'k', models: { deny: ['a*b'] } },
  { name: 'k', models: { deny: ['a b'] } },
  { name: 'k', models: { deny: ['a'.repeat(257)] } },
  { name: 'k', models: { deny: null } },
  { name: 'k', models: { deny: [], denied: [] } },
  { name: 'k', models: { allow: Array.from({ length: 201 }, (_, index) => `m${index}`) } },
  { name: 'k', strict: 'yes' },
  { name: 'k', strict: 1 },
  { name: 'k', strict: null },
  { name: 'k', scopes: null },
  { name: 'k', limits: null },
  { name: 'k', limits: { kind: 'request-rate', max: 1 } },
  { name: 'k', limits: [{ kind: 'request-rate' }] },
  { name: 'k', limits: [{ kind: 'request-rate', max: 1, per: 'account' }] },
  { name: 'k', limits: [{ kind: 'request-rate', max: 1, periodMs: 1 }] },
  {
    name: 'k',
    limits: Array.from({ length: 17 }, (_, at) => ({ kind: 'request-rate', max: 1, name: `l${at}` })),
  },
])('a key is not made from %j, and none is changed so', async (json) => {
  const { send } = controlWith()
  const made = await send('POST', path('/accounts/ACCOUNT/keys'), { json })
  expect(made.status).toBe(400)
  if (!('name' in json)) return
  const changed = await send('PATCH', path('/accounts/ACCOUNT/keys/KEY'), { json })
  expect(changed.status).toBe(400)
  const key = await send('GET', path('/accounts/ACCOUNT/keys/KEY'))
  expect(await key.json()).toMatchObject({ version: 1 })
})

test.each([
  [{}, '$.limits'],
  [{ limits: 1 }, '$.limits'],
  [{ limits: null }, '$.limits'],
  [{ limits: [{ kind: 'token-window', max: 0, periodSeconds: 5 }] }, '$.limits[0].max'],
  [{ limits: [{ kind: 'money-budget', maxUsd: 1, calendar: 'week' }] }, '$.limits[0].calendar'],
  [{ limits: [], more: 1 }, '$.more'],
  [[], '$'],
])('limits of an account are not set from %j', async (json, at) => {
  const response = await controlWith().send('PUT', path('/accounts/ACCOUNT/limits'), { json })
  const problem: ProblemView = await response.json()
  expect([response.status, problem.problems?.map((one) => one.path)]).toEqual([400, [at]])
})

test.each([
  [{}, '$'],
  [{ all: true, tag: 't' }, '$'],
  [{ all: false }, '$.all'],
  [{ url: 'a' }, '$.url'],
  [{ prefix: '' }, '$.prefix'],
  [{ prefix: `/${'a'.repeat(4_096)}` }, '$.prefix'],
  [{ tag: 'a b' }, '$.tag'],
  [{ tag: 7 }, '$.tag'],
  [{ tag: 't', hard: 1 }, '$.hard'],
  [{ tag: 't', soft: true }, '$.soft'],
])('nothing is purged by %j', async (json, at) => {
  const response = await controlWith().send('POST', path('/accounts/ACCOUNT/purges'), { json })
  const problem: ProblemView = await response.json()
  expect([response.status, problem.problems?.map((one) => one.path)]).toEqual([400, [at]])
})

test('each purge of an account has an epoch of its own', async () => {
  const { send } = controlWith()
  const epochs = []
  for (const json of [{ all: true }, { url: '/a?b' }, { prefix: '/a' }, { tag: 't', hard: true }]) {
    epochs.push(await (await send('POST', path('/accounts/ACCOUNT/purges'), { json })).json())
  }
  expect(epochs).toEqual([{ epoch: 1 }, { epoch: 2 }, { epoch: 3 }, { epoch: 4 }])
})

test.each([
  [undefined, null],
  [null, null],
  [{}, { allow: null, deny: [] }],
  [{ allow: null }, { allow: null, deny: [] }],
  [{ allow: [] }, { allow: [], deny: [] }],
  [
    { allow: ['small', 'org/*', '*'], deny: ['org/x'] },
    { allow: ['small', 'org/*', '*'], deny: ['org/x'] },
  ],
])('a key made with the models %j has the models %j, and tells them', async (models, told) => {
  const keys = path('/accounts/ACCOUNT/keys')
  const made = await controlWith().send('POST', keys, { json: { name: 'k', models } })
  const { id, models: issued }: IssuedKeyView = await made.json()
  const got = await controlWith().send('GET', `${keys}/${id}`)
  const view: KeyView = await got.json()
  expect([made.status, issued, view.models]).toEqual([201, told, told])
})

test.each(['limit=0', 'limit=1001', 'limit=1e2', 'limit=', 'after=../x', 'page=2', 'after=%00', 'limit=%'])(
  'a list is not told for ?%s',
  async (query) => {
    const response = await controlWith().send('GET', `/accounts?${query}`)
    expect(response.status).toBe(400)
  },
)

test('a key put in the wrong place is not repeated', async () => {
  const json = { name: 'a', region: clientKey }
  const response = await controlWith().send('POST', '/accounts', { json })
  const body = await response.text()
  expect([response.status, body.includes(clientKey.slice(0, 30))]).toEqual([400, false])
})

test('500 bodies of any kind never make a 5xx', async () => {
  const bugs: unknown[] = []
  const { send } = controlWith({}, bugs)
  const text = fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary' }),
    fc.record({ name: fc.anything(), region: fc.anything(), limits: fc.anything() }).map((value) => {
      try {
        return JSON.stringify(value)
      } catch {
        return '{'
      }
    }),
    fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value)),
  )
  const targets = [
    ['POST', '/accounts'],
    ['POST', path('/accounts/ACCOUNT/keys')],
    ['PUT', path('/accounts/ACCOUNT/limits')],
    ['PATCH', path('/accounts/ACCOUNT/keys/KEY')],
  ]
  const statuses = new Map<number, number>()
  for (const [index, body] of fc.sample(text, { numRuns: 500, seed: 7 }).entries()) {
    const [method, target = ''] = targets[index % targets.length] ?? []
    const response = await send(method ?? '', target, {
      body: body ?? '',
      headers: { 'content-type': 'application/json' },
    })
    await response.text()
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
  }
  expect([...statuses.keys()].filter((status) => status >= 500 || status < 200)).toEqual([])
  expect(statuses.get(400)).toBeGreaterThan(400)
  expect(bugs).toEqual([])
})

test('a bug is a 500 with the request id and without its text', async () => {
  const bugs: unknown[] = []
  const { send } = controlWith(
    {
      config: () => {
        throw new Error('secret text')
      },
    },
    bugs,
  )
  const response = await send('GET', '/config')
  const body = await response.text()
  expect([response.status, bugs.length, body.includes('secret text')]).toEqual([500, 1, false])
  expectGuarded(response)
  expect(body).toContain(response.headers.get('x-request-id'))
})
