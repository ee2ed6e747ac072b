import { Buffer } from 'node:buffer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal } from '../support/dialect-errors.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, lastChunk } from '../support/http-message.ts'
import { exchange, type RawAnswer, type RawRequest } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

const json = { 'content-type': 'application/json' }
const aliases = { fast: 'gpt-small', smart: 'gpt-large', sly: 'gpt-secret' }
const policies: Readonly<Record<string, object>> = {
  alias: { aliases },
  override: { override: 'gpt-forced' },
  rules: { aliases, allow: ['gpt-*'], deny: ['gpt-secret*'] },
}
const models = ['gpt-small', 'gpt-large', 'gpt-secret', 'o9']
const listed: Readonly<Record<string, object>> = {
  openai: { object: 'list', data: models.map((id) => ({ id, object: 'model', created: 1, owned_by: 'x' })) },
  anthropic: {
    data: models.map((id) => ({ type: 'model', id, display_name: id, created_at: '2026-01-01T00:00:00Z' })),
    has_more: false,
    first_id: 'gpt-small',
    last_id: 'o9',
  },
}

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('*', async (x) => {
    await x.bodyEnd()
    if (x.request.complete) await x.send(wholeAnswer(200, json, '{"model":"gpt-small","choices":[]}'))
  })
  up.on('/v1/models', (x) => {
    const dialect = x.request.field('anthropic-version') === null ? 'openai' : 'anthropic'
    return x.send(wholeAnswer(200, json, JSON.stringify(listed[dialect])))
  })
  const routes = ['openai', 'anthropic'].flatMap((dialect) =>
    Object.entries(policies).flatMap(([policy, rules]) => {
      const common = { upstream: dialect, models: rules }
      const prefix = `/${policy}-${dialect}`
      return [
        { id: `${policy}-${dialect}`, path: `${prefix}/*`, rewrite: '/*', ...common },
        {
          id: `${policy}-${dialect}-model`,
          path: `${prefix}/v1/models/{model}`,
          rewrite: '/v1/models/{model}',
          encodedSlash: true,
          ...common,
        },
      ]
    }),
  )
  gateway = await startGatewayUnderTest({ upstreamUrl: up.url, routes })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

const encoder = new TextEncoder()
/** Past this, a body is rewritten on its way. */
const wholeBytesMax = 262_144
const pad = `"padding":"${'Grüße, 東京 \\u6771\\n'.repeat(20_000)}"`

/** How a body is sent: what it says stands before or behind a quarter of a megabyte of other things. */
const shapes: Readonly<Record<string, (members: string) => string>> = {
  small: (members) => `{ ${members} ,"temperature":1.10e0, "n" :1}`,
  'large, with the model first': (members) => `{ ${members} ,"temperature":1.10e0,${pad}}`,
  'large, with the model last': (members) => `{${pad}, "temperature":1.10e0, ${members}\n}`,
}
const framings = ['with its length', 'chunked'] as const
type Framing = (typeof framings)[number]

async function send(
  path: string,
  body: string | Uint8Array,
  { framing = 'with its length', key = gateway.key, headers = json }: Partial<Sending> = {},
): Promise<RawAnswer> {
  const request: RawRequest = {
    method: 'POST',
    path,
    headers: {
      authorization: `Bearer ${key}`,
      ...headers,
      ...(framing === 'chunked' && { 'transfer-encoding': 'chunked' }),
    },
    body: framing === 'chunked' ? inChunks(Buffer.from(body)) : body,
  }
  return exchange(gateway, request)
}

interface Sending {
  readonly framing: Framing
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
}

function inChunks(body: Buffer): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length; at += 30_000) pieces.push(chunk(body.subarray(at, at + 30_000)))
  return Buffer.concat([...pieces, Buffer.from(lastChunk)])
}

/** What reached the upstream whole since the last `forget()`. */
function arrived() {
  return up.requests().filter(({ complete }) => complete)
}

const renamed = [
  { name: 'an alias', policy: 'alias', members: '"model" : "fast"', sent: '"model" : "gpt-small"' },
  {
    name: 'an alias with an escaped key',
    policy: 'alias',
    members: '"mod\\u0065l":"fast"',
    sent: '"mod\\u0065l":"gpt-small"',
  },
  { name: 'an escaped alias', policy: 'alias', members: '"model":"f\\u0061st"', sent: '"model":"gpt-small"' },
  {
    name: 'no alias',
    policy: 'alias',
    members: '"model":"o9","x":{"model":"fast"}',
    sent: '"model":"o9","x":{"model":"fast"}',
  },
  { name: 'an override', policy: 'override', members: '"model":"what-ever"', sent: '"model":"gpt-forced"' },
  { name: 'an allowed alias', policy: 'rules', members: '"model":"smart"', sent: '"model":"gpt-large"' },
]
const everyShape = Object.keys(shapes).flatMap((shape) => framings.map((framing) => ({ shape, framing })))

