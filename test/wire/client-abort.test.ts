import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, fieldOf } from '../support/http-message.ts'
import { RawConnection, type LiveAnswer } from '../support/raw-client.ts'
import {
  answerHead,
  startScriptedUpstream,
  type ReceivedRequest,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('/endless', async (x) => {
    const type = x.request.field('x-type') ?? ''
    await x.send(answerHead(200, { 'content-type': type, 'transfer-encoding': 'chunked' }))
    while (!x.left) {
      await x.send(chunk('data: {"n":1}\n\n'))
      await x.wait(50)
    }
  })
  gateway = await startGatewayUnderTest({ upstreamUrl: up.url })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

const clients = 100
const atOnce = 20

const tiers = [
  { tier: 'native', type: 'application/octet-stream' },
  { tier: 'tap', type: 'text/event-stream' },
]
const ways: readonly { way: string; leave: (connection: RawConnection) => void }[] = [
  { way: 'with FIN', leave: (connection) => connection.destroy() },
  { way: 'with RST', leave: (connection) => connection.reset() },
]

interface Departure {
  readonly requestId: string
  /** From the client's leaving until the upstream saw its connection end; null when it never did. */
  readonly upstreamClosedAfterMs: number | null
}

function authorized(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { authorization: `Bearer ${gateway.key}`, ...more }
}

/** The upstream's side of the request that carries this mark. */
function marked(mark: string): ReceivedRequest | undefined {
  return up.requests().find((request) => request.field('x-mark') === mark)
}

async function leaveMidStream(type: string, leave: (connection: RawConnection) => void): Promise<Departure> {
  const mark = randomUUID()
  const connection = await RawConnection.open(gateway)
  const headers = authorized({ 'x-type': type, 'x-mark': mark })
  const live: LiveAnswer = connection.request({ path: '/http/endless', headers })
  await live.reaches(30)
  const head = await live.head()
  const leftMs = performance.now()
  leave(connection)
  await eventually(() => marked(mark)?.closedMs != null, 3_000).catch(() => {})
  const closedMs = marked(mark)?.closedMs ?? null
  return {
    requestId: fieldOf(head, 'x-request-id') ?? '',
    upstreamClosedAfterMs: closedMs === null ? null : closedMs - leftMs,
  }
}

const cases = tiers.flatMap((tier) => ways.map((way) => ({ ...tier, ...way })))

describe.each(cases)('clients that leave in mid-stream $way, tier $tier,', ({ tier, type, leave }) => {
  let departures: Departure[] = []

  it(`close the upstream within a second, ${clients} of ${clients}`, async () => {
    const all = Array.from({ length: clients }, (_, at) => at)
    departures = await inParallel(all, atOnce, () => leaveMidStream(type, leave))
    const late = departures.filter(({ upstreamClosedAfterMs: ms }) => ms === null || ms > 1_000)
    expect(late).toEqual([])
  })

  it('are each on record once, as having left', async () => {
    const ids = new Set(departures.map(({ requestId }) => requestId))
    expect(ids.size).toBe(clients)
    const theirs = () => gateway.records().filter(({ id }) => ids.has(id))
    await eventually(() => theirs().length >= clients)
    expect(theirs()).toHaveLength(clients)
    for (const record of theirs()) {
      expect(record).toMatchObject({ status: 200, tier, ending: 'client_left', refused: null })
      if (tier === 'tap') expect(record.bytes).toBeGreaterThanOrEqual(30)
    }
  })
})

describe('a client that leaves', () => {
  it.each(ways)('$way while it uploads takes the upstream’s connection with it', async ({ leave }) => {
    const mark = randomUUID()
    up.on('/upload', (x) => x.bodyEnd())
    const connection = await RawConnection.open(gateway)
    const headers = authorized({ 'x-mark': mark, 'content-length': '1000000' })
    connection.request({ method: 'POST', path: '/http/upload', headers, body: 'the first bytes' })
    await eventually(() => marked(mark)?.bodyBytes === 15)
    const leftMs = performance.now()
    leave(connection)
    await eventually(() => marked(mark)?.closedMs != null)
    expect((marked(mark)?.closedMs ?? 0) - leftMs).toBeLessThan(1_000)
    expect(marked(mark)?.complete).toBe(false)
  })

  it.each(ways)('$way in a chunked upload never makes the cut body look whole', async ({ leave }) => {
    const mark = randomUUID()
    up.on('/upload', (x) => x.bodyEnd())
    const connection = await RawConnection.open(gateway)
    const headers = authorized({ 'x-mark': mark, 'transfer-encoding': 'chunked' })
    connection.request({ method: 'POST', path: '/http/upload', headers, body: chunk('the first bytes') })
    await eventually(() => marked(mark)?.bodyBytes === 15)
    leave(connection)
    await eventually(() => marked(mark)?.closedMs != null || marked(mark)?.complete === true)
    expect(marked(mark)?.complete).toBe(false)
  })

  it('with RST before the headers closes the upstream within a second and is on record once', async () => {
    const mark = randomUUID()
    up.on('/silent', () => {})
    const known = new Set(gateway.records().map(({ id }) => id))
    const connection = await RawConnection.open(gateway)
    connection.request({ path: '/http/silent', headers: authorized({ 'x-mark': mark }) })
    await eventually(() => marked(mark) !== undefined)
    const leftMs = performance.now()
    connection.reset()
    await eventually(() => marked(mark)?.closedMs != null)
    expect((marked(mark)?.closedMs ?? 0) - leftMs).toBeLessThan(1_000)
    const fresh = () => gateway.records().filter(({ id, target }) => !known.has(id) && target !== null)
    await eventually(() => fresh().some(({ refused }) => refused === 'client_left'))
    expect(fresh().filter(({ refused }) => refused === 'client_left')).toEqual([
      expect.objectContaining({ status: 499, ending: 'client_left' }),
    ])
  })

  it('with FIN before the headers is noticed at the latest when the upstream answers', async () => {
    const mark = randomUUID()
    up.on('/slow', async (x) => {
      await x.wait(300)
      await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
      while (!x.left) {
        await x.send(chunk('data: {"n":1}\n\n'))
        await x.wait(50)
      }
    })
    const connection = await RawConnection.open(gateway)
    connection.request({ path: '/http/slow', headers: authorized({ 'x-mark': mark }) })
    await eventually(() => marked(mark) !== undefined)
    const leftMs = performance.now()
    connection.destroy()
    await eventually(() => marked(mark)?.closedMs != null)
    expect((marked(mark)?.closedMs ?? 0) - leftMs).toBeLessThan(1_300)
  })
})
