import { describe, expect, it, vi } from 'vitest'
import type { CounterGrant, Holding } from '../../src/core/limit/messages.ts'
import { SlotBook } from '../../src/core/limit/slots-book.ts'
import { SlotLessee } from '../../src/core/limit/slots-lessee.ts'
import { slotSpec } from './limit-slots-world.ts'

const leaseMs = 60_000
const held = 60_100

function holding(parts: Partial<Holding>): Holding {
  return {
    counter: 'c',
    spec: slotSpec(10),
    have: 0,
    used: 0,
    inUse: 0,
    perSecond: 0,
    want: 0,
    debt: 0,
    ...parts,
  }
}

/** A Ledger's side with the words of its isolates in short. */
function ledger(max: number, row: string | null = null, boot = 'a', nowMs = 0) {
  const book = new SlotBook(slotSpec(max), row, { boot, nowMs })
  let seq = 0
  return {
    book,
    /** @returns what the isolate may keep, is granted and is leased */
    hear: (isolate: string, atMs: number, parts: Partial<Holding> & { boot?: string; needs?: number }) => {
      book.advance(atMs)
      seq += 1
      const report = { isolate, seq, ackedSeq: 0, boot: parts.boot ?? boot, holding: holding(parts) }
      const heard = book.hear(report)
      const granted = Math.min(parts.needs ?? 0, book.left())
      if (granted > 0) book.take(granted, 1000, isolate)
      return { keep: heard?.keep, granted, ...book.lease(isolate) }
    },
    leftAt: (atMs: number): number => {
      book.advance(atMs)
      return book.left()
    },
  }
}

const grant = (parts: Partial<CounterGrant>): CounterGrant => ({
  counter: 'c',
  spec: slotSpec(10),
  permits: 0,
  ttlMs: leaseMs,
  keep: true,
  left: 0,
  resetMs: 0,
  denyMs: 0,
  coastPerSecond: 0,
  ...parts,
})

const lessee = (onFailure: 'closed' | 'coast' | 'open' = 'closed') =>
  new SlotLessee('c', slotSpec(10, onFailure), 0)

function begun(lessees: SlotLessee, count: number, sentAtMs: number) {
  lessees.holding(sentAtMs)
  lessees.apply(grant({ spec: lessees.spec }), sentAtMs, sentAtMs + 500)
  return Array.from({ length: count }, () => {
    const lost = vi.fn()
    lessees.granted(1, sentAtMs + 500)
    return { lost, user: lessees.hold(lost) }
  })
}

describe('slots at the Ledger', () => {
  it('are held for a dead isolate for a lease and a guard after its last message', () => {
    const { hear, leftAt } = ledger(3)
    hear('x', 0, { needs: 2 })
    hear('x', 20_000, { inUse: 2 })
    expect(leftAt(20_000 + held - 1)).toBe(1)
    expect(leftAt(20_000 + held)).toBe(3)
  })

  it('are free as soon as a message no longer tells of them', () => {
    const { hear, leftAt } = ledger(3)
    hear('x', 0, { needs: 3 })
    hear('x', 1, { inUse: 1, have: 1 })
    expect(leftAt(1)).toBe(1)
  })

  it('are not freed by a message that was sent before another that was heard', () => {
    const { book, hear, leftAt } = ledger(3)
    hear('x', 0, { needs: 3 })
    hear('x', 1, { inUse: 3 })
    expect(book.hear({ isolate: 'x', seq: 1, ackedSeq: 0, boot: 'a', holding: holding({}) })).toBe(null)
    expect(leftAt(2)).toBe(0)
  })

  it('that ended are kept when nobody else has them, and lost when somebody has', () => {
    const free = ledger(2)
    free.hear('x', 0, { needs: 2 })
    expect(free.hear('x', held + 1, { inUse: 2 })).toMatchObject({ keep: true, ttlMs: leaseMs })
    expect(free.leftAt(held + 1)).toBe(0)

    const taken = ledger(2)
    taken.hear('x', 0, { needs: 2 })
    taken.hear('y', held + 1, { needs: 1 })
    expect(taken.hear('x', held + 2, { inUse: 2 })).toMatchObject({ keep: false, permits: 1 })
    expect(taken.leftAt(held + 2)).toBe(0)
  })

  it('go first to requests that run without one', () => {
    const { hear } = ledger(4)
    hear('y', 0, { needs: 1 })
    expect(hear('x', 1, { debt: 5, needs: 1 })).toMatchObject({ granted: 1, permits: 2 })
  })

  it.each([
    [1, 5, 0],
    [100, 5, 5],
    [10, 100, 2],
  ])('of %i are leased ahead to one who wants %i: %i', (max, want, permits) => {
    expect(ledger(max).hear('x', 0, { want })).toMatchObject({ permits })
  })

  it('are not leased ahead when half of them are in use', () => {
    const { hear } = ledger(10)
    hear('y', 0, { needs: 5 })
    expect(hear('x', 1, { want: 5 })).toMatchObject({ permits: 0 })
  })

  it('in use go on when the limit is lowered, and none is granted before enough have ended', () => {
    const { book, hear, leftAt } = ledger(5)
    hear('x', 0, { needs: 4 })
    book.change(slotSpec(2))
    expect(hear('x', 1, { inUse: 4, needs: 1 })).toMatchObject({ keep: true, granted: 0 })
    hear('x', 2, { inUse: 1 })
    expect(leftAt(2)).toBe(1)
  })
})