function bodyIn(shape: string, members: string): string {
  return shapes[shape]?.(members) ?? ''
}

describe.each(everyShape)('a body that is $shape, sent $framing,', ({ shape, framing }) => {
  it.each(renamed)(
    'reaches the upstream with its model renamed and nothing else changed: $name',
    async (each) => {
      up.forget()
      const body = bodyIn(shape, each.members)
      const answer = await send(`/${each.policy}-openai/v1/embeddings`, body, { framing })
      expect(answer.status).toBe(200)
      const [request] = arrived()
      expect(request?.body.equals(encoder.encode(bodyIn(shape, each.sent)))).toBe(true)
      expect(shape === 'small').toBe(body.length < wholeBytesMax)
      const asked = /"mod[^"]*l"\s*:\s*("[^"]*")/.exec(each.members)?.[1] ?? ''
      const got = /"mod[^"]*l"\s*:\s*"([^"]*)"/.exec(each.sent)?.[1]
      expect(await gateway.recordsOf(answer.field('x-request-id') ?? '')).toEqual([
        expect.objectContaining({ model: JSON.parse(asked) as string, upstreamModel: got, refused: null }),
      ])
    },
  )

  it('gets the override where it names no model', async () => {
    up.forget()
    expect(
      (await send('/override-openai/v1/embeddings', bodyIn(shape, '"input":"x"'), { framing })).status,
    ).toBe(200)
    const sent = JSON.parse(arrived()[0]?.body.toString() ?? '') as { model: string; input: string }
    expect([sent.model, sent.input]).toEqual(['gpt-forced', 'x'])
  })

  it.each([
    { name: 'not among the allowed', members: '"model":"o9"' },
    { name: 'denied', members: '"model":"gpt-secret-2"' },
    { name: 'an alias of a denied one', members: '"model":"sly"' },
    { name: 'denied, in escapes', members: '"\\u006dodel":"gpt-\\u0073ecret"' },
  ])('never reaches the upstream whole with a model that is $name: 403', async ({ members }) => {
    up.forget()
    const answer = await send('/rules-openai/v1/embeddings', bodyIn(shape, members), { framing })
    expectRefusal(answer, 'openai', { status: 403, code: 'model_not_allowed' })
    expect(arrived()).toEqual([])
  })

  it.each([
    { name: 'a second model', members: '"model":"gpt-small","model":"gpt-secret"' },
    { name: 'a second model with an escaped key', members: '"model":"gpt-small","mod\\u0065l":"gpt-secret"' },
    { name: 'a second model, escaped first', members: '"\\u006dodel":"gpt-small","model":"gpt-secret"' },
    { name: 'a model in other case', members: '"model":"gpt-small","Model":"gpt-secret"' },
    { name: 'a model that is a list', members: '"model":["gpt-small"]' },
    { name: 'a comment', members: '"model":"gpt-small"/**/' },
    { name: 'a lone comma', members: '"model":"gpt-small",,"n":1' },
  ])('never reaches the upstream whole with $name: 400', async ({ members }) => {
    up.forget()
    const answer = await send('/rules-openai/v1/embeddings', bodyIn(shape, members), { framing })
    expectRefusal(answer, 'openai', { status: 400, code: 'malformed_request' })
    expect(arrived()).toEqual([])
  })
})

describe('the rules of a key', () => {
  it('hold beside those of the route, in both dialects', async () => {
    const { key } = await gateway.newKey({ models: { allow: ['gpt-small', 'o9'] } })
    const asked = { fast: 200, 'gpt-small': 200, smart: 403, 'gpt-large': 403, o9: 403, 'gpt-secret': 403 }
    for (const dialect of ['openai', 'anthropic'] as const) {
      for (const [model, status] of Object.entries(asked)) {
        const answer = await send(`/rules-${dialect}/v1/messages`, JSON.stringify({ model }), { key })
        expect([model, answer.status]).toEqual([model, status])
        if (status === 403) expectRefusal(answer, dialect, { status, code: 'model_not_allowed' })
      }
    }
  })

  it('that deny take models from all the others', async () => {
    const { key } = await gateway.newKey({ models: { deny: ['gpt-l*'] } })
    const statuses = ['fast', 'smart', 'gpt-large', 'o9'].map(async (model) => {
      const answer = await send('/alias-openai/v1/embeddings', JSON.stringify({ model }), { key })
      return [model, answer.status]
    })
    expect(await Promise.all(statuses)).toEqual([
      ['fast', 200],
      ['smart', 403],
      ['gpt-large', 403],
      ['o9', 200],
    ])
  })

  it('keep a body whose model cannot be read from the upstream', async () => {
    const { key } = await gateway.newKey({ models: { allow: ['gpt-small'] } })
    up.forget()
    const coded = { ...json, 'content-encoding': 'gzip' }
    const text = { 'content-type': 'text/plain' }
    const utf16 = { 'content-type': 'application/json; charset=utf-16' }
    for (const headers of [coded, text, utf16]) {
      const answer = await send('/v1/rest', '{"model":"gpt-secret"}', { key, headers })
      expectRefusal(answer, 'openai', { status: 415, code: 'body_not_readable' })
    }
    expect(up.requests()).toEqual([])
  })
})

