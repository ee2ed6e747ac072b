import { describe, expect, test } from 'vitest'
import { run } from '../../src/gateway/handle.ts'
import { answering, asking, failing, FakeWorld, json, llmRequest, timer } from './support/fake-world.ts'

describe('the warm path', () => {
  const known = { headers: { authorization: 'Bearer slc_known' } }
  const bodiless: [string, Request][] = [
    ['a plain route', new Request('http://gw.test/open/x', { method: 'POST', body: 'x' })],
    ['an LLM route, for a request without a body', new Request('http://gw.test/v1/models', known)],
  ]

  test.each(bodiless)(
    'of %s calls the upstream before run() first yields, and does nothing else',
    (_, request) => {
      const world = new FakeWorld()
      const x = world.life(request)
      void run(x, world.deps)
      expect(world.calls).toHaveLength(1)
      expect(x.operations).toEqual({ upstream: 1 })
      expect(x.waits).toEqual({})
      expect(world.deferred).toHaveLength(0)
    },
  )

  test('of an LLM route waits for the body and nothing else', async () => {
    const world = new FakeWorld()
    const x = world.life(llmRequest())
    await run(x, world.deps)
    expect(world.calls.map(({ body }) => body)).toEqual([
      { kind: 'bytes', bytes: new TextEncoder().encode('{}') },
    ])
    expect(x.operations).toEqual({ upstream: 1 })
    expect(x.waits).toEqual({})
    expect(world.deferred).toHaveLength(0)
  })
})

describe('every request', () => {
  const cases: readonly [string, Request, Partial<FakeWorld>, number, string[]][] = [
    ['answered', llmRequest(), {}, 204, ['settle null complete']],
    ['without a route', new Request('http://gw.test/none'), {}, 404, []],
    ['without a key', llmRequest({ headers: json }), {}, 401, []],
    ['with a bad key', llmRequest({ headers: { 'x-api-key': 'slc_bad', ...json } }), {}, 401, []],
    ['that is no JSON', llmRequest({ body: '{]' }), {}, 400, ['release']],
    ['with no upstream', llmRequest(), { upstream: failing('upstream_unreachable') }, 502, ['release']],
    ['abandoned', llmRequest(), { upstream: failing('client_left') }, 499, ['release']],
    ['to the index', new Request('http://gw.test/'), {}, 200, []],
    ['for health', new Request('http://gw.test/health'), {}, 200, []],
  ]

  test.each(cases)(
    '%s is recorded once and its grant ended once',
    async (_, request, changes, status, grants) => {
      const world = Object.assign(new FakeWorld(), changes)
      const response = await world.handle(request)
      await Promise.all(world.deferred)
      expect(response.status).toBe(status)
      expect(world.records.map((made) => made.status)).toEqual([status])
      expect(world.grants).toEqual(grants)
      expect(response.headers.get('x-request-id')).toBe('07'.repeat(16))
    },
  )

  test('whose declared body is too large is refused before the upstream is called', async () => {
    const world = new FakeWorld()
    const body = 'x'.repeat(101)
    const headers = { 'x-api-key': 'slc_known', 'content-length': '101' }
    const response = await world.handle(llmRequest({ headers, body }))
    expect(response.status).toBe(413)
    expect(world.calls).toHaveLength(0)
  })

  test('that has passed through this gateway before is refused before the upstream is called', async () => {
    const world = new FakeWorld()
    const headers = { 'x-api-key': 'slc_known', ...json, via: '1.1 gw' }
    const response = await world.handle(llmRequest({ headers }))
    expect(response.status).toBe(508)
    expect(world.calls).toHaveLength(0)
  })

  test('that meets a bug gets a 500 in its dialect that tells nothing of it', async () => {
    const world = new FakeWorld()
    world.upstream = () => Promise.reject(new Error('CANARY'))
    const response = await world.handle(llmRequest())
    const text = await response.text()
    expect(response.status).toBe(500)
    expect(text).toContain('"code":"internal_error"')
    expect(text).not.toContain('CANARY')
    expect(world.bugs).toEqual(['07'.repeat(16)])
    expect(world.records).toHaveLength(1)
    expect(world.grants).toEqual(['release'])
  })
})

