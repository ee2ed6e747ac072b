import { describe, expect, test } from 'vitest'
import type { LimitSpec } from '../../src/core/limit/spec.ts'
import type { LimitStanding } from '../../src/core/limit/standing.ts'
import { TokenEstimator } from '../../src/core/llm/estimate.ts'
import type { Refusal } from '../../src/core/refusal.ts'
import { handle } from '../../src/gateway/handle.ts'
import { answering, asking, failing, FakeWorld, json, target, timer } from './support/fake-world.ts'

const spec: LimitSpec = {
  name: 'tpm',
  kind: 'token-rate',
  max: 1000,
  periodMs: 60_000,
  burst: 1000,
  calendar: null,
  durability: 'default',
  onFailure: 'coast',
  reserve: 'auto',
}

describe('the reservation of tokens', () => {
  const body = '{"model":"m","max_tokens":1,"max_completion_tokens":9,"n":2,"best_of":3}'

  test('is asked for once the body is known, and before the upstream is', async () => {
    const world = new FakeWorld()
    world.upstream = () => {
      expect(world.wants).toHaveLength(1)
      return Promise.resolve({ refused: 'upstream_unreachable' })
    }
    await world.handle(asking(body))
    expect(world.wants).toMatchObject([
      {
        model: 'm',
        inputTokens: Math.ceil(body.length / 4),
        outputTokensMax: 9,
        choices: 3,
        stream: false,
        price: { input: 1_000_000, output: 2_000_000 },
      },
    ])
    expect(world.calls).toHaveLength(1)
    // It is refused afterwards: what was reserved is given back.
    expect(world.grants).toEqual(['release'])
  })

  test('that is refused leaves the upstream alone, and is given back', async () => {
    const refusal: Refusal = { refused: 'limit_reached', violated: ['tpm'], waitMs: 900, standings: [] }
    for (const reserving of [refusal, Promise.resolve(refusal)]) {
      const world = Object.assign(new FakeWorld(), { reserving })
      const response = await world.handle(asking(body))
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, '1'])
      expect(await response.json()).toMatchObject({ error: { code: 'limit_reached' } })
      expect([world.calls.length, world.grants, world.records.length]).toEqual([0, ['release'], 1])
    }
  })

  test('is not asked for where no model runs', async () => {
    const world = new FakeWorld()
    await world.handle(new Request('http://gw.test/v1/models', { headers: { 'x-api-key': 'slc_known' } }))
    const headers = { 'x-api-key': 'slc_known', ...json, 'content-length': '13' }
    for (const path of ['messages/count_tokens', 'files', 'batches']) {
      const init = { method: 'POST', headers, body: '{"model":"m"}' }
      await world.handle(new Request(`http://gw.test/v1/${path}`, init))
    }
    expect([world.wants, world.calls.length]).toEqual([[], 4])
  })
})

describe('how limits stand', () => {
  const standing: readonly LimitStanding[] = [{ spec, remaining: 400, resetMs: 36_000 }]
  const fields = ['ratelimit', 'ratelimit-policy', 'x-ratelimit-remaining-tokens'] as const
  const told = (response: Response) => fields.map((name) => response.headers.get(name))

  test('is told with an answer, in place of what the upstream says of its own', async () => {
    const world = Object.assign(new FakeWorld(), { standing })
    const headers = { 'x-ratelimit-remaining-tokens': '7', ratelimit: '"theirs";r=1' }
    world.upstream = () =>
      Promise.resolve({ response: new Response(null, { headers }), abort() {}, remainingMs: 1, timer })
    const response = await world.handle(asking('{"model":"m"}'))
    expect(told(response)).toEqual(['"tpm";r=400;t=36', expect.stringMatching(/^"tpm";q=1000/), '400'])
  })

  test('is told with a refusal', async () => {
    const world = Object.assign(new FakeWorld(), { standing, upstream: failing('upstream_unreachable') })
    const response = await world.handle(asking('{"model":"m"}'))
    expect([response.status, ...told(response)]).toEqual([502, '"tpm";r=400;t=36', expect.any(String), '400'])
  })

  test('is not told where there are none', async () => {
    const response = await new FakeWorld().handle(asking('{"model":"m"}'))
    expect(told(response)).toEqual([null, null, null])
  })

  test('can be read by the page of an origin that may read the answer', async () => {
    for (const upstream of [failing('upstream_unreachable'), undefined]) {
      const world = Object.assign(new FakeWorld(), { standing, ...(upstream && { upstream }) })
      const headers = { 'x-api-key': 'slc_known', ...json, origin: 'https://page.example' }
      const response = await world.handle(
        new Request('http://gw.test/page/v1/x', { method: 'POST', headers, body: '{}' }),
      )
      const exposed = response.headers.get('access-control-expose-headers') ?? ''
      expect(exposed.split(', ')).toEqual(expect.arrayContaining(['x-own', ...fields]))
    }
  })
})

