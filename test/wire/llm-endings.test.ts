import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startMock, type RunningMock } from '../../bench/mock/server.ts'
import { eventually, inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk } from '../support/http-message.ts'
import { eventTexts, llmFormats, llmRequest, tokensIn } from '../support/llm-formats.ts'
import {
  faultsOf,
  points,
  resuming,
  run,
  settled,
  startLlmLedger,
  ways,
  type LlmLedger,
  type Policy,
  type Turn,
  type Way,
} from '../support/llm-ledger.ts'
import { RawConnection } from '../support/raw-client.ts'
import { answerHead } from '../support/scripted-upstream.ts'

let ledger: LlmLedger
/** Takes half a minute, during which the rest runs. */
let drains: Promise<readonly LongDrain[]>

beforeAll(async () => {
  ledger = await startLlmLedger()
  drains = Promise.all(endless.map(({ path }) => leaveEndless(path)))
  drains.catch(() => {})
})

afterAll(() => ledger.close())

type Leave = 'reset' | 'destroy'
const leaves: readonly { leave: Leave; how: string }[] = [
  { leave: 'reset', how: 'with RST' },
  { leave: 'destroy', how: 'with FIN' },
]
/** A connection that was closed in an orderly way is not known to be gone before the next write to it. */
const endingsFor = { reset: ['client_left'], destroy: ['client_left', 'complete'] }

/** The client goes; what the upstream still does, it does afterwards. */
function leaving(leave: Leave): Turn {
  return (connection, play) => {
    connection[leave]()
    play.resume()
  }
}

function leaveAtAll(way: Way, policy: Policy, leave: Leave) {
  const turn = leaving(leave)
  return inParallel(points, points.length, (pauseAt) =>
    run(ledger, { way, policy, pauseAt, sequel: 'goes on', turn }),
  )
}

const departures = ways.flatMap((way) => leaves.map((each) => ({ name: way.name, way, ...each })))
/** So many of the points lie early enough for the upstream to be seen stopping. */
const earlyPoints = 6

describe.each(departures)('a client that leaves $how at ten points of a stream: $name,', ({ way, leave }) => {
  it('stops the upstream within a second and is charged once for at least what it got', async () => {
    const runs = await leaveAtAll(way, 'abort', leave)
    expect(await faultsOf(ledger, runs, { endings: endingsFor[leave], whole: false })).toEqual([])
    const openMs = runs.map(({ play, turnedMs }) => (play.ended ? 0 : (play.closedMs ?? Infinity) - turnedMs))
    expect(openMs.filter((ms) => ms > 1_000)).toEqual([])
    expect(runs.slice(0, earlyPoints).filter(({ play }) => play.ended)).toEqual([])
  })

  it('is charged once for the whole, as the provider counts it, where the route drains', async () => {
    const runs = await leaveAtAll(way, 'drain', leave)
    expect(await faultsOf(ledger, runs, { endings: endingsFor[leave], whole: true })).toEqual([])
    expect(runs.filter(({ play }) => !play.ended)).toEqual([])
  })
})

describe('a client that stays', () => {
  it.each(ways)('is charged once for the whole, as the provider counts it: $name', async (way) => {
    const whole = await run(ledger, { way, policy: 'abort', pauseAt: 3, sequel: 'goes on', turn: resuming })
    expect(await faultsOf(ledger, [whole], { endings: ['complete'], whole: true })).toEqual([])
  })
})

describe('against the mock at its own pace', () => {
  let mock: RunningMock
  let gateway: GatewayUnderTest

  beforeAll(async () => {
    mock = await startMock()
    gateway = await startGatewayUnderTest({ upstreamUrl: mock.url })
  })

  afterAll(async () => {
    await gateway.close()
    await mock.close()
  })

  const count = 40
  const leaveAfterMs = [15, 40, 70, 100, 150, 200, 260, 330, 410, 500]

  it.each(Object.values(llmFormats))(
    'clients that leave ten $name streams pay for no less than they got and no more than was sent',
    async (format) => {
      mock.reset()
      const received = await inParallel(leaveAfterMs, leaveAfterMs.length, async (ms) => {
        const mark = randomUUID()
        const more = { model: `mock/n=${count},itl=15,size=4`, stream: true }
        const request = llmRequest(format, { key: gateway.key, more })
        const connection = await RawConnection.open(gateway)
        const headers = { ...request.headers, 'x-mark': mark, 'x-request-id': mark }
        const live = connection.request({ ...request, headers })
        await live.head()
        await wait(ms)
        connection.destroy()
        return { mark, tokens: tokensIn(eventTexts(live.body), count) }
      })
      await eventually(() => mock.stats().inFlight === 0, 1_500)
      const marks = received.map(({ mark }) => mark)
      const records = await settled({ gateway }, marks)
      const charges = received.map(({ mark, tokens }, at) => {
        const sent = mock.stats().last.find(({ headers }) => headers.some(([, value]) => value === mark))
        return {
          tokens,
          charged: records[at]?.[0]?.usage?.outputTokens ?? -1,
          sent: sent?.tokensSent ?? -1,
          records: records[at]?.length,
        }
      })
      const wrong = charges.filter(
        (each) => each.records !== 1 || each.charged < each.tokens || each.charged > Math.max(1, each.sent),
      )
      expect(wrong).toEqual([])
      expect(charges.some(({ tokens }) => tokens > 10)).toBe(true)
    },
  )
})

