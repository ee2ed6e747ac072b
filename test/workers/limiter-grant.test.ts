import { beforeEach, describe, expect, test } from 'vitest'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import type { Grant, StopReason } from '../../src/ports.ts'
import {
  concurrentRequests,
  concurrentStreams,
  moneyBudget,
  requestRate,
  tokenBudget,
} from '../support/limits.ts'
import { routeWith } from '../support/routes.ts'
import { LimitWorld, spending, wanting, type LimitIsolate } from './support/limit-world.ts'

let world: LimitWorld
let isolate: LimitIsolate

beforeEach(() => {
  world = new LimitWorld()
  isolate = world.isolate()
})

async function keyWith(...limits: KeyRecord['limits']): Promise<string> {
  return (await world.key({ limits })).text
}

/** What settlements said they cost, once they were told. */
async function told(): Promise<unknown[]> {
  await world.clock.advance(3_000)
  return world.ledger.settled.map(({ costs, inputTokens, outputTokens, source }) => ({
    costs: costs.map(({ cost }) => cost),
    inputTokens,
    outputTokens,
    source,
  }))
}

/** How much of the first limit of a key is left, as another isolate is told. */
async function left(text: string): Promise<number> {
  const grant = await world.grant(world.isolate(), text)
  const outcome = await grant.reserve(wanting(world.clock, { inputTokens: 1, outputTokensMax: 1 }))
  expect(outcome).toBeNull()
  const [standing] = grant.standing()
  return standing?.remaining ?? -1
}

describe('tokens', () => {
  test('are reserved before the call and settled with what it came to, once', async () => {
    const text = await keyWith(tokenBudget(1_000, { reserve: 'max' }))
    const grant = await world.grant(isolate, text)
    expect(await grant.reserve(wanting(world.clock))).toBeNull()
    grant.settle(spending(40))
    grant.settle(spending(99))
    grant.release()
    expect(await told()).toEqual([{ costs: [50], inputTokens: 10, outputTokens: 40, source: 'measured' }])
    expect(await left(text)).toBe(1_000 - 50 - 2)
  })

  test('of a request that came to nothing are given back', async () => {
    const text = await keyWith(tokenBudget(1_000, { reserve: 'max' }))
    const grant = await world.grant(isolate, text)
    await grant.reserve(wanting(world.clock))
    grant.release()
    expect(await told()).toMatchObject([{ costs: [0], outputTokens: 0 }])
    expect(await left(text)).toBe(998)
  })

  test('that are not settled stay charged', async () => {
    const text = await keyWith(tokenBudget(1_000, { reserve: 'max' }))
    const grant = await world.grant(isolate, text)
    await grant.reserve(wanting(world.clock))
    await world.clock.advance(3_000)
    expect(await left(text)).toBe(1_000 - 110 - 2)
  })

  test('of parallel requests never come to more than the budget', async () => {
    world.ledger.tripMs = 20
    const text = await keyWith(tokenBudget(1_000, { reserve: 'max' }))
    const isolates = [isolate, world.isolate(), world.isolate(), world.isolate()]
    const asked = Array.from({ length: 100 }, async (_, at) => {
      const grant = await world.grant(isolates[at % 4] ?? isolate, text)
      return grant.reserve(wanting(world.clock))
    })
    const { value } = await world.clock.until(Promise.all(asked))
    expect(value.filter((outcome) => outcome === null)).toHaveLength(9)
    for (const outcome of value) {
      if (outcome !== null) expect(outcome).toMatchObject({ refused: 'limit_reached', violated: ['tokens'] })
    }
  })

  test('that can never fit are told so, and where money holds, so is a model without a price', async () => {
    const small = await world.grant(isolate, await keyWith(tokenBudget(50, { reserve: 'max' })))
    expect(await small.reserve(wanting(world.clock))).toEqual({
      refused: 'limit_too_small',
      violated: ['tokens'],
      asked: 110,
      max: 50,
    })
    const priced = await world.grant(isolate, await keyWith(moneyBudget(1_000)))
    expect(await priced.reserve(wanting(world.clock, { price: null }))).toEqual({
      refused: 'model_not_priced',
      model: 'm',
    })
    expect(world.ledger.syncs.flatMap(({ opened }) => opened)).toEqual([])
  })

  test('that money has run out for is another refusal', async () => {
    const text = await keyWith(moneyBudget(250, { reserve: 'max' }))
    const first = await world.grant(isolate, text)
    expect(await first.reserve(wanting(world.clock))).toBeNull()
    const second = await world.grant(isolate, text)
    expect(await second.reserve(wanting(world.clock))).toMatchObject({
      refused: 'budget_exhausted',
      violated: ['money'],
    })
    first.settle(spending(10, 30))
    await world.clock.advance(30_000)
    const third = await world.grant(isolate, text)
    expect(await third.reserve(wanting(world.clock))).toBeNull()
  })

  test('are told where no limit holds for them as well, and plain requests are not', async () => {
    const text = await keyWith(requestRate(100))
    const plain = await world.grant(isolate, text)
    plain.settle({ usage: null, costMicroUsd: null, ending: 'complete' })
    const llm = await world.grant(isolate, text)
    expect(llm.reserve(wanting(world.clock))).toBeNull()
    llm.settle(spending(7, 3))
    expect(await told()).toEqual([{ costs: [], inputTokens: 10, outputTokens: 7, source: 'measured' }])
    expect(world.ledger.settled).toMatchObject([{ microUsd: 3, model: 'm-2026' }])
  })

  test('likely to be used are learnt for each model: later requests reserve less', async () => {
    const text = await keyWith(tokenBudget(1_000_000, { reserve: 'p90' }))
    const wish = () => wanting(world.clock, { outputTokensMax: null })
    for (let request = 0; request < 10; request += 1) {
      const grant = await world.grant(isolate, text)
      await grant.reserve(wish())
      grant.settle(spending(100))
    }
    const grant = await world.grant(isolate, text)
    await grant.reserve(wish())
    await world.clock.advance(3_000)
    const reserved = world.ledger.syncs.flatMap(({ opened }) => opened.flatMap(({ takes }) => takes))
    expect(reserved.at(-1)?.cost).toBeLessThan(200)
  })

  test('are told 2 s after they were used at the latest, in one message for all', async () => {
    const text = await keyWith(tokenBudget(1_000_000))
    const grants: Grant[] = []
    for (let request = 0; request < 20; request += 1) grants.push(await world.grant(isolate, text))
    await Promise.all(grants.map((grant) => grant.reserve(wanting(world.clock))))
    await world.clock.advance(2_100)
    const before = world.ledger.syncs.length
    for (const grant of grants) grant.settle(spending(1))
    await world.clock.advance(2_100)
    expect(world.ledger.settled).toHaveLength(20)
    expect(world.ledger.syncs.length - before).toBe(1)
  })

  test('that could not be told are told again, and count once', async () => {
    const text = await keyWith(tokenBudget(1_000))
    const grant = await world.grant(isolate, text)
    await grant.reserve(wanting(world.clock))
    await world.clock.advance(2_100)
    world.ledger.mode = 'throw'
    grant.settle(spending(40))
    await world.clock.advance(3_000)
    expect(world.ledger.settled).toEqual([])
    world.ledger.mode = 'ok'
    await world.clock.advance(10_000)
    expect(world.ledger.settled).toHaveLength(1)
  })
})

