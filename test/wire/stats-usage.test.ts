import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startMock, type RunningMock } from '../../bench/mock/server.ts'
import type { GlmStats } from '../../src/core/usage/glm-stats.ts'
import type { UsageView } from '../../src/core/usage/usage-view.ts'
import type { RequestRecord } from '../../src/core/record.ts'
import { eventually, inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { llmFormats, llmRequest } from '../support/llm-formats.ts'
import { exchange, RawConnection } from '../support/raw-client.ts'

let mock: RunningMock
let gateway: GatewayUnderTest

beforeAll(async () => {
  mock = await startMock()
  gateway = await startGatewayUnderTest({
    upstreamUrl: mock.url,
    prices: { 'mock*': { input: 1, output: 2 } },
    rig: { durableFaults: true },
  })
})

afterAll(async () => {
  await gateway.close()
  await mock.close()
})

const fiveHours = { kind: 'token-window', name: 'five-hours', max: 100_000, periodSeconds: 18_000 }

function asking(key: string, path: string) {
  return exchange(gateway, { path, headers: { authorization: `Bearer ${key}` } })
}

async function statsOf(key: string): Promise<GlmStats> {
  return JSON.parse((await asking(key, '/stats')).text) as GlmStats
}

async function usageOf(key: string, query = ''): Promise<UsageView> {
  return JSON.parse((await asking(key, `/v1/usage${query}`)).text) as UsageView
}

describe('what a key has used', () => {
  it('is what its exchanges came to, and nobody else’s', async () => {
    const { key, id } = await gateway.newKey({ limits: [fiveHours] })
    const more = { model: 'mock/n=30,size=4' }
    for (const format of [llmFormats.chat, llmFormats.messages]) {
      expect((await exchange(gateway, llmRequest(format, { key, more }))).status).toBe(200)
    }
    // Settlements travel in batches.
    await eventually(async () => (await usageOf(key)).lifetime.requests === 2, 10_000)
    const usage = await usageOf(key)
    const spent = { requests: 2, inputTokens: 10, outputTokens: 60, costMicroUsd: 130, lostRequests: 0 }
    expect(usage).toMatchObject({
      key: { id, account: gateway.account, name: 'test' },
      lifetime: spent,
      limits: [{ name: 'five-hours', level: 'key', max: 100_000 }],
      days: [{ model: 'mock/n=30,size=4', ...spent }],
    })
    const [limit] = usage.limits
    expect(limit?.left).toBe(100_000 - (limit?.used ?? 0))
    expect(limit?.used).toBeGreaterThanOrEqual(70)
    const stats = await statsOf(key)
    expect(stats).toMatchObject({
      key: `${key.split('_').slice(0, 4).join('_')}…`,
      name: 'test',
      token_limit_per_5h: 100_000,
      is_expired: false,
      total_lifetime_tokens: 70,
    })
    expect(Date.parse(stats.last_used ?? '')).toBeGreaterThan(Date.now() - 60_000)
    expect(stats.current_usage.tokens_used_in_current_window).toBeGreaterThanOrEqual(70)
    expect((await statsOf(gateway.key)).total_lifetime_tokens).toBe(0)
  })

  it.each([
    ['without limits', []],
    ['with a limit', [fiveHours]],
    ['with a limit in slices', [{ ...fiveHours, reserve: 'slices' }]],
  ])('is what the records of its requests say, however they ended, for a key %s', async (_, limits) => {
    const { key, id } = await gateway.newKey({ limits })
    const leaveAfterMs = [0, 20, 40, 80, 120, 200, null]
    const streams = Object.values(llmFormats).flatMap((format) => leaveAfterMs.map((ms) => ({ format, ms })))
    await inParallel(streams, streams.length, async ({ format, ms }) => {
      const more = { model: 'mock/n=30,itl=5,size=4', stream: true }
      const connection = await RawConnection.open(gateway)
      const live = connection.request(llmRequest(format, { key, more }))
      await (ms === null ? live.answer() : wait(ms))
      connection.destroy()
    })
    const records = () => gateway.records().filter(({ keyId, usage }) => keyId === id && usage !== null)
    const sum = () => {
      const all = records()
      const of = (count: (record: RequestRecord) => number | null | undefined) =>
        all.reduce((total, record) => total + (count(record) ?? 0), 0)
      return {
        requests: all.length,
        inputTokens: of(({ usage }) => usage?.inputTokens),
        outputTokens: of(({ usage }) => usage?.outputTokens),
        costMicroUsd: of(({ costMicroUsd }) => costMicroUsd),
        estimatedRequests: of(({ usage }) => (usage?.source === 'estimated' ? 1 : 0)),
        lostRequests: 0,
      }
    }
    await eventually(async () => (await usageOf(key)).lifetime.requests >= records().length, 10_000)
    // Time for what must not come any more.
    await wait(3_000)
    expect(records().length).toBeGreaterThan(15)
    const { lifetime, limits: uses } = await usageOf(key)
    expect(lifetime).toEqual(sum())
    if (limits.length > 0)
      expect(uses[0]?.used).toBeGreaterThanOrEqual(lifetime.inputTokens + lifetime.outputTokens)
  })

  it.each(['/stats', '/v1/usage'])('at %s is shown to no one without the key', async (path) => {
    expect((await exchange(gateway, { path })).status).toBe(401)
    const answer = await asking(gateway.key, path)
    expect(answer.status).toBe(200)
    expect(answer.text).not.toContain(gateway.key)
    expect(answer.text).not.toContain(gateway.canaries['clientKey'])
    const records = await gateway.recordsOf(answer.field('x-request-id') ?? '')
    expect(records).toEqual([expect.objectContaining({ route: null, keyId: gateway.id, status: 200 })])
  })

  it('is not at paths that differ, and HEAD has no body', async () => {
    const head = { method: 'HEAD', path: '/stats', headers: { authorization: `Bearer ${gateway.key}` } }
    const answer = await exchange(gateway, head)
    expect([answer.status, answer.body.length]).toEqual([200, 0])
    expect((await exchange(gateway, { path: '/stats', method: 'DELETE' })).status).toBe(405)
  })

  it('cannot be told while the Ledger does not answer, which is said within two seconds', async () => {
    await usageOf(gateway.key)
    await gateway.rig.durableControl.setMode({ kind: 'hang' })
    const startedMs = performance.now()
    const answer = await asking(gateway.key, '/v1/usage')
    await gateway.rig.durableControl.setMode({ kind: 'ok' })
    expect(performance.now() - startedMs).toBeLessThan(2_000)
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([503, { code: 'limits_unavailable' }])
  })
})
