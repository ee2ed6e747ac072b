import { beforeEach, describe, expect, test } from 'vitest'
import { isRefusal } from '../../src/core/outcome.ts'
import { exchangeWith } from '../support/exchanges.ts'
import { concurrentRequests, requestRate } from '../support/limits.ts'
import { routeWith } from '../support/routes.ts'
import { LimitWorld, type Admitted } from './support/limit-world.ts'

let world: LimitWorld

beforeEach(() => {
  world = new LimitWorld()
})

function reasons(admitted: readonly Admitted[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { outcome } of admitted) {
    const reason = isRefusal(outcome) ? outcome.refused : 'admitted'
    counts[reason] = (counts[reason] ?? 0) + 1
  }
  return counts
}

/** So many requests at the same time, spread over isolates. */
async function burst(isolates: number, requests: number, text: string, route = routeWith()) {
  const all = Array.from({ length: isolates }, () => world.isolate())
  const asked = Array.from({ length: requests }, async (_, at) => {
    const isolate = all[at % isolates]
    if (isolate === undefined) throw new Error('no isolate')
    return world.admit(isolate, text, route)
  })
  return (await world.clock.until(Promise.all(asked))).value
}

describe('a limit on requests', () => {
  test.each([1, 2, 4, 50])(
    'C51: 200 at the same time against 50 through %i isolates: exactly 50 are admitted',
    async (isolates) => {
      world.ledger.tripMs = 20
      const { text } = await world.key({ limits: [requestRate(50)] })
      const admitted = await burst(isolates, 200, text)
      expect(reasons(admitted)).toEqual({ admitted: 50, limit_reached: 150 })
      for (const { outcome } of admitted) {
        if (!isRefusal(outcome)) continue
        expect(outcome).toMatchObject({ violated: ['rpm'], waitMs: expect.any(Number) })
      }
    },
  )

  test('holds for all keys of an account together, and of a route for each key or for the account', async () => {
    world.ledger.setLimits([requestRate(30, { name: 'account' })])
    const keys = [await world.key(), await world.key()]
    const isolate = world.isolate()
    const route = routeWith({ limits: [{ per: 'key', spec: requestRate(20, { name: 'route' }) }] })
    const outcomes = await Promise.all(
      keys.map(({ text }) =>
        Promise.all(Array.from({ length: 25 }, () => world.admit(isolate, text, route))),
      ),
    )
    expect(reasons(outcomes.flat()).admitted).toBe(30)
    for (const each of outcomes) expect(reasons(each).admitted).toBeLessThanOrEqual(20)
    const shared = routeWith({
      id: 's',
      limits: [{ per: 'account', spec: requestRate(3, { name: 'shared' }) }],
    })
    world.ledger.setLimits([])
    await world.clock.advance(5_000)
    const [first, second] = keys
    const both = [first, second, first, second, first].map((key) =>
      world.admit(isolate, key?.text ?? '', shared),
    )
    expect(reasons(await Promise.all(both))).toEqual({ admitted: 3, limit_reached: 2 })
  })

  test('that is reached spends nothing of the others', async () => {
    const { text } = await world.key({
      limits: [requestRate(100, { name: 'wide' }), requestRate(2, { name: 'narrow' })],
    })
    const isolate = world.isolate()
    const admitted: Admitted[] = []
    for (let request = 0; request < 10; request += 1) admitted.push(await world.admit(isolate, text))
    expect(reasons(admitted)).toEqual({ admitted: 2, limit_reached: 8 })
    const last = admitted.at(-1)?.outcome
    expect(last).toMatchObject({ violated: ['narrow'] })
    const wide = world.ledger.syncs.flatMap(({ holdings }) =>
      holdings.filter(({ spec }) => spec.name === 'wide'),
    )
    expect(Math.max(0, ...wide.map(({ used }) => used))).toBeLessThanOrEqual(2)
  })

  test('is refused from memory once it is reached: a burst costs no calls', async () => {
    const { text } = await world.key({ limits: [requestRate(5)] })
    const isolate = world.isolate()
    for (let request = 0; request < 8; request += 1) await world.admit(isolate, text)
    const before = world.ledger.syncs.length
    const admitted: Admitted[] = []
    for (let request = 0; request < 50; request += 1) admitted.push(await world.admit(isolate, text))
    expect(reasons(admitted)).toEqual({ limit_reached: 50 })
    expect(world.ledger.syncs.length).toBe(before)
  })

  test('lets a steady stream of requests below it through, nearly all with no I/O', async () => {
    world.ledger.tripMs = 20
    const { text } = await world.key({ limits: [requestRate(6_000)] })
    const isolate = world.isolate()
    const admitted: Admitted[] = []
    let waited = 0
    for (let request = 0; request < 300; request += 1) {
      const one = (await world.clock.until(world.admit(isolate, text))).value
      admitted.push(one)
      waited += one.x.waits.length > 0 ? 1 : 0
      await world.clock.advance(20)
    }
    expect(reasons(admitted)).toEqual({ admitted: 300 })
    expect([waited, world.ledger.syncs.length].every((count) => count < 20)).toBe(true)
  })

  test('a changed limit holds at once for the key whose new record is told', async () => {
    const { text, record } = await world.key()
    const isolate = world.isolate()
    await world.admit(isolate, text)
    world.ledger.put({ ...record, version: 2, limits: [requestRate(3)] })
    await world.clock.advance(5_000)
    const admitted: Admitted[] = []
    for (let request = 0; request < 6; request += 1) admitted.push(await world.admit(isolate, text))
    expect(reasons(admitted)).toEqual({ admitted: 3, limit_reached: 3 })
  })
})