describe('slices', () => {
  const sliced = (max: number) => keyWith(tokenBudget(max, { reserve: 'slices' }))
  const streaming = () => wanting(world.clock, { stream: true, outputTokensMax: 5_000 })

  test('are taken as the stream runs, until there are none', async () => {
    const grant = await world.grant(isolate, await sliced(1_000))
    expect(await grant.reserve(streaming())).toBeNull()
    expect([grant.sliced, grant.reservedOutputTokens]).toEqual([true, 256])
    const got: boolean[] = []
    for (let slice = 0; slice < 4; slice += 1) got.push(await grant.extend(256))
    expect([got, grant.reservedOutputTokens]).toEqual([[true, true, false, false], 768])
    grant.settle({ ...spending(700), ending: 'limit_reached' })
    await told()
    expect(world.ledger.settled).toMatchObject([
      { takes: [{ cost: 10 + 768 }], costs: [{ cost: 710 }], outputTokens: 700 },
    ])
  })

  test('are not taken by what is no stream, nor after the end', async () => {
    const text = await sliced(100_000)
    const whole = await world.grant(isolate, text)
    await whole.reserve(wanting(world.clock))
    expect([whole.sliced, await whole.extend(10)]).toEqual([false, true])
    const stream = await world.grant(isolate, text)
    await stream.reserve(streaming())
    stream.settle(spending(1))
    expect(await stream.extend(10)).toBe(false)
  })
})

