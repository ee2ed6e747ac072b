import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { leaks } from '../support/canaries.ts'
import { expectRefusal } from '../support/dialect-errors.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, lastChunk } from '../support/http-message.ts'
import { exchange, type RawAnswer } from '../support/raw-client.ts'
import {
  answerHead,
  startScriptedUpstream,
  wholeAnswer,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let elsewhere: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  up = await startScriptedUpstream()
  elsewhere = await startScriptedUpstream()
  const secret = { secret: 'OPENAI_API_KEY' }
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    upstreams: {
      own: { dialect: 'http', targets: [{ origin: `${up.url}/base`, secret }] },
      keyless: { dialect: 'openai', targets: [{ origin: up.url }] },
    },
    routes: [
      { id: 'own', path: '/own/*', upstream: 'own', rewrite: '/*' },
      { id: 'keyless', path: '/keyless/*', upstream: 'keyless', rewrite: '/*' },
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await Promise.all([up, elsewhere].map((each) => each.close()))
})

beforeEach(() => up.forget())
afterEach(() => expect(elsewhere.connections()).toBe(0))

const llm = [
  ['openai', '/openai', 'OPENAI_API_KEY'],
  ['anthropic', '/anthropic', 'ANTHROPIC_API_KEY'],
] as const

function get(path: string): Promise<RawAnswer> {
  return exchange(gateway, { path, headers: { authorization: `Bearer ${gateway.key}` } })
}

/** Ids of an account as providers print them. */
const ids = {
  organisation: `org-${randomBytes(9).toString('hex')}`,
  project: `proj_${randomBytes(9).toString('hex')}`,
  user: `user-${randomBytes(9).toString('hex')}`,
  otherKey: `sk-proj-${randomBytes(12).toString('hex')}`,
  account: `acct_${randomBytes(9).toString('hex')}`,
}

/** An error text in which everything stands that a client may not learn. */
function wordsOf(secret: string): string {
  const message = `Incorrect API key ${secret} of ${Object.values(ids).join(' and ')}; limit reached`
  return JSON.stringify({ error: { message, param: 'model', code: 'the_code' } })
}

/** The ways in which a body may be framed and coded; each as the bytes of an answer. */
const framings = {
  'of a declared length': (status: number, text: string) =>
    wholeAnswer(status, { 'content-type': 'application/json' }, text),
  'in chunks': (status: number, text: string) => {
    const head = answerHead(status, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })
    // A chunk ends in the middle of every id and of the secret.
    const pieces = text.match(/.{1,7}/gs) ?? []
    return Buffer.concat([Buffer.from(head), ...pieces.map((piece) => chunk(piece)), Buffer.from(lastChunk)])
  },
  'until the connection ends': (status: number, text: string) =>
    Buffer.from(answerHead(status, { 'content-type': 'application/json', connection: 'close' }) + text),
  compressed: (status: number, text: string) =>
    wholeAnswer(status, { 'content-type': 'application/json', 'content-encoding': 'gzip' }, gzipSync(text)),
  'as an event stream': (status: number, text: string) =>
    wholeAnswer(status, { 'content-type': 'text/event-stream' }, `data: ${text}\n\n`),
  'and long': (status: number, text: string) =>
    wholeAnswer(status, { 'content-type': 'text/plain' }, 'x'.repeat(70_000) + text),
} as const

const statuses = [400, 401, 402, 403, 404, 409, 413, 422, 429, 499, 500, 502, 503, 529, 599]
const cells = llm.flatMap(([dialect, path, secretName]) =>
  Object.entries(framings).map(([framing, bytes]) => ({ dialect, path, secretName, framing, bytes })),
)

async function answersFor({ path, secretName, bytes }: (typeof cells)[number]): Promise<RawAnswer[]> {
  const secret = gateway.canaries[secretName] ?? ''
  const answers: RawAnswer[] = []
  for (const status of statuses) {
    up.on('/error', async (x) => {
      await x.send(bytes(status, wordsOf(secret)))
      if (bytes === framings['until the connection ends']) x.close()
    })
    answers.push(await get(`${path}/error`))
  }
  return answers
}