describe('slots after a restart of the Ledger', () => {
  it('are all there when none had been granted, or all had come back', () => {
    expect(ledger(1, null).leftAt(0)).toBe(1)
    const { book, hear } = ledger(1)
    hear('x', 0, { needs: 1 })
    const used = book.row()
    hear('x', 5000, {})
    const freed = book.row()
    expect(ledger(1, used, 'b', 5000).leftAt(5000)).toBe(0)
    expect(ledger(1, freed, 'b', 5000).leftAt(5000)).toBe(1)
  })

  it('are exact after a clean sleep', () => {
    const { book, hear } = ledger(100)
    hear('x', 0, { needs: 30 })
    const row = book.restingRow()
    expect(ledger(100, row, 'b', 10_000).leftAt(10_000)).toBe(70)
    expect(book.restingRow()).toBe(null)
  })

  it('leave at least half of what was free, without a word from any isolate', () => {
    for (const max of [1, 2, 3, 7, 10, 100]) {
      for (let used = 1; used <= max; used += 1) {
        const { book, hear } = ledger(max)
        hear('x', 0, { needs: used })
        const left = ledger(max, book.row(), 'b', 1000).leftAt(1000)
        expect(left).toBeGreaterThanOrEqual((max - used) / 2)
        expect(left).toBeLessThanOrEqual(max - used)
      }
    }
  })

  it('are held back for no longer than a lease, and a row that cannot be read holds back all', () => {
    for (const row of ['{"out":3,"untilMs":9e12}', '{"out":-1,"untilMs":0}', 'null', '{']) {
      expect(ledger(3, row, 'b', 1000).leftAt(1000 + held - 1)).toBe(0)
      expect(ledger(3, row, 'b', 1000).leftAt(1000 + held)).toBe(3)
    }
  })

  it('are all there when the row is that of another kind of limit', () => {
    expect(ledger(3, '{"level":5,"atMs":1}', 'b', 1000).leftAt(1000)).toBe(3)
  })

  it('are not moved by a message that was sent before the isolate heard of it: an older one would say the same', () => {
    const before = ledger(5)
    before.hear('x', 0, { needs: 3 })
    before.hear('y', 0, { needs: 2 })
    const row = before.book.row()
    const after = ledger(5, row, 'b', 1000)
    // Sent while `x` had three, delayed beyond the restart; `x` had given them back meanwhile.
    expect(after.hear('x', 1000, { boot: 'a', inUse: 3 })).toMatchObject({ keep: true })
    after.hear('x', 1010, { boot: 'b', inUse: 0 })
    expect(after.leftAt(1020)).toBe(0)
  })

  it('move to isolates that have heard of it, and are free when these free them', () => {
    const before = ledger(8)
    before.hear('x', 0, { needs: 6 })
    const after = ledger(8, before.book.restingRow(), 'b', 1000)
    expect(after.hear('x', 1000, { boot: 'a', inUse: 6, needs: 1 })).toMatchObject({ keep: true, granted: 1 })
    after.hear('x', 1001, { boot: 'b', inUse: 7 })
    expect(after.leftAt(1001)).toBe(1)
    after.hear('x', 2000, { boot: 'b', inUse: 2 })
    expect(after.leftAt(2000)).toBe(6)
  })

  it('of the former life are extended to when they are held back, not beyond', () => {
    const after = ledger(5, '{"out":3,"untilMs":30000}', 'b', 10_000)
    expect(after.hear('x', 20_000, { boot: 'a', inUse: 3 })).toMatchObject({
      keep: true,
      ttlMs: 30_000 + 1000 - 100 - 20_000,
    })
  })
})

