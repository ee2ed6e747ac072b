import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DurableMode } from '../../bench/rig/durable-faults.ts'
import { expectRefusal } from '../support/dialect-errors.ts'
import { eventually, inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { exchange, type RawAnswer } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'

const isolates = 4

let up: ScriptedUpstream
let gateway: GatewayUnderTest
/** When each request reached the upstream. Milliseconds. */
let arrivedMs: number[] = []

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('*', async (x) => {
    arrivedMs.push(performance.now())
    await x.send(wholeAnswer(200, { 'content-type': 'text/plain' }, 'let in'))
  })
  const routes = [{ id: 'asked', path: '/asked/*', upstream: 'example', rewrite: '/*', keyQuery: 'key' }]
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    routes,
    rig: { durableFaults: true, isolates },
  })
})

beforeEach(() => {
  arrivedMs = []
})

afterEach(async () => {
  await gateway.rig.durableControl.setMode({ kind: 'ok' })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

/** An address of the gateway; each is an isolate of its own. */
function doorOf(at: number): { readonly port: number } {
  const { urls } = gateway.rig
  return { port: Number(new URL(urls[at % urls.length] ?? gateway.url).port) }
}

function ask(at: number, key: string, path = '/http/x'): Promise<RawAnswer> {
  return exchange(doorOf(at), { path, headers: { authorization: `Bearer ${key}` } })
}

function counted(answers: readonly RawAnswer[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

/** A limit on requests: `burst` at once, and so slow to refill that nothing comes back meanwhile. */
function slow(burst: number, more: object = {}) {
  return { kind: 'request-rate', max: burst, burst, periodSeconds: 86_400, ...more }
}

describe('a limit across four isolates', () => {
  it('C51: 200 requests at the same time against 50: exactly 50 pass', async () => {
    const { key } = await gateway.newKey({ limits: [slow(50)] })
    const answers = await inParallel(
      Array.from({ length: 200 }, (_, at) => at),
      200,
      (at) => ask(at, key),
    )
    expect(counted(answers)).toEqual({ 200: 50, 429: 150 })
    expect(arrivedMs).toHaveLength(50)
    const refused = answers.find(({ status }) => status === 429)
    if (refused === undefined) throw new Error('nobody was refused')
    expect(JSON.parse(refused.text)).toMatchObject({
      code: 'limit_reached',
      'violated-policies': ['request-rate'],
    })
    expect(Number(refused.field('retry-after'))).toBeGreaterThan(0)
  })

  it('C50: a hundred spellings of one request against 10: exactly 10 pass', async () => {
    const { key } = await gateway.newKey({ limits: [slow(10)] })
    const ways = [
      { path: '/http/x', headers: { authorization: `Bearer ${key}` } },
      { path: '/http/%78', headers: { Authorization: `bearer  ${key}` } },
      { path: '/http/x?a=1', headers: { 'X-API-Key': key } },
      { path: '/http/x/', headers: { 'x-api-key': key, authorization: `Bearer ${key}` } },
      { path: `/asked/x?key=${key}`, headers: {} },
      { path: `/asked/y?b=%20&key=${key}`, headers: { 'x-api-key': key } },
    ]
    const methods = ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS', 'PUT', 'PATCH', 'QUERY']
    const once = ways.flatMap((way) => methods.map((method) => ({ method, ...way })))
    const spellings = [...once, ...once, ...once].slice(0, 100)
    const answers = await inParallel(
      spellings.map((spelling, at) => ({ spelling, at })),
      20,
      ({ spelling, at }) => exchange(doorOf(at), spelling),
    )
    expect(counted(answers)).toEqual({ 200: 10, 429: 90 })
    expect(arrivedMs).toHaveLength(10)
  })

  it('of an account holds for all of its keys', async () => {
    const own = await gateway.admin('POST', '/accounts', { name: 'limited', region: 'weur' })
    const account = String(own.json['id'])
    await gateway.admin('PUT', `/accounts/${account}/limits`, { limits: [slow(20)] })
    const keys = await inParallel([1, 2, 3], 3, async () => {
      const { json } = await gateway.admin('POST', `/accounts/${account}/keys`, { name: 'one of three' })
      return String(json['key'])
    })
    const answers = await inParallel(
      Array.from({ length: 90 }, (_, at) => at),
      30,
      (at) => ask(at, keys[at % 3] ?? ''),
    )
    expect(counted(answers)).toEqual({ 200: 20, 429: 70 })
  })
})

/** How long a request may take from its isolate to the upstream, under a load of other tests. Milliseconds. */
const jitterMs = 250

/** Requests beyond `burst + perSecond × t` in the worst interval. */
function excess(times: readonly number[], burst: number, perSecond: number): number {
  let worst = 0
  let level = burst
  let last = times[0] ?? 0
  for (const at of times) {
    level = Math.min(burst, level + ((at - last) * perSecond) / 1000) - 1
    last = at
    worst = Math.max(worst, -level)
  }
  return worst
}

describe('a Ledger that loses its memory twice under load', () => {
  it('lets through no more than a strict limit allows, in any interval', async () => {
    const [burst, perSecond] = [40, 20]
    const limit = { kind: 'request-rate', max: perSecond, periodSeconds: 1, burst, durability: 'strict' }
    const { key } = await gateway.newKey({ limits: [limit] })
    const untilMs = performance.now() + 9_000
    const statuses = new Set<number>()
    const lane = async (at: number) => {
      while (performance.now() < untilMs) {
        statuses.add((await ask(at, key)).status)
        await wait(10)
      }
    }
    const lanes = Array.from({ length: 8 }, (_, at) => lane(at))
    for (const afterMs of [3_000, 3_000]) {
      await wait(afterMs)
      await gateway.rig.durableControl.setMode({ kind: 'abort', className: 'Ledger', method: 'sync' })
    }
    await Promise.all(lanes)
    const { made } = await gateway.rig.durableControl.stats()
    expect(made['Ledger']).toBeGreaterThanOrEqual(3)
    expect(excess(arrivedMs, burst, perSecond)).toBeLessThanOrEqual((perSecond * jitterMs) / 1000)
    expect(arrivedMs.length).toBeGreaterThan(perSecond * 3)
    expect([...statuses].every((status) => [200, 429, 503].includes(status))).toBe(true)
  })

  it('lets through no more than all there is of a limit that does not refill', async () => {
    const { key } = await gateway.newKey({
      limits: [slow(60, { durability: 'strict', onFailure: 'closed' })],
    })
    const answers: RawAnswer[] = []
    for (const round of [1, 2, 3]) {
      answers.push(
        ...(await inParallel(
          Array.from({ length: 25 }, (_, at) => at),
          25,
          (at) => ask(at, key),
        )),
      )
      if (round < 3) {
        await gateway.rig.durableControl.setMode({ kind: 'abort', className: 'Ledger', method: 'sync' })
      }
    }
    expect(arrivedMs.length).toBeLessThanOrEqual(60)
    expect(arrivedMs.length).toBeGreaterThanOrEqual(25)
  })
})

describe('C58: a Ledger that', () => {
  const faults: readonly DurableMode['kind'][] = ['throw', 'hang', 'overloaded', 'retryable']

  it.each(faults)('fails by %s is left to what each limit says, in time', async (kind) => {
    const closed = await gateway.newKey({ limits: [slow(1_000, { onFailure: 'closed' })] })
    const open = await gateway.newKey({ limits: [slow(1_000, { onFailure: 'open' })] })
    await eventually(async () => (await ask(0, closed.key)).status === 200)
    await eventually(async () => (await ask(0, open.key)).status === 200)
    // Until the account lease has to be renewed.
    await wait(5_100)
    await gateway.rig.durableControl.setMode({ kind, className: 'Ledger', method: 'sync' } as DurableMode)
    await gateway.rig.durableControl.resetStats()
    const first = await ask(0, closed.key)
    const next = [await ask(0, closed.key), await ask(0, open.key)]
    const { calls } = await gateway.rig.durableControl.stats()
    expectRefusal(first, 'http', { status: 503, code: 'limits_unavailable' })
    expect(next.map(({ status }) => status)).toEqual([503, 200])
    expect(first.tookMs).toBeLessThan(kind === 'hang' ? 600 : 250)
    for (const { tookMs } of next) expect(tookMs).toBeLessThan(200)
    expect(calls['Ledger.sync']).toBe(kind === 'retryable' ? 2 : 1)
    await gateway.rig.durableControl.setMode({ kind: 'ok' })
    await eventually(async () => {
      await wait(100)
      return (await ask(0, closed.key)).status === 200
    })
  })
})