describe('C7: the words of a provider’s error', () => {
  it.each(cells)(
    'C7: with credential and ids of the shared account reach no client: $dialect, $framing',
    async (cell) => {
      const answers = await answersFor(cell)
      const held = { ...gateway.canaries, ...ids }
      for (const [at, answer] of answers.entries()) {
        expect(leaks(JSON.stringify([answer.head, answer.text]), held)).toEqual([])
        const expected = [401, 403].includes(statuses[at] ?? 0) ? 502 : statuses[at]
        expect([statuses[at], [expected, 502]]).toEqual([
          statuses[at],
          expect.arrayContaining([answer.status]) as unknown,
        ])
        // A stream without its last event counts as broken, whatever its status.
        if (cell.framing !== 'as an event stream') expect(answer.ended).toBe('complete')
      }
      expect(leaks(gateway.rig.log(), held)).toEqual([])
    },
  )

  it.each(llm)(
    'C7: of 401, 402, 403, 429 and 5xx are the gateway’s own, dialect %s',
    async (dialect, path) => {
      for (const status of [401, 402, 403, 429, 500, 503, 529]) {
        up.on('/error', (x) => x.send(framings['in chunks'](status, wordsOf('x'))))
        const refused = status === 401 || status === 403
        const expected = refused
          ? { status: 502, code: 'upstream_credential_refused' }
          : { status, code: 'upstream_error' }
        expectRefusal(await get(`${path}/error`), dialect, expected)
      }
    },
  )

  it.each(llm)('C7: about the client’s own request pass, without ids, dialect %s', async (_dialect, path) => {
    up.on('/error', (x) => x.send(framings['in chunks'](400, wordsOf(ids.otherKey))))
    const answer = await get(`${path}/error`)
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.text)).toMatchObject({ error: { param: 'model', code: 'the_code' } })
  })

  it.each(llm)(
    'C7: standing in its headers reach no client either, dialect %s',
    async (_dialect, path, name) => {
      const secret = gateway.canaries[name] ?? ''
      for (const status of [400, 401, 404, 429, 500]) {
        const headers = {
          'x-debug': `key ${secret}`,
          'www-authenticate': `Bearer ${secret}`,
          'x-org': ids.organisation,
        }
        up.on('/error', (x) => x.send(wholeAnswer(status, headers, '{}')))
        const answer = await get(`${path}/error`)
        expect([status, leaks(JSON.stringify(answer.head), { secret, ...ids })]).toEqual([status, []])
      }
    },
  )

  it('C7: where the gateway has no secret pass as they are: they are about the client’s account', async () => {
    for (const status of [400, 401, 403, 429, 500]) {
      up.on('/error', (x) => x.send(framings['in chunks'](status, wordsOf('theirs'))))
      const answer = await get('/keyless/error')
      expect(answer).toMatchObject({ status, text: wordsOf('theirs') })
    }
  })

  it.each(llm)(
    'C7: inside a stream pass as they are, since no byte of a stream is read before it passes, dialect %s',
    async (_dialect, path) => {
      const stream =
        'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
      up.on('/events', (x) => x.send(wholeAnswer(200, { 'content-type': 'text/event-stream' }, stream)))
      const answer = await get(`${path}/events`)
      expect(answer).toMatchObject({ status: 200, text: stream, ended: 'complete' })
    },
  )
})

describe('C60: Retry-After of a provider', () => {
  it.each([
    ['7', '7'],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 'Wed, 21 Oct 2026 07:28:00 GMT'],
    ['', null],
    ['"><script>', null],
    [`7${' '.repeat(50)}7`, null],
    [ids.organisation.repeat(3), null],
  ])('C60: `%s` comes to the client as %s', async (value, expected) => {
    up.on('/limit', (x) => x.send(wholeAnswer(429, { 'retry-after': value }, '{}')))
    const answer = await get('/openai/limit')
    expectRefusal(answer, 'openai', { status: 429, code: 'upstream_error' })
    expect(answer.field('retry-after')).toBe(expected)
  })
})

const places = () => [
  `${elsewhere.url}/stolen`,
  `//127.0.0.1:${elsewhere.port}/stolen`,
  `http:\\\\127.0.0.1:${elsewhere.port}\\stolen`,
  `http://user:pass@127.0.0.1:${elsewhere.port}/stolen`,
  `  ${elsewhere.url}/stolen`,
]

describe('C8: a redirect to another origin', () => {
  it.each(['/http', '/own', '/openai', '/anthropic', '/keyless'])(
    'C8: is not followed and carries no credential, whatever its status and method: %s',
    async (path) => {
      for (const place of places()) {
        for (const [status, method] of [
          [301, 'GET'],
          [302, 'POST'],
          [303, 'PUT'],
          [307, 'POST'],
          [308, 'GET'],
          [300, 'GET'],
          [201, 'POST'],
        ] as const) {
          up.on('/away', (x) => x.send(wholeAnswer(status, { location: place, refresh: '' }, '')))
          up.on('/base/away', (x) => x.send(wholeAnswer(status, { location: place }, '')))
          const headers = { 'x-api-key': gateway.key, 'content-type': 'application/json' }
          const body = method === 'GET' ? {} : { body: '{"model":"m"}' }
          const answer = await exchange(gateway, { method, path: `${path}/away`, headers, ...body })
          expect(answer.status).toBe(status)
          expect(leaks(JSON.stringify([answer.head, answer.text]), gateway.canaries)).toEqual([])
        }
      }
      expect(elsewhere.connections()).toBe(0)
    },
  )
})

const own = () =>
  [
    [`${up.url}/base/there?q=1`, '/own/there?q=1'],
    [`//127.0.0.1:${up.port}/base/there`, '/own/there'],
    [`http:/base/there`, '/own/there'],
    ['/base/there#top', '/own/there#top'],
    ['there', '/own/there'],
    ['../base/there', '/own/there'],
    [`${up.url}/outside`, null],
    [`${up.url}/baseless`, null],
    ['/', null],
    [`${up.url.toUpperCase().replace('HTTP', 'http')}/base/there`, '/own/there'],
    ['javascript:alert(1)', null],
    ['data:text/html,x', null],
    ['http://[', null],
  ] as const

describe('C9: a place on the upstream itself', () => {
  it.each(['location', 'content-location'])(
    'C9: is led through the gateway or left out, in %s',
    async (field) => {
      for (const [place, expected] of own()) {
        up.on('/base/here', (x) => x.send(wholeAnswer(302, { [field]: place }, '')))
        const answer = await get('/own/here')
        expect([place, answer.field(field)]).toEqual([place, expected])
        expect(JSON.stringify(answer.head)).not.toContain(String(up.port))
      }
    },
  )
})