describe('slots of an isolate', () => {
  it('are valid from when the message was sent, not from its reply', () => {
    const slots = lessee()
    const [first] = begun(slots, 1, 1000)
    slots.expire(1000 + leaseMs - 1)
    expect(first?.lost).not.toHaveBeenCalled()
    slots.expire(1000 + leaseMs)
    expect(first?.lost).toHaveBeenCalledOnce()
    slots.expire(1000 + leaseMs * 2)
    expect(first?.lost).toHaveBeenCalledOnce()
  })

  it('that were lost do not come back with a reply that keeps what the message told of', () => {
    const slots = lessee()
    begun(slots, 2, 0)
    expect(slots.holding(leaseMs)).toMatchObject({ inUse: 0, have: 0 })
    slots.apply(grant({}), leaseMs, leaseMs + 10)
    expect(slots.check(1, leaseMs + 10)).toBe(-1)
  })

  it('are lost by the youngest when not all are kept', () => {
    const slots = lessee()
    const [first, second, third] = begun(slots, 3, 0)
    slots.holding(1000)
    slots.apply(grant({ keep: false, permits: 1 }), 1000, 1001)
    expect([first, second, third].map((each) => each?.lost.mock.calls.length)).toEqual([0, 1, 1])
    expect(slots.holding(2000)).toMatchObject({ inUse: 1, debt: 0 })
  })

  it.each(['coast', 'open'] as const)('that are lost stop nothing where the limit says %s', (onFailure) => {
    const slots = lessee(onFailure)
    const [first, second] = begun(slots, 2, 0)
    slots.expire(leaseMs)
    expect([first, second].map((each) => each?.lost.mock.calls.length)).toEqual([0, 0])
    expect(slots.holding(leaseMs + 1)).toMatchObject({ inUse: 0, debt: 2 })
    slots.apply(grant({ spec: slots.spec, permits: 1 }), leaseMs + 1, leaseMs + 2)
    expect([first?.user.covered, second?.user.covered]).toEqual([true, false])
    expect(slots.holding(leaseMs + 3)).toMatchObject({ inUse: 1, debt: 1 })
  })

  it('are freed once, however often that is said', () => {
    const slots = lessee()
    const [first] = begun(slots, 2, 0)
    if (first === undefined) throw new Error('nothing begun')
    slots.free(first.user, 1000)
    slots.free(first.user, 1000)
    expect(slots.holding(1001)).toMatchObject({ inUse: 1 })
  })

  it('that are freed serve the next request with no message, and go back when none comes', () => {
    const slots = lessee()
    const [first] = begun(slots, 1, 0)
    slots.holding(600)
    slots.apply(grant({ left: 8 }), 600, 610)
    if (first === undefined) throw new Error('nothing begun')
    slots.free(first.user, 1000)
    expect(slots.due(1000)).toBe(false)
    expect(slots.check(1, 1000)).toBe(0)
    const wakeMs = slots.wakeMs(1000) ?? 0
    expect(wakeMs).toBeLessThanOrEqual(1000 + 6000)
    expect(slots.due(wakeMs + 3000)).toBe(true)
    expect(slots.holding(wakeMs + 3000)).toMatchObject({ have: 0, inUse: 0 })
    expect(slots.check(1, wakeMs + 3000)).toBe(-1)
  })

  it('that are freed go back at once where the Ledger has no others', () => {
    const slots = lessee()
    const [first] = begun(slots, 1, 0)
    if (first === undefined) throw new Error('nothing begun')
    slots.free(first.user, 1000)
    expect(slots.due(1000)).toBe(true)
  })

  it('in use are renewed after 30 s, and every second when that is not answered', () => {
    const slots = lessee()
    begun(slots, 1, 0)
    expect(slots.wakeMs(1000)).toBe(30_000)
    expect(slots.due(29_999)).toBe(false)
    slots.holding(30_000)
    expect(slots.wakeMs(30_001)).toBe(31_000)
    slots.holding(31_000)
    slots.apply(grant({}), 31_000, 31_050)
    expect(slots.wakeMs(31_050)).toBe(61_000)
  })

  it.each([
    ['closed', 0, false],
    ['open', 3_600_000, true],
    ['coast', 14_000, true],
    ['coast', 16_000, false],
  ] as const)('may be missing while the Ledger does not answer: %s after %i ms, %s', (onFailure, ms, may) => {
    const slots = lessee(onFailure)
    slots.apply(grant({ spec: slots.spec, coastPerSecond: 2 }), 0, 0)
    expect(slots.maySpare(1, 1000, 1000 + ms)).toBe(may)
  })

  it('that are spared count for the share, and are covered when the Ledger answers', () => {
    const slots = lessee('coast')
    slots.apply(grant({ spec: slots.spec, coastPerSecond: 2 }), 0, 0)
    for (let each = 0; each < 2; each += 1) {
      slots.spare(1, 1000)
      slots.hold(() => undefined)
    }
    expect(slots.maySpare(1, 1000, 1001)).toBe(false)
    expect(slots.holding(2000)).toMatchObject({ inUse: 0, debt: 2 })
    slots.apply(grant({ spec: slots.spec, permits: 2 }), 2000, 2010)
    expect(slots.holding(3000)).toMatchObject({ inUse: 2, debt: 0 })
  })

  it('set aside for a request that waits are not given to another, and are freed when it is refused', () => {
    const slots = lessee()
    slots.holding(0)
    slots.apply(grant({ permits: 1, left: 5 }), 0, 10)
    slots.setAside(1)
    expect(slots.check(1, 20)).toBe(-1)
    expect(slots.holding(20)).toMatchObject({ have: 1 })
    slots.freeAside(1)
    expect(slots.check(1, 30)).toBe(0)
  })

  it('of a limit that was unknown when its request was granted last almost a lease', () => {
    const slots = lessee()
    slots.granted(1, 5000)
    const lost = vi.fn()
    slots.hold(lost)
    slots.expire(5000 + leaseMs - 1001)
    expect(lost).not.toHaveBeenCalled()
    slots.expire(5000 + leaseMs - 1000)
    expect(lost).toHaveBeenCalledOnce()
  })
})