const get = (path: string, more: Readonly<Record<string, string>> = {}, key = gateway.key) =>
  exchange(gateway, { path, headers: { authorization: `Bearer ${key}`, ...more } })

describe('a model in path or query', () => {
  it.each([
    ['/alias-openai/v1/models/fast', '/v1/models/gpt-small'],
    ['/alias-openai/v1/models/f%61st', '/v1/models/gpt-small'],
    ['/alias-openai/v1/models/o9', '/v1/models/o9'],
    ['/alias-openai/v1/realtime?x=%7E&model=fast&y=a+b', '/v1/realtime?x=%7E&model=gpt-small&y=a+b'],
    ['/alias-openai/v1/realtime?model=f%61st', '/v1/realtime?model=gpt-small'],
  ])('gets the upstream’s name: %s', async (path, target) => {
    up.forget()
    expect((await get(path)).status).toBe(200)
    expect(up.requests().map((request) => request.target)).toEqual([target])
  })

  it.each([
    ['/rules-openai/v1/models/gpt-secret', 403, 'model_not_allowed'],
    ['/rules-openai/v1/models/sly', 403, 'model_not_allowed'],
    ['/rules-openai/v1/realtime?model=o9', 403, 'model_not_allowed'],
    ['/rules-openai/v1/realtime?model=gpt-small&model=o9', 400, 'malformed_request'],
    ['/rules-openai/v1/realtime?model=gpt-small&mod%65l=o9', 400, 'malformed_request'],
    ['/rules-openai/v1/realtime?model=gpt-small;model=o9', 400, 'malformed_request'],
  ])('is refused before the upstream is called: %s', async (path, status, code) => {
    up.forget()
    expectRefusal(await get(path), 'openai', { status, code })
    expect(up.requests()).toEqual([])
  })
})

const boundary = 'a-boundary-of-the-test'
const formHeaders = { 'content-type': `multipart/form-data; boundary=${boundary}` }
const part = (name: string, value: string, more = '') =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`
const sound = part('file', 'RIFF\u0000\u0001'.repeat(50_000), '; filename="a.wav"\r\nContent-Type: audio/wav')
const form = (...parts: readonly string[]) => `${parts.join('')}--${boundary}--\r\n`

describe.each(framings)('a form sent %s', (framing) => {
  it('reaches the upstream with its model renamed and nothing else changed', async () => {
    for (const order of [(model: string) => form(model, sound), (model: string) => form(sound, model)]) {
      up.forget()
      const path = '/alias-openai/v1/audio/transcriptions'
      const answer = await send(path, order(part('model', 'fast')), { framing, headers: formHeaders })
      expect(answer.status).toBe(200)
      expect(arrived()[0]?.body.toString('latin1')).toBe(order(part('model', 'gpt-small')))
    }
  })

  it.each([
    ['a denied model', form(sound, part('model', 'gpt-secret')), 403, 'model_not_allowed'],
    [
      'a second model',
      form(part('model', 'gpt-small'), sound, part('model', 'gpt-secret')),
      400,
      'malformed_request',
    ],
  ])('never reaches the upstream whole with %s', async (_what, body, status, code) => {
    up.forget()
    const path = '/rules-openai/v1/audio/transcriptions'
    expectRefusal(await send(path, body, { framing, headers: formHeaders }), 'openai', { status, code })
    expect(arrived()).toEqual([])
  })
})

function ids(answer: RawAnswer): readonly string[] {
  return (JSON.parse(answer.text) as { data: { id: string }[] }).data.map(({ id }) => id)
}

describe('the list of models', () => {
  const anthropic = { 'anthropic-version': '2023-06-01' }

  it.each([
    ['openai', {}],
    ['anthropic', anthropic],
  ])('shows what may be used, by the names it may be used under: %s', async (dialect, headers) => {
    const answer = await get(`/rules-${dialect}/v1/models`, headers)
    expect(ids(answer)).toEqual(['gpt-small', 'gpt-large', 'fast', 'smart'])
    expect(answer.field('content-length')).toBe(String(answer.body.length))
    if (dialect === 'anthropic')
      expect(JSON.parse(answer.text)).toMatchObject({
        has_more: false,
        first_id: 'gpt-small',
        last_id: 'smart',
      })
  })

  it('shows a key what that key may use', async () => {
    const { key } = await gateway.newKey({ models: { allow: ['gpt-small'] } })
    expect(ids(await get('/rules-openai/v1/models', {}, key))).toEqual(['gpt-small', 'fast'])
    expect(ids(await get('/v1/models', {}, key))).toEqual(['gpt-small'])
  })

  it('passes untouched where nothing is said about models', async () => {
    expect((await get('/v1/models')).text).toBe(JSON.stringify(listed['openai']))
  })
})