describe('the first request of a key', () => {
  test('has its permits with the answer about its key: one message, one wait', async () => {
    world.ledger.tripMs = 20
    world.ledger.setLimits([requestRate(60, { name: 'account' })])
    const { text } = await world.key({ limits: [requestRate(60), concurrentRequests(5)] })
    const route = routeWith({ limits: [{ per: 'key', spec: requestRate(60, { name: 'route' }) }] })
    const isolate = world.isolate()
    const { value, tookMs } = await world.clock.until(world.admit(isolate, text, route))
    expect(isRefusal(value.outcome)).toBe(false)
    expect([world.ledger.syncs.length, tookMs, value.x.counts.ledger]).toEqual([1, 20, 1])
    expect(world.ledger.syncs[0]?.needs).toMatchObject([{ key: expect.any(String), takes: [{ cost: 1 }] }])
  })

  test('that is refused for a limit names it, of whoever it is', async () => {
    world.ledger.setLimits([requestRate(1, { name: 'account' })])
    const { text } = await world.key()
    await world.admit(world.isolate(), text)
    const { outcome } = await world.admit(world.isolate(), text)
    expect(outcome).toMatchObject({ refused: 'limit_reached', violated: ['account'] })
  })

  test('of an anonymous client asks nobody', async () => {
    const { limiter } = world.isolate()
    const x = exchangeWith()
    const grant = limiter.admit({ kind: 'anonymous' }, routeWith(), x)
    expect(grant).not.toBeInstanceOf(Promise)
    expect([isRefusal(grant as object), x.counts.ledger, world.ledger.syncs.length]).toEqual([false, 0, 0])
  })
})

describe('with everything in memory', () => {
  test('a request is admitted with no promise, and refills are deferred', async () => {
    const { text } = await world.key({ limits: [requestRate(6_000)] })
    const isolate = world.isolate()
    for (let request = 0; request < 50; request += 1) {
      await world.admit(isolate, text)
      await world.clock.advance(20)
    }
    const x = exchangeWith()
    const found = isolate.keys.find(text, routeWith(), x)
    if (found instanceof Promise || isRefusal(found)) throw new Error('not in memory')
    const { record } = found
    const principal = {
      kind: 'key' as const,
      account: record.account,
      keyId: record.id,
      scopes: [],
      models: null,
      limits: record.limits,
      prepaid: null,
    }
    const grant = isolate.limiter.admit(principal, routeWith(), x)
    expect(grant).not.toBeInstanceOf(Promise)
    expect([isRefusal(grant as object), x.waits]).toEqual([false, []])
  })
})

describe('a Ledger that does not answer', () => {
  const policies = [
    ['closed', { limits_unavailable: 20 }],
    ['open', { admitted: 20 }],
  ] as const

  test.each(policies)('a limit that fails %s: %j', async (onFailure, expected) => {
    const { text } = await world.key({ limits: [requestRate(1_000, { onFailure })] })
    const isolate = world.isolate()
    await world.admit(isolate, text)
    world.ledger.mode = 'throw'
    await world.clock.advance(10_000)
    const admitted: Admitted[] = []
    for (let request = 0; request < 20; request += 1) admitted.push(await world.admit(isolate, text))
    expect(reasons(admitted)).toEqual(expected)
  })

  test('a limit that coasts goes on at its last share, and tells afterwards what it spent', async () => {
    const { text } = await world.key({ limits: [requestRate(600, { onFailure: 'coast' })] })
    const isolate = world.isolate()
    for (let request = 0; request < 40; request += 1) {
      await world.admit(isolate, text)
      await world.clock.advance(100)
    }
    world.ledger.mode = 'hang'
    await world.clock.advance(1_000)
    const admitted: Admitted[] = []
    for (let request = 0; request < 100; request += 1) {
      admitted.push((await world.clock.until(world.admit(isolate, text))).value)
      await world.clock.advance(100)
    }
    const { admitted: count = 0 } = reasons(admitted)
    expect(count).toBeGreaterThan(70)
    world.ledger.mode = 'ok'
    for (let request = 0; request < 10; request += 1) {
      await world.clock.until(world.admit(isolate, text))
      await world.clock.advance(400)
    }
    const debts = world.ledger.syncs.flatMap(({ holdings }) => holdings.map(({ debt }) => debt))
    expect(Math.max(...debts)).toBeGreaterThan(0)
  })

  test.each([
    ['hang', 250],
    ['throw', 0],
    ['overloaded', 0],
  ] as const)(
    'that does %s holds the first request up for %i ms and the next not at all',
    async (mode, heldMs) => {
      const { text } = await world.key({ limits: [requestRate(10, { onFailure: 'open' })] })
      const isolate = world.isolate()
      await world.admit(isolate, text)
      world.ledger.mode = mode
      await world.clock.advance(6_000)
      const first = await world.clock.until(world.admit(isolate, text))
      const second = await world.clock.until(world.admit(isolate, text))
      expect([first.tookMs, second.tookMs]).toEqual([heldMs, 0])
      expect(reasons([first.value, second.value])).toEqual({ admitted: 2 })
    },
  )
})
