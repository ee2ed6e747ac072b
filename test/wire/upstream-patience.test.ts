import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RequestRecord } from '../../src/core/record.ts'
import { eventually, inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, lastChunk } from '../support/http-message.ts'
import { exchange, type RawAnswer } from '../support/raw-client.ts'
import {
  answerHead,
  startScriptedUpstream,
  wholeAnswer,
  type Script,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'

/** Late first contents, hedges, checks from the side, outages and the reuse of connections. */

const firstContentMs = 400
let one: ScriptedUpstream
let two: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  one = await startScriptedUpstream()
  two = await startScriptedUpstream()
  const pair = [{ origin: one.url }, { origin: two.url }]
  const patient = { health: { failures: 1_000_000, callsMin: 1_000_000, openMs: 10 } }
  const upstreams = {
    content: { dialect: 'openai', targets: pair, timeouts: { firstContentMs }, ...patient },
    'content-alone': {
      dialect: 'openai',
      targets: [{ origin: one.url }],
      timeouts: { firstContentMs },
      ...patient,
    },
    hedged: { dialect: 'http', targets: pair, hedgeShare: 0.1, ...patient },
    'hedged-llm': { dialect: 'openai', targets: pair, hedgeShare: 1, ...patient },
    'hedged-mixed': {
      dialect: 'openai',
      targets: [pair[0], { origin: two.url, models: { 'gpt-4o': 'llama' }, includeUsage: false }],
      hedgeShare: 1,
      ...patient,
    },
    checked: {
      dialect: 'http',
      targets: [{ origin: one.url, checkPath: '/are-you-well' }, { origin: two.url }],
      retries: { minPerSecond: 1_000 },
      health: { failures: 2, openMs: 300 },
    },
    slots: {
      dialect: 'http',
      targets: [{ origin: one.url }],
      concurrency: { max: 1, until: 'end', queueMax: 0 },
    },
    outage: {
      dialect: 'http',
      targets: [{ origin: one.url }],
      retries: { baseMs: 1, capMs: 10 },
      concurrency: { max: 100 },
    },
    flapping: { dialect: 'http', targets: pair },
    reused: { dialect: 'http', targets: [{ origin: one.url }] },
  }
  const resend: Readonly<Record<string, object>> = {
    content: { unsafe: true },
    hedged: { hedge: true },
    'hedged-llm': { hedge: true, unsafe: true },
    'hedged-mixed': { hedge: true, unsafe: true },
  }
  const routes = Object.keys(upstreams).map((name) => ({
    id: name,
    path: `/${name}/*`,
    upstream: name,
    rewrite: '/*',
    resend: resend[name] ?? {},
  }))
  const prices = { 'gpt*': { input: 1_000, output: 1_000 } }
  gateway = await startGatewayUnderTest({ upstreamUrl: one.url, upstreams, routes, prices })
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

const fails: Script = (x) => x.send(wholeAnswer(500, {}, 'no'))
const down: Script = (x) => x.send(wholeAnswer(503, {}, 'down'))
const good: Script = (x) => x.send(wholeAnswer(200, { 'content-type': 'application/json' }, '{"ok":true}'))
const head = answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' })
const role = 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
const text = 'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
const end = 'data: [DONE]\n\n'

const stream =
  (...events: string[]): Script =>
  async (x) => {
    await x.send(head)
    for (const event of events) await x.send(chunk(event))
    await x.send(lastChunk)
  }
const begins: Script = async (x) => {
  await x.send(head)
  await x.send(chunk(role))
}

const body = JSON.stringify({ model: 'gpt-4o', stream: true, messages: [] })

function chat(route: string): Promise<RawAnswer> {
  const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' }
  return exchange(gateway, { method: 'POST', path: `/${route}/v1/chat/completions`, headers, body })
}

function get(route: string, path = '/x'): Promise<RawAnswer> {
  return exchange(gateway, { path: `/${route}${path}`, headers: { authorization: `Bearer ${gateway.key}` } })
}

async function recordOf(answer: RawAnswer): Promise<RequestRecord> {
  const [record] = await gateway.recordsOf(answer.field('x-request-id') ?? '')
  if (record === undefined) throw new Error('no record')
  return record
}

describe('a stream that says nothing within its time', () => {
  it('C60: is given up, and another target answers in its place, from its beginning', async () => {
    one.on('*', begins)
    two.on('*', stream(role, text, end))
    const answer = await chat('content')
    expect([answer.status, answer.text]).toEqual([200, role + text + end])
    expect(answer.tookMs).toBeGreaterThan(firstContentMs * 0.85)
    await eventually(() => one.requests().every(({ closedMs }) => closedMs !== null))
    expect((await recordOf(answer)).attempts).toMatchObject([
      { target: 'content/0', result: 'upstream_first_content_timeout' },
      { target: 'content/1', result: 'answered' },
    ])
  })

  it('C60: is a refusal of its own where there is no other', async () => {
    one.on('*', begins)
    const answer = await chat('content-alone')
    expect(answer.status).toBe(504)
    expect(answer.text).toContain('"code":"upstream_first_content_timeout"')
    expect(answer.tookMs).toBeGreaterThan(firstContentMs * 0.85)
    expect(answer.tookMs).toBeLessThan(firstContentMs * 1.3)
  })

  it('passes whole and in order when it says something in time, however long it is', async () => {
    const many = Array.from({ length: 3_000 }, (_, at) => text.replace('Hi', `Hi ${at}`))
    one.on('*', stream(role, ...many, end))
    const answer = await chat('content-alone')
    expect(answer.ended).toBe('complete')
    expect(answer.text).toBe([role, ...many, end].join(''))
  })

  it('that begins with an error leaves the request to the next; without a next it passes as it is', async () => {
    const error = 'data: {"error":{"message":"overloaded"}}\n\n'
    one.on('*', stream(role, error))
    two.on('*', stream(text, end))
    const answer = await chat('content')
    expect(answer.text).toBe(text + end)
    expect((await recordOf(answer)).attempts[0]).toMatchObject({ result: 'error_event', status: 200 })
    expect((await chat('content-alone')).text).toBe(role + error)
  })

  it('that dies after it began is broken off for the client too', async () => {
    one.on('*', async (x) => {
      await x.send(head)
      await x.send(chunk(text))
      await x.wait(50)
      x.reset()
    })
    const answer = await chat('content')
    expect(answer.text.startsWith(text)).toBe(true)
    expect(answer.text).toContain('upstream_broke_off')
    expect(two.requests()).toHaveLength(0)
  })
})

describe('a hedge', () => {
  it('starts after nearly all answers would have begun, within its share, and the loser is closed at once', async () => {
    for (let at = 0; at < 120; at += 1) await get('hedged')
    const [learned, hedged] = [one.requests().length, two.requests().length]
    expect(hedged).toBeLessThanOrEqual(12)
    one.on('*', () => {})
    const answer = await get('hedged')
    expect(answer.status).toBe(200)
    expect(answer.tookMs).toBeLessThan(1_000)
    await eventually(() => one.requests().at(-1)?.closedMs !== null)
    expect([one.requests().length - learned, two.requests().length - hedged]).toEqual([1, 1])
    const record = await recordOf(answer)
    expect(record.target).toBe('hedged/1')
    expect(record.attempts).toMatchObject([
      { target: 'hedged/0', result: 'hedge_lost', costMicroUsd: null },
      { target: 'hedged/1', result: 'answered', status: 200 },
    ])
  })

  it("records what the loser may cost apart from the request's own cost", async () => {
    const answer = { model: 'gpt-4o', choices: [], usage: { prompt_tokens: 9, completion_tokens: 1 } }
    const json: Script = async (x) => {
      await x.bodyEnd()
      await x.send(wholeAnswer(200, { 'content-type': 'application/json' }, JSON.stringify(answer)))
    }
    for (const up of [one, two]) up.on('*', json)
    for (let at = 0; at < 60; at += 1) await chat('hedged-llm')
    one.on('*', () => {})
    const late = await chat('hedged-llm')
    expect(late.status).toBe(200)
    const { attempts, costMicroUsd } = await recordOf(late)
    expect(costMicroUsd).toBe(10_000)
    expect(attempts[0]).toMatchObject({ target: 'hedged-llm/0', result: 'hedge_lost' })
    expect(attempts[0]?.costMicroUsd).toBeGreaterThan(0)
    expect(attempts[1]?.costMicroUsd).toBeNull()
  })
})

describe('a hedge that loses', () => {
  it('leaves what is known of the request to the target that won', async () => {
    const usage = 'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}\n\n'
    one.on('*', stream(text, usage, end))
    for (let at = 0; at < 60; at += 1) await chat('hedged-mixed')
    one.on('*', async (x) => {
      await x.wait(400)
      await stream(text, usage, end)(x)
    })
    two.on('*', () => {})
    const asked = two.requests().length
    const answer = await chat('hedged-mixed')
    expect(two.requests()).toHaveLength(asked + 1)
    // The usage was asked for by the gateway, of the first target only, and is kept from the client.
    expect(answer.text).toBe(text + end)
    const record = await recordOf(answer)
    expect(record).toMatchObject({
      target: 'hedged-mixed/0',
      upstreamModel: 'gpt-4o',
      usage: { inputTokens: 9 },
    })
    expect(record.attempts.map(({ result }) => result)).toEqual(['hedge_lost', 'answered'])
  })
})

describe('a target with a check of its own', () => {
  it('is asked from the side whether it is back, and no request of a client is spent on it', async () => {
    one.on('*', fails)
    for (let at = 0; at < 3; at += 1) expect((await get('checked')).status).toBe(200)
    const asked = () => one.requests().filter(({ target }) => target === '/are-you-well').length
    const spent = one.requests().length
    await new Promise((resolve) => setTimeout(resolve, 350))
    expect((await get('checked')).status).toBe(200)
    await eventually(() => asked() === 1)
    expect(one.requests().length).toBe(spent + 1)
    one.on('*', good)
    await new Promise((resolve) => setTimeout(resolve, 350))
    await get('checked')
    await eventually(() => asked() === 2)
    await eventually(async () => (await recordOf(await get('checked'))).target === 'checked/0')
    expect(one.requests().filter(({ target }) => target === '/are-you-well')).toHaveLength(2)
  })
})

describe('an outage', () => {
  it('costs the origin little more than the requests there are, and brings no burst when it is over', async () => {
    const perSecond = 100
    const phaseMs = 3_000
    const arrivals: number[] = []
    const noting =
      (script: Script): Script =>
      (x) => {
        arrivals.push(performance.now())
        return script(x)
      }
    const run = async (): Promise<RawAnswer[]> => {
      const asked: Promise<RawAnswer>[] = []
      const startedMs = performance.now()
      for (let at = 0; at < (perSecond * phaseMs) / 1_000; at += 1) {
        const waitMs = startedMs + (at * 1_000) / perSecond - performance.now()
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
        asked.push(get('outage'))
      }
      return Promise.all(asked)
    }
    one.on('*', noting(down))
    const refused = await run()
    expect(refused.every(({ status }) => status === 503)).toBe(true)
    const minimum = phaseMs / 1_000 + 10
    expect(arrivals.length).toBeLessThanOrEqual(refused.length * 1.2 + minimum)
    // Answers that nobody sees are read to their end, so a target in trouble has no new connections to make.
    expect(one.connections()).toBeLessThan(arrivals.length / 10)
    arrivals.length = 0
    one.on('*', noting(good))
    const served = await run()
    expect(served.every(({ status }) => status === 200)).toBe(true)
    const seconds = Math.ceil(phaseMs / 1_000)
    const startMs = arrivals[0] ?? 0
    for (let second = 0; second < seconds; second += 1) {
      const within = arrivals.filter(
        (ms) => ms >= startMs + second * 1_000 && ms < startMs + (second + 1) * 1_000,
      )
      expect(within.length).toBeLessThanOrEqual(perSecond * 1.5)
    }
  })
})

describe('a place that is held until the end of the answer', () => {
  it('is taken as long as the answer is under way, and free when it has ended or its client has left', async () => {
    const gate = Promise.withResolvers<boolean>()
    one.on('/held', async (x) => {
      await x.send(head)
      await x.send(chunk(text))
      await gate.promise
      await x.wait(100)
      await x.send(lastChunk)
    })
    const held = get('slots', '/held')
    await eventually(() => one.requests('/held').length === 1)
    await eventually(async () => (await get('slots')).status === 503)
    gate.resolve(true)
    expect((await held).ended).toBe('complete')
    await eventually(async () => (await get('slots')).status === 200)
    const leaving = new AbortController()
    const headers = { authorization: `Bearer ${gateway.key}` }
    one.on('/held', async (x) => {
      await x.send(head)
      while (!x.left) {
        await x.send(chunk(text))
        await x.wait(50)
      }
    })
    const left = await fetch(`${gateway.url}/slots/held`, { headers, signal: leaving.signal })
    expect([left.status, (await get('slots')).status]).toEqual([200, 503])
    leaving.abort()
    await eventually(async () => (await get('slots')).status === 200)
  })
})

describe('a target that flaps', () => {
  it('is noticed by no client, and costs no more attempts than the budget allows', async () => {
    let turn = 0
    one.on('*', (x) => {
      turn += 1
      return turn % 3 === 0 ? fails(x) : good(x)
    })
    const requests = 90
    for (let at = 0; at < requests; at += 1) expect((await get('flapping')).status).toBe(200)
    const attempts = one.requests().length + two.requests().length
    expect(attempts).toBeGreaterThan(requests)
    expect(attempts).toBeLessThanOrEqual(requests * 1.2 + 10 + 5)
  })
})

describe('connections', () => {
  it('to an origin are used again by nearly every request', async () => {
    const requests = 600
    await inParallel(Array.from({ length: requests }), 4, () => get('reused'))
    expect(one.requests()).toHaveLength(requests)
    expect(1 - one.connections() / requests).toBeGreaterThanOrEqual(0.99)
  })
})
