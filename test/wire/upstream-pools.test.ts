import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RequestRecord } from '../../src/core/record.ts'
import { leaks } from '../support/canaries.ts'
import { eventually } from '../support/eventually.ts'
import { freePort, startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { exchange, type RawAnswer } from '../support/raw-client.ts'
import {
  startScriptedUpstream,
  wholeAnswer,
  type Script,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'

import { answering, faults, kindOf, readRows } from '../support/upstream-table.ts'

/**
 * Faults of the first of two targets against every policy: what the client sees, how often each origin was asked, and
 * what stands in the record. The table is that of docs/upstreams.md.
 */

const firstByteMs = 400
const quiet = { health: { failures: 1_000_000, callsMin: 1_000_000, openMs: 10 } }
const plenty = { minPerSecond: 1_000 }

let one: ScriptedUpstream
let two: ScriptedUpstream
let gateway: GatewayUnderTest

const rows = readRows()

beforeAll(async () => {
  one = await startScriptedUpstream()
  two = await startScriptedUpstream()
  const timeouts = { firstByteMs }
  const common = { timeouts, retries: plenty, ...quiet }
  const secret = { secret: 'OPENAI_API_KEY', header: 'x-first-secret' }
  const first = { origin: one.url, secret }
  const second = { origin: two.url, secret: { secret: 'ANTHROPIC_API_KEY', header: 'x-second-secret' } }
  const poolOf = (policy: string) => ({
    dialect: kindOf(policy).dialect,
    targets: policy.endsWith('-pair') ? [first, second] : [first],
    ...common,
  })
  const extra = ['plain-pair', 'plain-alone', 'llm-pair', 'llm-unsafe-pair', 'buffered-pair']
  const pools = [
    ...rows.map((row) => [row.upstream, poolOf(row.policy)] as const),
    ...extra.flatMap((policy) => [0, 1, 2, 3].map((at) => [`${policy}-x${at}`, poolOf(policy)] as const)),
  ]
  const dead = `http://127.0.0.1:${await freePort()}`
  const others = {
    gone: { dialect: 'http', targets: [{ origin: dead }, { origin: two.url }], ...common },
    fast: {
      dialect: 'http',
      targets: [{ origin: one.url }],
      timeouts,
      retries: { max: 0 },
      health: { failures: 3, openMs: 700, failFast: true },
    },
    aliased: {
      dialect: 'openai',
      targets: [
        { origin: one.url },
        { origin: two.url, models: { 'gpt-4o': 'llama-70b' }, includeUsage: false },
      ],
      ...common,
    },
    choosy: {
      dialect: 'openai',
      targets: [{ origin: one.url }, { origin: two.url, models: { 'gpt-4o': 'forbidden' } }],
      ...common,
    },
    unkeyed: {
      dialect: 'openai',
      targets: [{ origin: one.url }, { origin: two.url, secret: { secret: 'NOBODY_SET_IT' } }],
      ...common,
    },
    capped: {
      dialect: 'http',
      targets: [{ origin: one.url }],
      concurrency: { max: 2, queueMax: 2, queueMs: 600 },
      ...common,
    },
    budgeted: {
      dialect: 'http',
      targets: [{ origin: one.url }],
      retries: { baseMs: 1, minPerSecond: 0 },
      health: quiet.health,
    },
    late: {
      dialect: 'http',
      targets: [{ origin: one.url }],
      retries: { ...plenty, deadlineMs: 250 },
      ...quiet,
    },
  }
  const upstreams: Record<string, unknown> = { ...Object.fromEntries(pools), ...others }
  const routes = Object.keys(upstreams).map((name) => {
    const policy = name.replace(/-x?\d+$/, '')
    const kind = policy === name ? {} : kindOf(policy)
    const resend = 'resend' in kind ? { resend: kind.resend } : {}
    const models = name === 'choosy' ? { models: { deny: ['forbidden'] } } : {}
    return Object.assign({ id: name, path: `/${name}/*`, upstream: name, rewrite: '/*' }, resend, models)
  })
  gateway = await startGatewayUnderTest({ upstreamUrl: one.url, upstreams, routes })
})

afterAll(async () => {
  await gateway.close()
  await one.close()
  await two.close()
})

const good =
  (name: string): Script =>
  (x) =>
    x.send(wholeAnswer(200, { 'content-type': 'application/json', 'x-origin': name }, '{"ok":true}'))

beforeEach(() => {
  for (const up of [one, two]) up.forget()
  two.on('*', good('two'))
})

interface Sent {
  readonly method?: string
  readonly body?: string
}
const chat = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hello' }] })

async function ask(route: string, { method = 'GET', body }: Sent = {}): Promise<RawAnswer> {
  const headers = {
    authorization: `Bearer ${gateway.key}`,
    ...(body !== undefined && { 'content-type': 'application/json' }),
  }
  const path = `/${route}/v1/chat/completions`
  return exchange(gateway, { method, path, headers, ...(body !== undefined && { body }) })
}

async function recordOf(answer: RawAnswer): Promise<RequestRecord> {
  const [record] = await gateway.recordsOf(answer.field('x-request-id') ?? '')
  if (record === undefined) throw new Error('no record')
  return record
}

describe('a target that', () => {
  it.each(rows)('C60: $fault, at $method on $policy: the client sees $status', async (row) => {
    const { method, fault, status, asked, charged, upstream } = row
    one.on('*', faults[fault])
    const body = method === 'POST' ? chat : undefined
    const answer = await ask(upstream, { method, ...(body !== undefined && { body }) })
    expect(answer.status).toBe(status)
    expect([one.requests().length, two.requests().length]).toEqual(asked)
    const record = await recordOf(answer)
    const targets = asked.flatMap((times, at) => Array<string>(times).fill(`${upstream}/${at}`))
    expect(record.attempts.map(({ target }) => target)).toEqual(targets)
    expect(record.target).toBe(targets.at(-1))
    expect(record.usage === null ? 'nothing' : 'once').toBe(charged)
    if (status === 200) expect(record.attempts.at(-1)).toMatchObject({ result: 'answered', status: 200 })
  })

  it('is not there at all leaves the request to the next', async () => {
    const answer = await ask('gone')
    expect([answer.status, two.requests().length]).toEqual([200, 1])
    expect((await recordOf(answer)).attempts).toMatchObject([
      { target: 'gone/0', result: 'upstream_unreachable', status: null },
      { target: 'gone/1', result: 'answered', status: 200 },
    ])
  })

  it('failed is told of in the sum of what was waited for', async () => {
    one.on('*', faults.silent)
    const answer = await ask('plain-pair-x0')
    const said = Number(/upstream;dur=(\d+)/.exec(answer.field('server-timing') ?? '')?.[1])
    const { attempts } = await recordOf(answer)
    expect(said).toBeGreaterThanOrEqual(firstByteMs * 0.85)
    expect(Math.abs(said - attempts.reduce((sum, { tookMs }) => sum + tookMs, 0))).toBeLessThan(20)
  })
})

describe('Retry-After', () => {
  it.each([
    ['seconds', () => ({ 'retry-after': '1' }), 900],
    ['a date', () => ({ 'retry-after': new Date(Date.now() + 2_000).toUTCString() }), 900],
    ['milliseconds', () => ({ 'retry-after-ms': '300', 'retry-after': '60' }), 290],
  ])('in %s is waited for before the same target is asked again', async (form, headers, leastMs) => {
    let asked = 0
    one.on('*', async (x) => {
      asked += 1
      await (asked === 1 ? answering(429, headers())(x) : good('one')(x))
    })
    const answer = await ask(`plain-alone-x${['seconds', 'a date', 'milliseconds'].indexOf(form)}`)
    expect([answer.status, asked]).toEqual([200, 2])
    expect(answer.tookMs).toBeGreaterThanOrEqual(leastMs)
    const { attempts, waits } = await recordOf(answer)
    expect(attempts[1]?.waitMs).toBeGreaterThanOrEqual(leastMs)
    expect(waits['backoff']).toBeGreaterThanOrEqual(leastMs)
  })

  it('that is longer than anyone should wait is passed on', async () => {
    one.on('*', answering(429, { 'retry-after': '30' }))
    const answer = await ask('plain-alone-x3')
    expect([answer.status, answer.field('retry-after'), one.requests().length]).toEqual([429, '30', 1])
  })
})

describe('a fallback', () => {
  it("carries none of the first target's secrets, and the first none of its own", async () => {
    one.on('*', faults.fails)
    const answer = await ask('llm-pair-x0', { method: 'POST', body: chat })
    expect(answer.status).toBe(200)
    const { OPENAI_API_KEY: first = '', ANTHROPIC_API_KEY: second = '', clientKey = '' } = gateway.canaries
    expect(leaks(one.received(), { first, second, clientKey })).toEqual(['first'])
    expect(leaks(two.received(), { first, second, clientKey })).toEqual(['second'])
    expect(two.requests()[0]?.field('x-first-secret')).toBeNull()
  })

  it.each(['choosy', 'unkeyed'])(
    'that could not take the request is passed over, and the first answer stands: %s',
    async (route) => {
      one.on('*', faults.fails)
      const answer = await ask(route, { method: 'POST', body: chat })
      expect([answer.status, one.requests().length, two.requests().length]).toEqual([500, 1, 0])
      expect(await recordOf(answer)).toMatchObject({ upstreamModel: 'gpt-4o', attempts: [{ status: 500 }] })
    },
  )

  it('gets its own name for the model and only what it takes', async () => {
    one.on('*', faults.fails)
    const body = JSON.stringify({ model: 'gpt-4o', stream: true, messages: [] })
    const answer = await ask('aliased', { method: 'POST', body })
    expect(answer.status).toBe(200)
    const sent = [one, two].map((up) => JSON.parse(String(up.requests()[0]?.body)) as unknown)
    expect(sent).toEqual([
      { model: 'gpt-4o', stream: true, messages: [], stream_options: { include_usage: true } },
      { model: 'llama-70b', stream: true, messages: [] },
    ])
    expect(await recordOf(answer)).toMatchObject({ model: 'gpt-4o', upstreamModel: 'llama-70b' })
  })
})

describe('a stream that dies after its first byte', () => {
  it('is never continued with one of another target', async () => {
    one.on('*', async (x) => {
      const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
      await x.send(`${head}15\r\ndata: {"choices":[]}\n\n\r\n`)
      await x.wait(100)
      x.reset()
    })
    const answer = await ask('llm-unsafe-pair-x0', { method: 'POST', body: chat })
    expect(answer.status).toBe(200)
    expect(answer.ended).not.toBe('complete')
    expect(answer.text).toContain('upstream_broke_off')
    expect([one.requests().length, two.requests().length]).toEqual([1, 0])
  })
})

describe('a breaker that fails fast', () => {
  it('C61: opens after failures in a row, lets one probe through, and closes', async () => {
    one.on('*', faults.resets)
    const statuses = []
    for (let at = 0; at < 3; at += 1) statuses.push((await ask('fast')).status)
    expect(statuses).toEqual([502, 502, 502])
    const refused = await ask('fast')
    expect([refused.status, refused.field('retry-after')]).toEqual([503, '1'])
    expect(refused.text).toContain('"code":"upstream_unavailable"')
    expect(refused.tookMs).toBeLessThan(200)
    expect(one.requests()).toHaveLength(3)
    let probes = 0
    one.on('*', async (x) => {
      probes += 1
      await x.wait(200)
      await good('one')(x)
    })
    await new Promise((resolve) => setTimeout(resolve, 750))
    const together = await Promise.all([ask('fast'), ask('fast'), ask('fast')])
    expect(together.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 503, 503])
    expect(probes).toBe(1)
    expect((await ask('fast')).status).toBe(200)
  })

  it('C61: does not open for mistakes of clients, nor when they leave', async () => {
    one.on('*', answering(404))
    for (let at = 0; at < 6; at += 1) expect((await ask('fast')).status).toBe(404)
    one.on('*', faults.silent)
    for (let at = 0; at < 4; at += 1) {
      const leaving = new AbortController()
      const asked = fetch(`${gateway.url}/fast/x`, {
        headers: { authorization: `Bearer ${gateway.key}` },
        signal: leaving.signal,
      }).catch(() => null)
      await eventually(() => one.requests('/x').length === at + 1)
      leaving.abort()
      await asked
    }
    one.on('*', good('one'))
    expect((await ask('fast')).status).toBe(200)
  })
})

describe('a target with all its places taken', () => {
  it('lets requests wait, sheds those beyond the queue with 503 and Retry-After, and serves the rest', async () => {
    let inFlight = 0
    let most = 0
    one.on('*', async (x) => {
      inFlight += 1
      most = Math.max(most, inFlight)
      await x.wait(150)
      inFlight -= 1
      await good('one')(x)
    })
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask('capped')))
    const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b)
    expect(statuses).toEqual([200, 200, 200, 200, 503, 503])
    expect(most).toBe(2)
    const shed = answers.find(({ status }) => status === 503)
    // A second, drawn out by up to a tenth.
    expect(['1', '2']).toContain(shed?.field('retry-after'))
    expect(shed?.text).toContain('"code":"upstream_busy"')
    const records = await Promise.all(answers.map(recordOf))
    const waits = records.map(({ waits: each }) => each['queue'] ?? 0).filter((ms) => ms > 0)
    expect(waits).toHaveLength(2)
  })

  it('lets nobody wait longer than the queue allows', async () => {
    one.on('*', faults.silent)
    const started = performance.now()
    const answers = await Promise.all(Array.from({ length: 3 }, () => ask('capped')))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)[0]).toBeGreaterThanOrEqual(503)
    expect(performance.now() - started).toBeLessThan(3 * firstByteMs + 600)
  })

  it('serves keys of a higher priority first', async () => {
    const high = await gateway.newKey({ scopes: ['priority:high'] })
    const order: string[] = []
    one.on('*', async (x) => {
      order.push(x.request.target)
      await x.wait(150)
      await good('one')(x)
    })
    const get = (key: string, name: string) =>
      exchange(gateway, { path: `/capped/${name}`, headers: { authorization: `Bearer ${key}` } })
    // Both keys are in memory afterwards, so that the queue alone decides on the order.
    await get(high.key, 'warm')
    const first = [get(gateway.key, 'a'), get(gateway.key, 'b')]
    await eventually(() => order.length === 3)
    const normal = get(gateway.key, 'normal')
    await new Promise((resolve) => setTimeout(resolve, 40))
    await Promise.all([...first, normal, get(high.key, 'high')])
    expect(order.slice(3)).toEqual(['/high', '/normal'])
  })
})

describe('retries', () => {
  it('stay within the budget of their upstream', async () => {
    one.on('*', faults.fails)
    const requests = 60
    for (let at = 0; at < requests; at += 1) await ask('budgeted')
    const attempts = one.requests().length
    expect(attempts).toBeGreaterThan(requests)
    expect(attempts).toBeLessThanOrEqual(requests * 1.2 + 10)
  })

  it('end at the deadline over all attempts', async () => {
    one.on('*', faults.silent)
    const answer = await ask('late')
    expect(answer.status).toBe(504)
    expect(answer.tookMs).toBeLessThan(250 * 1.5)
    one.on('*', answering(503, { 'retry-after': '1' }))
    const declined = await ask('late')
    expect([declined.status, declined.tookMs < 250]).toEqual([503, true])
  })
})

it('a body of random bytes reaches the second target as it was sent', async () => {
  one.on('*', faults.declines)
  two.on('*', async (x) => {
    await x.bodyEnd()
    await good('two')(x)
  })
  const body = randomBytes(50_000).toString('base64')
  const answer = await ask('buffered-pair-x0', { method: 'POST', body })
  expect(answer.status).toBe(200)
  expect(two.requests()[0]?.body.toString() === body).toBe(true)
})