describe('a bug', () => {
  test('of the limits leaves the record, and one of counting leaves the grant settled', async () => {
    const world = new FakeWorld()
    world.settling = () => {
      throw new Error('bug')
    }
    await world.handle(asking('{"model":"m"}'))
    expect([world.grants, world.records.length, world.bugs.length]).toEqual([['settle null complete'], 1, 1])
    const counting = new FakeWorld()
    counting.upstream = answering({ model: 'm', usage: { prompt_tokens: 1, completion_tokens: 1 } })
    const estimator = new TokenEstimator()
    estimator.complete = () => {
      throw new Error('bug')
    }
    const request = asking('{"model":"m"}')
    await handle(request, target(request), { ...counting.deps, estimator }, () => {})
    expect([counting.grants, counting.records.length, counting.bugs.length]).toEqual([
      ['settle null complete'],
      1,
      1,
    ])
  })
})

const get = (path: string, headers: HeadersInit = { 'x-api-key': 'slc_known' }) =>
  new Request(`http://gw.test${path}`, { headers })

describe('what a key has used', () => {
  test.each(['/stats', '/v1/usage'])('is at %s for its holder alone, and settled once', async (path) => {
    const world = new FakeWorld()
    expect((await world.handle(get(path, {}))).status).toBe(401)
    expect(world.grants).toEqual([])
    const response = await world.handle(get(path))
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect([world.grants, world.calls]).toEqual([['settle null complete'], []])
    expect(world.records.map(({ route, keyId, tier }) => [route, keyId, tier])).toEqual([
      [null, null, 'none'],
      [null, 'kid', 'none'],
    ])
  })

  test('is told in the shape of glm-proxy, and in ours', async () => {
    const world = new FakeWorld()
    const stats = await (await world.handle(get('/stats'))).json()
    expect(stats).toMatchObject({ name: 'k', total_lifetime_tokens: 42, is_expired: false })
    const usage = await (await world.handle(get('/v1/usage?days=7'))).json()
    expect(usage).toMatchObject({
      key: { id: 'kid', account: 'acc', lastUsedMs: 5 },
      lifetime: { requests: 3, inputTokens: 40, costMicroUsd: 7 },
      days: [],
    })
    expect(world.days).toEqual([7])
  })

  test.each(['0', '401', 'x', '', '1.5', '-1'])('is not told for days=%s', async (days) => {
    const world = new FakeWorld()
    const response = await world.handle(get(`/v1/usage?days=${days}`))
    expect([response.status, world.days, world.grants]).toEqual([400, [], ['release']])
  })

  test.each(['/stats', '/v1/usage'])('is not at %s where limits or Ledger say no', async (path) => {
    const refusal: Refusal = { refused: 'limits_unavailable', retryAfterMs: 1000 }
    const reasons: Partial<FakeWorld>[] = [{ admission: refusal }, { standings: refusal }]
    for (const changes of reasons) {
      const world = Object.assign(new FakeWorld(), changes)
      const response = await world.handle(get(path))
      expect([response.status, await response.json()]).toMatchObject([503, { code: 'limits_unavailable' }])
      expect(world.records).toHaveLength(1)
    }
  })
})
