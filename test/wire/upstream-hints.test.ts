import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RequestRecord } from '../../src/core/record.ts'
import type { UsageView } from '../../src/core/usage/usage-view.ts'
import { leaks } from '../support/canaries.ts'
import { eventually } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { exchange, type RawAnswer } from '../support/raw-client.ts'
import {
  startScriptedUpstream,
  wholeAnswer,
  type Script,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'
import { faults } from '../support/upstream-table.ts'

/** What isolates learn of each other of targets, and of checks that no request brings about. Each door is an isolate. */

const [doorA, doorB, doorC, doorD] = [0, 1, 2, 3] as const
/** Until the lease of an account has ended, so that the next request hears from the Ledger. Milliseconds. */
const leaseMs = 5_200
const checkEveryMs = 1_000
const checkPath = '/v1/models'
const chatPath = '/v1/chat/completions'

let one: ScriptedUpstream
let two: ScriptedUpstream
let gateway: GatewayUnderTest
/** A key of another account. */
let stranger: string

beforeAll(async () => {
  one = await startScriptedUpstream()
  two = await startScriptedUpstream()
  const secret = { secret: 'OPENAI_API_KEY' }
  const pair = [{ origin: one.url }, { origin: two.url }]
  const upstreams = {
    shared: {
      dialect: 'http',
      targets: pair,
      health: { failures: 2, openMs: 60_000 },
      concurrency: { max: 100 },
    },
    watched: {
      dialect: 'openai',
      targets: [
        { origin: one.url, secret, checkPath },
        { origin: two.url, secret: { secret: 'ANTHROPIC_API_KEY' } },
      ],
      health: { checkEveryMs, openMs: 1_000 },
    },
  }
  const routes = Object.keys(upstreams).map((name) => ({
    id: name,
    path: `/${name}/*`,
    upstream: name,
    rewrite: '/*',
  }))
  const rig = { durableFaults: true, isolates: 4 }
  gateway = await startGatewayUnderTest({ upstreamUrl: one.url, upstreams, routes, rig })
  const other = await gateway.admin('POST', '/accounts', { name: 'another', region: 'weur' })
  const issued = await gateway.admin('POST', `/accounts/${String(other.json['id'])}/keys`, { name: 'k' })
  stranger = String(issued.json['key'])
})

afterAll(async () => {
  await gateway.close()
  await one.close()
  await two.close()
})

beforeEach(() => {
  for (const up of [one, two]) {
    up.forget()
    up.on('*', good)
  }
})

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
const good: Script = async (x) => {
  await x.bodyEnd()
  await x.send(wholeAnswer(200, { 'content-type': 'application/json' }, JSON.stringify({ usage })))
}
/** Fails so late that requests of the same moment cannot learn from each other. */
const failsLate: Script = async (x) => {
  await x.wait(400)
  await x.send(wholeAnswer(500, {}, 'no'))
}

function send(
  door: number,
  key: string,
  request: { method?: string; path: string; body?: string },
): Promise<RawAnswer> {
  const { port } = new URL(gateway.rig.urls[door] ?? '')
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  return exchange({ port: Number(port) }, { ...request, headers })
}
const get = (door: number, key = gateway.key) => send(door, key, { path: '/shared/x' })
const chat = (door: number) =>
  send(door, gateway.key, {
    method: 'POST',
    path: `/watched${chatPath}`,
    body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hello' }] }),
  })

async function recordOf(answer: RawAnswer): Promise<RequestRecord> {
  const [record] = await gateway.recordsOf(answer.field('x-request-id') ?? '')
  if (record === undefined) throw new Error('no record')
  return record
}

const crowd = 20
/** Requests of one moment: what each saw, and how many went to the first target. */
async function crowdAt(
  door: number,
  key?: string,
): Promise<{ readonly seen: number[]; readonly first: number }> {
  one.forget()
  const answers = await Promise.all(Array.from({ length: crowd }, () => get(door, key)))
  return {
    seen: [...new Set(answers.map(({ status }) => status))].toSorted((a, b) => a - b),
    first: one.requests().length,
  }
}

describe('a target that one isolate has taken out', () => {
  it('gets one request of another isolate’s traffic, and all of that of one that has not heard', async () => {
    for (const door of [doorA, doorB]) expect((await get(door)).status).toBe(200)
    expect((await get(doorC, stranger)).status).toBe(200)
    expect(one.requests()).toHaveLength(3)
    one.on('*', faults.fails)
    for (const untilMs = performance.now() + leaseMs; performance.now() < untilMs; await wait(200)) {
      expect((await get(doorA)).status).toBe(200)
    }
    one.on('*', failsLate)
    expect(await crowdAt(doorB)).toEqual({ seen: [200], first: 1 })
    // So many cannot all be tried again: their upstream has no budget for that.
    expect(await crowdAt(doorC, stranger)).toEqual({ seen: [200, 500], first: crowd })
  })

  it('is taken out there too when its one request fails, and gets no more', async () => {
    expect(await crowdAt(doorB)).toEqual({ seen: [200], first: 0 })
  })
})

const checks = () => one.requests(checkPath)
const chats = () => one.requests(chatPath)

/** Nobody calls until the isolate has told what was used, and its lease has ended; meanwhile the alarm checks. */
async function silence(): Promise<void> {
  const before = checks().length
  await wait(leaseMs + 2_500)
  expect(checks().length).toBeGreaterThan(before)
}

describe('a target that is checked without traffic', () => {
  it('is found out and recovered while nobody calls: no request is spent on it, and no token', async () => {
    let asked = 0
    const ask = async (): Promise<RequestRecord> => {
      asked += 1
      const answer = await chat(doorD)
      expect(answer.status).toBe(200)
      return recordOf(answer)
    }
    const warm: RequestRecord[] = []
    const startMs = performance.now()
    while (checks().length === 0 && performance.now() < startMs + 15_000) {
      warm.push(await ask())
      await wait(300)
    }
    expect(warm.every(({ target }) => target === 'watched/0')).toBe(true)
    // All but the first found key, lease and target in memory, and waited for nothing of ours.
    for (const { waits, attempts } of warm.slice(1)) {
      expect([Object.keys(waits), attempts[0]?.waitMs]).toEqual([['upstream'], 0])
    }

    one.on('*', faults.resets)
    await silence()
    const spent = chats().length
    const without = await ask()
    // This request may not be sent twice: it would have failed.
    expect(without.attempts.map(({ target }) => target)).toEqual(['watched/1'])
    expect(chats()).toHaveLength(spent)

    one.on('*', good)
    await silence()
    expect((await ask()).attempts.map(({ target }) => target)).toEqual(['watched/0'])
    expect(chats()).toHaveLength(spent + 1)

    const path = '/v1/usage'
    const used = async () => JSON.parse((await send(doorD, gateway.key, { path })).text) as UsageView
    await eventually(async () => (await used()).lifetime.requests >= asked, 15_000)
    expect((await used()).lifetime).toMatchObject({
      requests: asked,
      inputTokens: asked * usage.prompt_tokens,
      outputTokens: asked * usage.completion_tokens,
    })
    expect(gateway.records().filter(({ route }) => route === 'watched')).toHaveLength(asked)
  })

  it('is asked with GET and no body, with its own secret and no other, by one object for all isolates', async () => {
    await eventually(() => checks().length > 0, 5_000)
    for (const { method, bodyBytes } of checks()) expect([method, bodyBytes]).toEqual(['GET', 0])
    const { OPENAI_API_KEY: own = '' } = gateway.canaries
    expect(checks()[0]?.field('authorization')).toBe(`Bearer ${own}`)
    expect(leaks(one.received(), gateway.canaries)).toEqual(['OPENAI_API_KEY'])
    expect(two.requests(checkPath)).toEqual([])
    const { calls } = await gateway.rig.durableControl.stats()
    expect(calls['Registry.watchTargets']).toBe(1)
  })
})