describe('slots', () => {
  test('are held until the end of their request, and given back then', async () => {
    const text = await keyWith(concurrentRequests(2))
    const grants = [await world.grant(isolate, text), await world.grant(world.isolate(), text)]
    const refused = await world.admit(world.isolate(), text)
    expect(refused.outcome).toMatchObject({ refused: 'limit_reached', violated: ['slots'] })
    grants[0]?.release()
    await world.clock.advance(10_000)
    expect(isRefusal((await world.admit(world.isolate(), text)).outcome)).toBe(false)
  })

  test.each(['concurrent-requests', 'concurrent-streams'] as const)(
    '%s are renewed for as long as the request runs, with no other request',
    async (kind) => {
      const limit = kind === 'concurrent-requests' ? concurrentRequests(1) : concurrentStreams(1)
      const text = await keyWith(limit)
      const grant = await world.grant(isolate, text)
      await grant.reserve(wanting(world.clock, { stream: true }))
      const stops: StopReason[] = []
      grant.onStop((why) => stops.push(why))
      await world.clock.advance(600_000)
      const other = await world.grant(world.isolate(), text).catch(() => null)
      const second = await other?.reserve(wanting(world.clock, { stream: true }))
      expect([stops, other === null || second !== null]).toEqual([[], true])
      expect(world.ledger.syncs.length).toBeLessThan(60)
      grant.release()
      const after = world.ledger.syncs.length
      await world.clock.advance(600_000)
      expect(world.ledger.syncs.length - after).toBeLessThan(5)
    },
  )

  test('that are lost stop their request where the limit is closed, and do not where it is open', async () => {
    const texts = [
      await keyWith(concurrentRequests(5)),
      await keyWith(concurrentRequests(5, { name: 'open', onFailure: 'open' })),
    ]
    const stops: [number, StopReason][] = []
    for (const [at, text] of texts.entries()) {
      const grant = await world.grant(isolate, text)
      grant.onStop((why) => stops.push([at, why]))
    }
    world.ledger.mode = 'hang'
    await world.clock.advance(59_000)
    expect(stops).toEqual([])
    await world.clock.advance(2_000)
    expect(stops).toEqual([[0, 'slot_lost']])
  }, 20_000)

  test('of a key that is refused all the same are not kept', async () => {
    const { text, record } = await world.key({ limits: [concurrentRequests(1)] })
    world.ledger.put({ ...record, version: 2, hash: 'f'.repeat(64) })
    expect((await world.admit(isolate, text)).outcome).toEqual({ refused: 'key_invalid' })
    world.ledger.put({ ...record, version: 3 })
    await world.clock.advance(10_000)
    expect(isRefusal((await world.admit(world.isolate(), text)).outcome)).toBe(false)
  })
})

describe('a key that is revoked while its request runs', () => {
  const cutting = routeWith({
    streams: { onLeave: 'abort', usage: 'strip', keepAlive: false, onRevoke: 'cut' },
  })
  const watched = async (route = cutting) => {
    const { text, record } = await world.key()
    const grant = await world.grant(isolate, text, route)
    const stops: [StopReason, number][] = []
    const startedMs = world.clock.nowMs()
    grant.onStop((why) => stops.push([why, world.clock.nowMs() - startedMs]))
    return { text, record, grant, stops, startedMs }
  }

  test('C32: stops it within 5 s where the route cuts', async () => {
    for (const afterMs of [0, 1_000, 3_900, 4_100, 17_300]) {
      const { record, grant, stops } = await watched()
      await world.clock.advance(afterMs)
      world.ledger.put({ ...record, version: 2, state: 'revoked' })
      await world.clock.advance(6_000)
      const [[why, atMs] = ['none', Infinity]] = stops
      expect([why, stops.length]).toEqual(['key_revoked', 1])
      expect(atMs - afterMs).toBeLessThanOrEqual(5_000)
      grant.release()
    }
  })

  test('lets it finish where the route does, and asks nothing of the Ledger for it', async () => {
    const { record, stops } = await watched(routeWith())
    const before = world.ledger.syncs.length
    world.ledger.put({ ...record, version: 2, state: 'revoked' })
    await world.clock.advance(60_000)
    expect([stops, world.ledger.syncs.length - before]).toEqual([[], 0])
  })

  test('by its time stops it as well', async () => {
    const { record, stops } = await watched()
    world.ledger.put({ ...record, version: 2, expiresAtMs: world.clock.nowMs() + 20_000 })
    await world.clock.advance(19_000)
    expect(stops).toEqual([])
    await world.clock.advance(5_000)
    expect(stops.map(([why]) => why)).toEqual(['key_revoked'])
  })

  test('is told to whoever asks late, and to nobody after the end', async () => {
    const { text, record } = await world.key({ limits: [concurrentRequests(1)] })
    const grant = await world.grant(isolate, text, cutting)
    const stops: StopReason[] = []
    grant.onStop((why) => stops.push(why))
    grant.release()
    world.ledger.put({ ...record, version: 2, state: 'revoked' })
    await world.clock.advance(60_000)
    expect(stops).toEqual([])
  })
})
