import { describe, expect, test } from 'vitest'
import { PermitHolder } from '../../src/core/limit/permit-holder.ts'
import { routeCounter, type AppliedLimit } from '../../src/core/limit/spec.ts'
import { budgetOf, Desk, holdingOf, limitOf, messageOf, needOf, rateOf, windowOf } from './limit-desk.ts'

const startMs = Date.UTC(2026, 4, 5, 12)

/** Takes one permit after the other, each with a message of its own, until one is refused. */
function admittedOf(desk: Desk, limit: AppliedLimit, isolate: string, nowMs: number): number {
  for (let count = 0; ; count += 1) {
    const acked = count === 0 ? null : { seq: count, agoMs: 0 }
    const message = messageOf(count + 1, {
      isolate,
      boot: desk.boot,
      acked,
      holdings: [holdingOf(limit)],
      needs: [needOf('r', [limit])],
    })
    if (desk.serve(message, nowMs).needs[0]?.takes === null) return count
  }
}

describe('a need', () => {
  test('of several limits is granted whole, or spends nothing', () => {
    const [roomy, full] = [limitOf('a', rateOf(10, 1)), limitOf('b', windowOf(1, 60_000))]
    const desk = new Desk([roomy, full], startMs)
    const both = [roomy, full].map((limit) => holdingOf(limit))
    const serve = (seq: number) =>
      desk.serve(messageOf(seq, { holdings: both, needs: [needOf('r', [roomy, full])] }), startMs)
    expect(serve(1).needs[0]?.takes).toHaveLength(2)
    desk.serve(messageOf(2, { boot: 'b1', acked: { seq: 1, agoMs: 0 } }), startMs)
    const refused = desk.serve(
      messageOf(3, {
        boot: 'b1',
        acked: { seq: 2, agoMs: 0 },
        holdings: both,
        needs: [needOf('s', [roomy, full])],
      }),
      startMs,
    )
    expect(refused.needs[0]).toMatchObject({ takes: null, violated: [full.counter] })
    expect(refused.grants.find(({ counter }) => counter === roomy.counter)?.left).toBe(9)
  })

  test('of more than the limit ever has is refused for good', () => {
    const limit = limitOf('a', budgetOf(100))
    const desk = new Desk([limit], startMs)
    const { needs } = desk.serve(messageOf(1, { needs: [needOf('r', [limit], 101)] }), startMs)
    expect(needs[0]).toMatchObject({ takes: null, waitMs: null })
  })

  test('with a key unknown to the isolate takes one of each limit that the Ledger adds, and names them', () => {
    const limit = limitOf('a', rateOf(3, 1))
    const desk = new Desk([limit], startMs)
    desk.limitsOfKey = (keyId) => (keyId === 'a' ? [limit] : null)
    const known = desk.serve(messageOf(1, { needs: [{ id: 'r', takes: [], key: 'a' }] }), startMs)
    expect(known.needs[0]).toMatchObject({ takes: [{ counter: limit.counter, cost: 1 }], limits: [limit] })
    const unknown = desk.serve(messageOf(2, { needs: [{ id: 's', takes: [], key: 'x' }] }), startMs)
    expect(unknown.needs[0]).toMatchObject({ takes: null, violated: [], waitMs: null })
  })

  test('of a limit that is no more is granted', () => {
    const limit = limitOf('gone', rateOf(1, 1))
    const desk = new Desk([], startMs)
    const message = messageOf(1, { holdings: [holdingOf(limit)], needs: [needOf('r', [limit])] })
    expect(desk.serve(message, startMs)).toMatchObject({ grants: [], needs: [{ takes: [{ cost: 1 }] }] })
  })

  test('of a route is held to the limit that the message brings', () => {
    const spec = rateOf(2, 1)
    const limit: AppliedLimit = { counter: routeCounter('r', null, 'limit'), spec, level: 'route' }
    expect(admittedOf(new Desk([], startMs), limit, 'i', startMs)).toBe(2)
  })

  test('of a route whose limit nobody has told of is refused', () => {
    const limit: AppliedLimit = {
      counter: routeCounter('r', null, 'limit'),
      spec: rateOf(2, 1),
      level: 'route',
    }
    const { needs } = new Desk([], startMs).serve(messageOf(1, { needs: [needOf('r', [limit])] }), startMs)
    expect(needs[0]).toMatchObject({ takes: null, violated: [limit.counter], waitMs: 1000 })
  })

  test.each([
    ['a rate', rateOf(50, 1), 50],
    ['a window', windowOf(50, 60_000), 50],
    ['a budget', budgetOf(50), 50],
  ])('one of 200 at once against %s: exactly 50 are granted', (_, spec, expected) => {
    const limit = limitOf('a', spec)
    const desk = new Desk([limit], startMs)
    const needs = Array.from({ length: 50 }, (__, at) => needOf(`${at}`, [limit]))
    const granted = ['p', 'q', 'r', 's'].flatMap(
      (isolate) => desk.serve(messageOf(1, { isolate, holdings: [holdingOf(limit)], needs }), startMs).needs,
    )
    expect(granted.filter(({ takes }) => takes !== null)).toHaveLength(expected)
  })
})