describe('a client that leaves before the answer begins', () => {
  it.each(['abort', 'drain'] as const)(
    'closes the upstream and is on record once, on a route that is to %s',
    async (policy) => {
      const mark = randomUUID()
      ledger.up.on('/v1/silent', () => {})
      const request = llmRequest(llmFormats.chat, { key: ledger.gateway.key, more: { model: 'silent' } })
      const connection = await RawConnection.open(ledger.gateway)
      const headers = { ...request.headers, 'x-mark': mark, 'x-request-id': mark }
      connection.request({ ...request, headers, path: `/${policy}-strip-openai/v1/silent` })
      const seen = () => ledger.up.requests('/v1/silent').find((each) => each.field('x-mark') === mark)
      await eventually(() => seen()?.complete ?? false)
      connection.reset()
      await eventually(() => seen()?.closedMs != null, 1_000)
      const [records] = await settled(ledger, [mark])
      expect(records).toEqual([expect.objectContaining({ status: 499, ending: 'client_left' })])
      // The provider had the whole request: what was asked is charged, by estimate.
      const [{ usage } = { usage: null }] = records ?? []
      expect(usage).toMatchObject({ source: 'estimated', outputTokens: 0 })
    },
  )
})

describe('a client that leaves after a burst', () => {
  it.each(leaves)('pays for all of the burst, $how, although the upstream goes on', async ({ leave }) => {
    const mark = randomUUID()
    const event = `data: {"choices":[{"index":0,"delta":{"content":"four"}}],"pad":"${'x'.repeat(900)}"}\n\n`
    const burst = 2_000
    ledger.up.on('/v1/burst', async (x) => {
      await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
      for (let sent = 0; sent < burst; sent += 1) await x.send(chunk(event))
      while (!x.left) {
        await x.wait(3)
        await x.send(chunk(event))
      }
    })
    const more = { model: 'burst', stream: true }
    const request = llmRequest(llmFormats.responses, { key: ledger.gateway.key, more })
    const connection = await RawConnection.open(ledger.gateway)
    const headers = { ...request.headers, 'x-request-id': mark }
    const live = connection.request({ ...request, headers, path: '/abort-strip-openai/v1/burst' })
    await live.reaches(burst * event.length)
    const received = live.bodyBytes
    connection[leave]()
    await eventually(() => ledger.up.requests('/v1/burst').at(-1)?.closedMs != null, 1_000)
    const [records = []] = await settled(ledger, [mark])
    expect(records).toEqual([expect.objectContaining({ tier: 'tap', ending: 'client_left' })])
    expect(records[0]?.bytes).toBeGreaterThanOrEqual(received)
    expect(records[0]?.usage?.outputTokens).toBeGreaterThanOrEqual(burst)
  })
})

describe('an answer that is not metered', () => {
  it('ends with its client while the upstream is silent, and is not charged', async () => {
    const mark = randomUUID()
    const path = '/v1/files/1/content'
    ledger.up.on(path, async (x) => {
      const type = { 'content-type': 'application/octet-stream', 'content-length': '1000' }
      await x.send(`${answerHead(200, type)}the first bytes`)
    })
    const connection = await RawConnection.open(ledger.gateway)
    const headers = { authorization: `Bearer ${ledger.gateway.key}`, 'x-request-id': mark }
    const live = connection.request({ path: `/drain-strip-openai${path}`, headers })
    await live.reaches(1)
    connection.reset()
    await eventually(() => ledger.up.requests(path)[0]?.closedMs != null, 1_000)
    expect(await settled(ledger, [mark])).toEqual([
      [expect.objectContaining({ tier: 'native', ending: 'client_left', usage: null })],
    ])
  })
})

const boundMs = 30_000
const endless = [
  { tier: 'tap', path: '/v1/endless' },
  { tier: 'pump', path: '/v1/endless/completions' },
] as const

interface LongDrain {
  readonly mark: string
  readonly tookMs: number
  readonly sent: number
}

/** A client that leaves a stream which never ends, on a route that drains. */
async function leaveEndless(path: string): Promise<LongDrain> {
  const mark = randomUUID()
  let sent = 0
  ledger.up.on(path, async (x) => {
    await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
    while (!x.left) {
      sent += 1
      await x.send(chunk(`data: {"choices":[{"index":0,"delta":{"content":"text"}}]}\n\n`))
      await x.wait(100)
    }
  })
  const more = { model: 'endless', stream: true }
  const request = llmRequest(llmFormats.chat, { key: ledger.gateway.key, more })
  const connection = await RawConnection.open(ledger.gateway)
  const headers = { ...request.headers, 'x-request-id': mark }
  const live = connection.request({ ...request, headers, path: `/drain-strip-openai${path}` })
  await live.reaches(1)
  const leftMs = performance.now()
  connection.destroy()
  const closedMs = () => ledger.up.requests(path)[0]?.closedMs ?? null
  await eventually(() => closedMs() !== null, boundMs + 5_000)
  return { mark, tookMs: (closedMs() ?? Infinity) - leftMs, sent }
}

describe('a stream without end', () => {
  it(`whose client left is drained for less than ${boundMs} ms and charged once`, async () => {
    const drained = await drains
    const records = await settled(
      ledger,
      drained.map(({ mark }) => mark),
    )
    for (const [at, { tookMs, sent }] of drained.entries()) {
      expect(tookMs).toBeGreaterThan(10_000)
      expect(tookMs).toBeLessThan(boundMs)
      expect(records[at]).toEqual([
        expect.objectContaining({ tier: endless[at]?.tier, ending: 'client_left' }),
      ])
      const usage = records[at]?.[0]?.usage
      expect(usage?.source).toBe('estimated')
      // What was on its way when the upstream was closed is not charged.
      expect(usage?.outputTokens).toBeGreaterThanOrEqual(sent - 2)
      expect(usage?.outputTokens).toBeLessThanOrEqual(sent)
    }
  })
})
