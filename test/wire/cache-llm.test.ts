import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCacheWorld, type Asked, type CacheWorld } from '../support/cache-world.ts'
import { answerHead, wholeAnswer } from '../support/scripted-upstream.ts'

let world: CacheWorld

const llmRoute = (id: string, llmCache: object) => ({
  id,
  path: `/${id}/*`,
  upstream: 'openai',
  methods: ['POST'],
  rewrite: '/v1/*',
  llmCache,
})

const completion = JSON.stringify({
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
})
const chunks = [
  'data: {"model":"m","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n',
  'data: {"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}\n\n',
  'data: [DONE]\n\n',
]

beforeAll(async () => {
  world = await startCacheWorld([
    llmRoute('cached', {}),
    llmRoute('account', { scope: 'account' }),
    { ...llmRoute('fallback', {}), upstream: 'pair' },
    llmRoute('all', { scope: 'public' }),
    llmRoute('sampled', { sampled: true }),
  ])
  world.up.on('/first/v1/chat/completions', async (x) => {
    await x.bodyEnd()
    await x.send(wholeAnswer(503, {}, ''))
  })
  world.up.on('/second/v1/chat/completions', async (x) => {
    await x.bodyEnd()
    await x.send(wholeAnswer(200, { 'content-type': 'application/json' }, completion))
  })
  world.up.on('/v1/chat/completions', async (x) => {
    await x.bodyEnd()
    const mark = x.request.body.toString()
    if (mark.includes('fails')) {
      return x.send(wholeAnswer(200, { 'content-type': 'application/json' }, '{"error":{"message":"no"}}'))
    }
    if (!mark.includes('"stream":true')) {
      return x.send(
        wholeAnswer(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }, completion),
      )
    }
    await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
    const sent = mark.includes('cut') ? chunks.slice(0, 1) : chunks
    for (const each of sent) await x.send(`${each.length.toString(16)}\r\n${each}\r\n`)
    await x.send('0\r\n\r\n')
  })
})
afterAll(() => world.close())

const asked = () => world.asked('/v1/chat/completions')

function ask(
  route: string,
  body: object | string,
  { key = world.gateway.key, headers = {} }: { key?: string; headers?: Record<string, string> } = {},
): Promise<Asked> {
  return world.ask(`/${route}/chat/completions`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
  })
}

/** A request that nobody has made before. */
let last = 0
function question(more: object = {}): Record<string, unknown> {
  last += 1
  return { model: 'm', temperature: 0, messages: [{ role: 'user', content: `question ${last}` }], ...more }
}

describe('an LLM route with a cache', () => {
  it('answers an equal request without the model, and counts nothing for it', async () => {
    const body = question()
    const first = await ask('cached', body)
    const second = await ask('cached', body)
    expect([first.cache, second.cache.replace(/ttl=\d+/, 'ttl')]).toEqual([
      'sluice; fwd=uri-miss; detail=body-key',
      'sluice; hit; ttl; detail=body-key',
    ])
    expect(second.text).toBe(completion)
    const [hit] = await world.gateway.recordsOf(second.headers.get('x-request-id') ?? '')
    expect([hit?.cache, hit?.usage, hit?.costMicroUsd]).toEqual(['hit', null, null])
    const [miss] = await world.gateway.recordsOf(first.headers.get('x-request-id') ?? '')
    expect(miss?.usage?.inputTokens).toBe(3)
  })

  it('takes requests for equal whatever the order of their members, their space, and what is ignored', async () => {
    const before = asked()
    const { messages } = question()
    const said = JSON.stringify(messages)
    await ask('cached', `{"model":"m","temperature":0,"messages":${said},"user":"a"}`)
    const again = await ask(
      'cached',
      `{ "messages": ${said},\n "user": "b", "temperature": 0, "model": "\\u006d" }`,
    )
    expect(again.cache).toContain('hit')
    expect(asked() - before).toBe(1)
    await ask('cached', `{"model":"m","temperature":0,"messages":${said},"seed":1}`)
    expect(asked() - before).toBe(2)
  })

  it('replays a stream byte for byte, with the usage chunk only for who asked for it', async () => {
    const body = question({ stream: true })
    const first = await ask('cached', body)
    const second = await ask('cached', body)
    expect([second.text, second.headers.get('content-type')]).toEqual([first.text, 'text/event-stream'])
    expect(second.cache).toContain('hit')
    expect(first.text).toBe(`${chunks[0]}${chunks[2]}`)
    const withUsage = { ...body, stream_options: { include_usage: true } }
    expect((await ask('cached', withUsage)).text).toBe(chunks.join(''))
    expect((await ask('cached', withUsage)).text).toBe(chunks.join(''))
  })

  it.each([
    ['a stream without its last event', { stream: true, mark: 'cut' }],
    ['an error under status 200', { mark: 'fails' }],
    ['a sampled answer', { temperature: 0.7 }],
    ['an answer whose temperature is the model\u2019s own', { temperature: undefined }],
    ['a request that refers to a stored one', { previous_response_id: 'r' }],
  ])('keeps nothing of %s', async (_what, more) => {
    const before = asked()
    const body = question(more)
    for (const _ of [1, 2]) await ask('cached', body)
    expect(asked() - before).toBe(2)
  })

  it('C39: keeps answers for the key alone, for its account, or for all, as the route says', async () => {
    const sibling = (await world.gateway.newKey()).key
    const { key } = world.gateway
    for (const [route, expected] of [
      ['cached', 3],
      ['account', 2],
      ['all', 1],
    ] as const) {
      const before = asked()
      for (const stream of [false, true]) {
        const body = question({ stream })
        for (const each of [key, sibling, world.otherKey]) await ask(route, body, { key: each })
      }
      expect(asked() - before, route).toBe(2 * expected)
    }
  })

  it('keeps no answer of another model that a fallback gave', async () => {
    const body = question()
    for (const _ of [1, 2]) expect((await ask('fallback', body)).status).toBe(200)
    expect(world.asked('/second/v1/chat/completions')).toBe(2)
  })

  it('does for a request what it asks: no-store, no-cache, max-age, a time and a key of its own', async () => {
    const body = question()
    const times = async (headers: Record<string, string>) => {
      const before = asked()
      await ask('cached', body, { headers })
      return asked() - before
    }
    expect(await times({ 'cache-control': 'no-store' })).toBe(1)
    expect(await times({})).toBe(1)
    expect(await times({})).toBe(0)
    expect(await times({ 'cache-control': 'no-cache' })).toBe(1)
    expect(await times({ 'cache-control': 'max-age=600' })).toBe(0)
    expect(await times({ 'cache-control': 'max-age=0' })).toBe(1)
    expect(await times({ 'x-sluice-cache-key': 'mine' })).toBe(1)
    const before = asked()
    await ask('cached', question(), { headers: { 'x-sluice-cache-key': 'mine' } })
    expect(asked() - before).toBe(0)
    await ask('cached', question({ model: 'n' }), { headers: { 'x-sluice-cache-key': 'mine' } })
    expect(asked() - before).toBe(1)
    const brief = question()
    await ask('cached', brief, { headers: { 'x-sluice-cache-ttl': '0' } })
    expect((await ask('cached', brief)).cache).not.toContain('hit')
  })

  it('takes sampled answers too, where the route says so', async () => {
    const body = question({ temperature: 1 })
    await ask('sampled', body)
    expect((await ask('sampled', body)).cache).toContain('hit')
  })
})