describe('what an LLM answer used', () => {
  const usage = { prompt_tokens: 10, completion_tokens: 3, total_tokens: 13 }
  const counted = {
    inputTokens: 10,
    cachedInputTokens: null,
    cacheWriteTokens: null,
    outputTokens: 3,
    reasoningTokens: null,
    source: 'measured',
  }

  test('is settled once and stands in the record, with what it cost', async () => {
    const world = Object.assign(new FakeWorld(), { upstream: answering({ model: 'm-2026', usage }) })
    const response = await world.handle(asking('{"model":"m"}'))
    await Promise.all(world.deferred)
    const said = { ...counted, model: 'm-2026' }
    expect(await response.json()).toEqual({ model: 'm-2026', usage })
    expect(world.grants).toEqual([`settle ${JSON.stringify(said)} complete`])
    expect(world.records).toMatchObject([
      { model: 'm', upstreamModel: 'm', usage: said, costMicroUsd: 16, priced: true, tier: 'whole' },
    ])
  })

  test('has no price where there is none for the model, and is flagged', async () => {
    const world = Object.assign(new FakeWorld(), { upstream: answering({ model: 'x', usage }) })
    await world.handle(asking('{"model":"x"}'))
    expect(world.records).toMatchObject([{ usage: counted, costMicroUsd: null, priced: false }])
  })

  test('is nothing for an error that came as a success, and for what names no model', async () => {
    for (const body of [{ error: { message: 'no' } }, { id: 'file-1', object: 'file' }]) {
      const world = Object.assign(new FakeWorld(), { upstream: answering(body) })
      await world.handle(asking('{}'))
      expect(world.grants).toEqual(['settle null complete'])
      expect(world.records).toMatchObject([{ usage: null, costMicroUsd: null, priced: null }])
    }
  })

  test('breaks off as a refusal, not as half a success, where its length is known', async () => {
    const world = new FakeWorld()
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) })
    const response = new Response(body, {
      headers: { 'content-type': 'application/json', 'content-length': '100' },
    })
    world.upstream = () => Promise.resolve({ response, abort() {}, remainingMs: 1000, timer })
    const refused = await world.handle(asking('{"model":"m"}'))
    expect([refused.status, await refused.json()]).toMatchObject([
      502,
      { error: { code: 'upstream_broke_off' } },
    ])
    expect(world.grants).toEqual(['release'])
  })
})

describe('a list of models', () => {
  const ways = ['/v1/models', '/listed']
  const list = { object: 'list', data: ['m', 'other'].map((id) => ({ id, object: 'model' })) }

  test.each([
    [null, ['m', 'other']],
    [{ allow: ['m'], deny: [] }, ['m']],
    [{ allow: null, deny: ['m'] }, ['other']],
    [{ allow: [], deny: [] }, []],
  ])('for a key with the models %j has %j', async (models, shown) => {
    const world = Object.assign(new FakeWorld(), { models })
    world.upstream = () =>
      Promise.resolve({ response: Response.json(list), abort() {}, remainingMs: 1000, timer })
    const headers = { 'x-api-key': 'slc_known' }
    for (const path of ways) {
      const response = await world.handle(new Request(`http://gw.test${path}`, { headers }))
      const { data }: { data: { id: string }[] } = await response.json()
      expect(data.map(({ id }) => id)).toEqual(shown)
    }
  })
})

describe('what the upstream gets', () => {
  test("is the rewritten URL, the target's secret and nothing of the client's key", async () => {
    const world = new FakeWorld()
    await world.handle(
      new Request('http://gw.test/v1/models?limit=2', { headers: { 'x-api-key': 'slc_known' } }),
    )
    const call = world.calls[0]
    expect(call?.url).toBe('https://up.test/v1/models?limit=2')
    expect(call?.headers.get('authorization')).toBe('Bearer sk-up')
    expect(JSON.stringify([...(call?.headers ?? [])])).not.toContain('slc_')
    expect(call?.body).toEqual({ kind: 'none' })
  })
})

describe("a provider's word on the gateway's credential", () => {
  test.each([401, 403])('%i never reaches the client', async (status) => {
    const world = new FakeWorld()
    let aborted = false
    world.upstream = async () => ({
      response: Response.json({ error: 'bad key sk-up' }, { status }),
      abort: () => (aborted = true),
      remainingMs: 1,
      timer,
    })
    const response = await world.handle(llmRequest())
    expect(response.status).toBe(502)
    expect(await response.text()).not.toContain('sk-up')
    expect(aborted).toBe(true)
    expect(world.records[0]).toMatchObject({ upstreamStatus: status, refused: 'upstream_credential_refused' })
  })
})

describe('the profile of a request', () => {
  test('is given to a key with the scope, and to no one else', async () => {
    const world = new FakeWorld()
    const headers = { 'x-api-key': 'slc_known', 'x-sluice-profile': '1' }
    const response = await world.handle(new Request('http://gw.test/v1/models', { headers }))
    expect(JSON.parse(response.headers.get('x-sluice-profile') ?? '')).toMatchObject({
      operations: { upstream: 1 },
    })
    const open = await world.handle(
      new Request('http://gw.test/open/x', { headers: { 'x-sluice-profile': '1' } }),
    )
    expect(open.headers.has('x-sluice-profile')).toBe(false)
  })
})