describe('a message', () => {
  test('that is repeated or overtaken brings nothing and changes nothing', () => {
    const limit = limitOf('a', rateOf(10, 1))
    const desk = new Desk([limit], startMs)
    const message = messageOf(5, { holdings: [holdingOf(limit)], needs: [needOf('r', [limit])] })
    desk.serve(message, startMs)
    for (const seq of [5, 4]) {
      expect(desk.serve({ ...message, seq }, startMs)).toMatchObject({
        grants: [],
        needs: [],
        acknowledged: [],
      })
    }
    expect(desk.book.standing(limit.counter, limit.spec, startMs).left).toBe(9)
  })

  test('whose reply was never taken gives back all that it was granted', () => {
    const limit = limitOf('a', rateOf(10, 1))
    const desk = new Desk([limit], startMs)
    const holding = holdingOf(limit, { want: 5, perSecond: 5 })
    desk.serve(messageOf(1, { holdings: [holding], needs: [needOf('r', [limit], 3)] }), startMs)
    expect(desk.book.standing(limit.counter, limit.spec, startMs).left).toBeLessThan(7)
    desk.serve(messageOf(2, { holdings: [holdingOf(limit)] }), startMs)
    expect(desk.book.standing(limit.counter, limit.spec, startMs).left).toBe(10)
  })
})

describe('a reservation', () => {
  test('gives back what it did not use once, although it took a while to hear that it had left', () => {
    const limit = limitOf('a', rateOf(400, 100, { kind: 'token-rate' }))
    const desk = new Desk([limit], startMs)
    const take = { counter: limit.counter, cost: 100 }
    const usage = { key: 'a', route: 'r', model: null, inputTokens: 0, outputTokens: 100, microUsd: null }
    const opened = (id: string) => ({ id, takes: [take], deadlineMs: startMs + 60_000, ...usage })
    const needs = [{ id: 'granted', takes: [take], key: null }]
    const first = desk.serve(
      messageOf(1, { holdings: [holdingOf(limit, { want: 100, perSecond: 100 })], needs }),
      startMs,
    )
    expect(first.grants[0]?.permits).toBe(100)
    const told = { boot: 'b1', holdings: [holdingOf(limit, { used: 100 })] }
    const acked = { seq: 1, agoMs: 250 }
    const both = [opened('granted'), opened('leased')]
    desk.serve(messageOf(2, { ...told, acked, opened: both }), startMs + 250)
    const settled = {
      ...opened('granted'),
      costs: [{ ...take, cost: 0 }],
      source: 'measured' as const,
      endedMs: startMs,
    }
    const last = desk.serve(
      messageOf(3, { ...told, acked: { seq: 2, agoMs: 0 }, settled: [settled] }),
      startMs + 250,
    )
    expect(last.acknowledged).toEqual(['granted'])
    expect(last.grants[0]?.left).toBe(300)
  })
})

describe('a limit that changes', () => {
  test('downwards is in force at once', () => {
    const limit = limitOf('a', rateOf(100, 1))
    const desk = new Desk([limit], startMs)
    admittedOf(desk, limit, 'i', startMs)
    const lower = limitOf('a', rateOf(5, 1))
    desk.specs.set(lower.counter, lower.spec)
    expect(admittedOf(desk, lower, 'j', startMs + 3_600_000)).toBe(5)
  })

  test('upwards gives nothing at once', () => {
    const limit = limitOf('a', rateOf(5, 1))
    const desk = new Desk([limit], startMs)
    admittedOf(desk, limit, 'i', startMs)
    const higher = limitOf('a', rateOf(100, 1))
    desk.specs.set(higher.counter, higher.spec)
    expect(admittedOf(desk, higher, 'j', startMs)).toBe(0)
  })

  test('from a window of an hour to one of a day keeps what was used', () => {
    const limit = limitOf('a', windowOf(20, 3_600_000))
    const desk = new Desk([limit], startMs)
    admittedOf(desk, limit, 'i', startMs)
    const longer = limitOf('a', windowOf(20, 86_400_000))
    desk.specs.set(longer.counter, longer.spec)
    expect(admittedOf(desk, longer, 'j', startMs + 1_800_000)).toBe(0)
    expect(admittedOf(desk, longer, 'k', startMs + 7_200_000)).toBe(0)
    expect(admittedOf(desk, longer, 'l', startMs + 90_000_000)).toBe(20)
  })
})

describe('a Ledger that wakes up', () => {
  test.each([
    ['a strict rate', rateOf(100, 1, { durability: 'strict' }), 60],
    ['a window', windowOf(100, 3_600_000), 60],
    ['a budget', budgetOf(100), 60],
  ])('after it has rested has %s as it left it, with what isolates held and did not use', (_, spec, left) => {
    const limit = limitOf('a', spec)
    const desk = new Desk([limit], startMs)
    const holder = new PermitHolder('i')
    for (let count = 0; count < 40; count += 1) {
      if (holder.take([limit], [1], startMs).kind === 'taken') continue
      holder.ask({ id: `${count}`, applied: [limit], costs: [1], key: null, reservation: null }, startMs)
      desk.exchange(holder, startMs)
    }
    const restMs = startMs + 6000
    desk.book.rest(restMs)
    desk.restart(restMs)
    holder.ask({ id: 'last', applied: [limit], costs: [0], key: null, reservation: null }, startMs + 60_000)
    desk.exchange(holder, startMs + 60_000)
    const standing = desk.book.standing(limit.counter, spec, startMs + 60_000)
    expect(standing.left).toBeGreaterThanOrEqual(left)
  })
})
