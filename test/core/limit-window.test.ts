import { describe, expect, test } from 'vitest'
import type { SettledReservation } from '../../src/core/limit/messages.ts'
import type { AppliedLimit } from '../../src/core/limit/spec.ts'
import { budgetOf, Desk, holdingOf, limitOf, messageOf, needOf, rateOf, windowOf } from './limit-desk.ts'

const midnightMs = Date.UTC(2026, 10, 2)

function settledOf(limit: AppliedLimit, reserved: number, cost: number): SettledReservation {
  const { counter } = limit
  return {
    id: 'q',
    takes: [{ counter, cost: reserved }],
    costs: [{ counter, cost }],
    deadlineMs: midnightMs + 600_000,
    key: 'k',
    route: 'r',
    model: 'm',
    inputTokens: cost,
    outputTokens: 0,
    microUsd: null,
    source: 'measured',
    endedMs: midnightMs,
  }
}

function usedAt(desk: Desk, { counter, spec }: AppliedLimit, nowMs: number): number {
  return desk.book.standing(counter, spec, nowMs).used
}

describe('a request granted shortly before the boundary of a calendar window', () => {
  const limit = limitOf('k', budgetOf(1000))

  /** Granted 500 ms before midnight; the isolate says later how long before its request had left. */
  function granted(saidMs: number, agoMs: number): Desk {
    const desk = new Desk([limit], midnightMs - 500)
    desk.serve(messageOf(1, { boot: 'b1', needs: [needOf('q', [limit], 600)] }), midnightMs - 500)
    const acked = { seq: 1, agoMs }
    desk.serve(messageOf(2, { boot: 'b1', acked, holdings: [holdingOf(limit)] }), saidMs)
    return desk
  }

  test('counts in both until its isolate has said when it left', () => {
    const desk = new Desk([limit], midnightMs - 500)
    desk.serve(messageOf(1, { boot: 'b1', needs: [needOf('q', [limit], 600)] }), midnightMs - 500)
    expect(usedAt(desk, limit, midnightMs - 1)).toBe(600)
    expect(usedAt(desk, limit, midnightMs + 1)).toBe(600)
  })

  test('counts in the one in which it left for certain, and nowhere else', () => {
    expect(usedAt(granted(midnightMs - 100, 300), limit, midnightMs + 5000)).toBe(0)
    expect(usedAt(granted(midnightMs + 4000, 4300), limit, midnightMs + 5000)).toBe(0)
  })

  test('counts in the later one where it may have left behind the boundary', () => {
    expect(usedAt(granted(midnightMs + 4000, 3900), limit, midnightMs + 5000)).toBe(600)
  })

  test('what it did not use is given back in the later one', () => {
    const desk = granted(midnightMs + 4000, 3900)
    expect(usedAt(desk, limit, midnightMs + 4500)).toBe(600)
    const over = new Desk([limit], midnightMs - 500)
    over.serve(messageOf(1, { boot: 'b1', needs: [needOf('q', [limit], 600)] }), midnightMs - 500)
    const settled = [settledOf(limit, 600, 10)]
    const acked = { seq: 1, agoMs: 3900 }
    const holdings = [holdingOf(limit)]
    over.serve(messageOf(2, { boot: 'b1', acked, holdings, settled }), midnightMs + 4000)
    expect(usedAt(over, limit, midnightMs + 5000)).toBe(10)
  })
})

describe('what a request used beyond its reservation', () => {
  test('counts in the calendar window that it was reserved in', () => {
    const limit = limitOf('k', budgetOf(1000))
    const reservedMs = midnightMs - 60_000
    const desk = new Desk([limit], reservedMs)
    desk.serve(messageOf(1, { boot: 'b1', needs: [needOf('q', [limit], 100)] }), reservedMs)
    const acked = { seq: 1, agoMs: 200 }
    const opened = [settledOf(limit, 100, 0)]
    desk.serve(messageOf(2, { boot: 'b1', acked, holdings: [holdingOf(limit)], opened }), reservedMs + 500)
    desk.serve(messageOf(3, { boot: 'b1', settled: [settledOf(limit, 100, 900)] }), midnightMs + 30_000)
    expect(usedAt(desk, limit, midnightMs + 30_000)).toBe(0)
  })

  test('leaves a rolling window when its reservation does', () => {
    const limit = limitOf('k', windowOf(1000, 60_000, { kind: 'token-window' }))
    const desk = new Desk([limit], 0)
    desk.serve(messageOf(1, { boot: 'b1', needs: [needOf('q', [limit], 100)] }), 0)
    const acked = { seq: 1, agoMs: 200 }
    const opened = [settledOf(limit, 100, 0)]
    desk.serve(messageOf(2, { boot: 'b1', acked, holdings: [holdingOf(limit)], opened }), 500)
    desk.serve(messageOf(3, { boot: 'b1', settled: [settledOf(limit, 100, 900)] }), 30_000)
    expect(usedAt(desk, limit, 30_000)).toBe(900)
    expect(usedAt(desk, limit, 63_000)).toBe(0)
  })
})

describe('a limit that takes the name of another', () => {
  const before = limitOf('k', budgetOf(1000))
  const others = [
    limitOf('k', budgetOf(1000, { kind: 'money-budget' })),
    limitOf('k', windowOf(1000, 86_400_000)),
    limitOf('k', rateOf(1000, 10, { kind: 'token-rate' })),
  ]

  test.each(others.map((limit) => [limit.spec.kind, limit] as const))(
    'of another kind begins anew, also after a restart: %s',
    (_kind, limit) => {
      const desk = new Desk([before], 0)
      desk.serve(messageOf(1, { boot: 'b1', needs: [needOf('q', [before], 500)] }), 0)
      expect(usedAt(desk, before, 10)).toBe(500)
      expect(usedAt(desk, limit, 20)).toBe(0)
      desk.restart(30)
      expect(usedAt(desk, limit, 40)).toBe(0)
    },
  )
})

describe('how a limit stands', () => {
  test.each([
    ['a rate', limitOf('k', rateOf(100, 1))],
    ['a rolling window', limitOf('k', windowOf(100, 600_000))],
    ['a calendar window', limitOf('k', budgetOf(100))],
  ])('%s: what isolates hold on lease is left, not used', (_name, limit) => {
    const desk = new Desk([limit], 0)
    const wanting = holdingOf(limit, { want: 20, perSecond: 10 })
    const reply = desk.serve(messageOf(1, { boot: 'b1', holdings: [wanting] }), 0)
    expect(reply.grants[0]?.permits).toBeGreaterThan(0)
    expect(desk.book.standing(limit.counter, limit.spec, 1)).toMatchObject({ used: 0, left: 100 })
  })
})
