import { describe, expect, test } from 'vitest'
import { compileConfig } from '../../src/core/config/compile.ts'
import type { ModelRules, Route } from '../../src/core/config/types.ts'
import { TokenEstimator } from '../../src/core/llm/estimate.ts'
import { isRefusal, type Outcome } from '../../src/core/outcome.ts'
import type { RequestRecord } from '../../src/core/record.ts'
import { canonicalTarget, type CanonicalTarget } from '../../src/core/route/canonical-target.ts'
import { digest } from '../../src/platform/digest.ts'
import { noPurgeSource } from '../../src/platform/no-purges.ts'
import type { Deps } from '../../src/gateway/deps.ts'
import { RequestLife } from '../../src/gateway/exchange.ts'
import { handle, run } from '../../src/gateway/handle.ts'
import type { Grant, ResponseCache, UpstreamAnswer, UpstreamCall } from '../../src/ports.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { routeWith, targetWith } from '../support/routes.ts'

/** Of no use to any route here: a route without a cache does not so much as look at it. */
const untouched = new Proxy({} as ResponseCache, {
  get(_, name) {
    throw new Error(`the cache was asked for ${String(name)}`)
  },
})

const secretTarget = targetWith({
  dialect: 'openai',
  secret: { secret: 'UP_KEY', header: 'authorization', prefix: 'Bearer ' },
})
const routes: readonly Route[] = [
  routeWith({ id: 'open', path: '/open/*', auth: 'none' }),
  routeWith({ id: 'listed', path: '/listed', rewrite: '/v1/models', dialect: 'openai' }, secretTarget),
  routeWith({ id: 'llm', path: '/v1/*', dialect: 'openai', bodyBytesMax: 100 }, secretTarget),
]

const record = {
  schema: 1,
  account: 'acc',
  id: 'kid',
  name: 'k',
  version: 1,
  state: 'active',
  hash: '',
  scopes: ['profile'],
  models: null,
  createdAtMs: 0,
  expiresAtMs: null,
  revokedAtMs: null,
} as const

const timer = { set() {}, stop() {} }

/** Real stages over I/O that counts, answers at once and settles nothing by itself. */
class FakeWorld {
  readonly calls: UpstreamCall[] = []
  readonly records: RequestRecord[] = []
  readonly bugs: string[] = []
  readonly grants: string[] = []
  readonly deferred: Promise<unknown>[] = []
  readonly clock = new FakeClock()
  /** Rules of the one key there is. */
  models: ModelRules | null = null
  upstream: (call: UpstreamCall) => Promise<Outcome<UpstreamAnswer>> = () =>
    Promise.resolve({ response: new Response(null, { status: 204 }), abort() {}, remainingMs: 1000, timer })

  get deps(): Deps {
    const snapshot = compileConfig(
      {
        settings: { name: 'gw', clientAddress: 'none', serverTiming: true, logSample: 1 },
        routes,
        prices: { 'm*': { input: 1_000_000, cachedInput: null, cacheWrite: null, output: 2_000_000 } },
      },
      0,
    )
    const grant: Grant = {
      settle: (usage, ending) => this.grants.push(`settle ${JSON.stringify(usage)} ${ending}`),
      extend: () => true,
      release: () => this.grants.push('release'),
    }
    return {
      config: { snapshot: () => snapshot },
      keys: {
        find: (text) =>
          text === 'slc_known' ? { ...record, models: this.models } : { refused: 'key_invalid' },
      },
      limiter: { admit: () => grant },
      estimator: new TokenEstimator(),
      upstreams: {
        call: (call, scope) => {
          scope.count('upstream')
          this.calls.push(call)
          return this.upstream(call)
        },
        secret: (name) => (name === 'UP_KEY' ? 'sk-up' : null),
      },
      recorder: {
        record: (made) => this.records.push(made),
        bug: (id) => this.bugs.push(id),
        misconfigured() {},
      },
      readiness: { check: async () => ({ keys: 'ok' }) },
      cache: untouched,
      purges: noPurgeSource,
      digest,
      clock: this.clock,
      random: { bytes: (count) => new Uint8Array(count).fill(7), fraction: () => 0 },
    }
  }

  life(request: Request): RequestLife {
    return new RequestLife(request, target(request), this.deps, (work) => this.deferred.push(work))
  }

  handle(request: Request): Promise<Response> {
    return handle(request, target(request), this.deps, (work) => this.deferred.push(work))
  }
}

function target(request: Request): CanonicalTarget {
  const found = canonicalTarget(request.url, null)
  if (isRefusal(found)) throw new Error('not a target')
  return found
}

const json = { 'content-type': 'application/json', 'content-length': '2' }

function llmRequest(init: RequestInit = {}): Request {
  const headers = { authorization: 'Bearer slc_known', ...json }
  return new Request('http://gw.test/v1/chat/completions', { method: 'POST', headers, body: '{}', ...init })
}

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

const failing = (refused: 'upstream_unreachable' | 'client_left') => () => Promise.resolve({ refused })

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

/** A request for JSON as this one. */
function asking(text: string): Request {
  const headers = { 'x-api-key': 'slc_known', ...json, 'content-length': String(text.length) }
  return llmRequest({ body: text, headers })
}

/** An upstream that answers in JSON of declared length. */
function answering(body: unknown): FakeWorld['upstream'] {
  const response = Response.json(body, {
    headers: { 'content-length': String(JSON.stringify(body).length) },
  })
  return () => Promise.resolve({ response, abort() {}, remainingMs: 1000, timer })
}

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
