import { describe, expect, test } from 'vitest'
import type { CounterGrant, NeedAnswer, SyncReply } from '../../src/core/limit/messages.ts'
import { PermitHolder } from '../../src/core/limit/permit-holder.ts'
import type { AppliedLimit } from '../../src/core/limit/spec.ts'
import { budgetOf, grantOf, limitOf, nobody, rateOf } from './limit-desk.ts'

const a = limitOf('a', rateOf(100, 10))
const b = limitOf('b', rateOf(100, 10))

function replyOf(seq: number, grants: readonly CounterGrant[], over: Partial<SyncReply> = {}): SyncReply {
  return { v: 1, boot: 'b1', seq, grants, needs: [], acknowledged: [], account: null, keys: [], ...over }
}

function askOf(id: string, applied: readonly AppliedLimit[]) {
  return { id, applied, costs: applied.map(() => 1), key: null, reservation: null }
}

const granted = (id: string, limits: readonly AppliedLimit[]): NeedAnswer => ({
  id,
  takes: limits.map(({ counter }) => ({ counter, cost: 1 })),
  violated: [],
  waitMs: 0,
  limits: [],
})

/** A holder that was granted these at time 0. */
function holderWith(...grants: readonly CounterGrant[]): PermitHolder {
  const holder = new PermitHolder('i')
  for (const { counter, spec } of grants) holder.take([{ counter, spec, level: 'key' }], [1], 0)
  holder.apply(replyOf(holder.message(0, nobody).seq, grants), 0)
  return holder
}

describe('permits in hand', () => {
  test('are taken until they run out; then only the Ledger can tell', () => {
    const holder = holderWith(grantOf(a, { permits: 3 }))
    const outcomes = [1, 2, 3, 4].map(() => holder.take([a], [1], 10).kind)
    expect(outcomes).toEqual(['taken', 'taken', 'taken', 'ask'])
  })

  test('end with their lease, counted from when it was asked for', () => {
    const holder = holderWith(grantOf(a, { permits: 3, ttlMs: 5000 }))
    expect(holder.take([a], [1], 4999).kind).toBe('taken')
    expect(holder.take([a], [1], 5000).kind).toBe('ask')
  })

  test('are taken of all limits, or of none', () => {
    const holder = holderWith(grantOf(a, { permits: 1 }), grantOf(b, { permits: 0 }))
    expect(holder.take([a, b], [1, 1], 10).kind).toBe('ask')
    expect(holder.take([a], [1], 10).kind).toBe('taken')
  })

  test('are put back when their request did not leave, unless a message has told of them', () => {
    const holder = holderWith(grantOf(a, { permits: 1 }))
    holder.take([a], [1], 10)
    holder.putBack([a], [1], 10)
    expect(holder.take([a], [1], 10).kind).toBe('taken')
    holder.ask(askOf('r', [a]), 10)
    holder.message(10, nobody)
    holder.putBack([a], [1], 10)
    expect(holder.take([a], [1], 10).kind).toBe('ask')
  })

  test('are void once the Ledger has begun a new life', () => {
    const holder = holderWith(grantOf(a, { permits: 5 }))
    holder.apply(replyOf(holder.message(10, nobody).seq, [], { boot: 'b2' }), 20)
    expect(holder.take([a], [1], 30).kind).toBe('ask')
  })

  test('that were not kept are void, and those of an ended lease are not revived', () => {
    const lost = holderWith(grantOf(a, { permits: 5 }))
    lost.ask(askOf('r', [a, b]), 10)
    lost.apply(replyOf(lost.message(10, nobody).seq, [grantOf(a, { keep: false })]), 20)
    expect(lost.take([a], [1], 30).kind).toBe('ask')

    const late = holderWith(grantOf(a, { permits: 5, ttlMs: 500 }))
    late.ask(askOf('r', [a, b]), 490)
    late.apply(replyOf(late.message(490, nobody).seq, [grantOf(a, { keep: true })]), 510)
    expect(late.take([a], [1], 520).kind).toBe('ask')
  })
})

describe('a reply', () => {
  test('to any but the last message brings nothing', () => {
    const holder = new PermitHolder('i')
    const first = holder.message(0, nobody)
    holder.take([a], [1], 0)
    holder.ask(askOf('r', [a]), 0)
    holder.message(10, nobody)
    expect(
      holder.apply(replyOf(first.seq, [grantOf(a, { permits: 5 })], { needs: [granted('r', [a])] }), 20),
    ).toEqual([])
    expect(holder.take([a], [1], 20).kind).toBe('ask')
  })

  test('that took more than a second brings nothing, and what waits goes on waiting', () => {
    const holder = new PermitHolder('i')
    holder.ask(askOf('r', [a]), 0)
    const { seq } = holder.message(0, nobody)
    expect(
      holder.apply(replyOf(seq, [grantOf(a, { permits: 5 })], { needs: [granted('r', [a])] }), 1001),
    ).toEqual([])
    expect(holder.waiting).toBe(1)
  })

  test('is taken once', () => {
    const holder = new PermitHolder('i')
    holder.ask(askOf('r', [a]), 0)
    const { seq } = holder.message(0, nobody)
    const reply = replyOf(seq, [grantOf(a, { permits: 1 })], { needs: [granted('r', [a])] })
    expect(holder.apply(reply, 10)).toHaveLength(1)
    expect(holder.apply(reply, 20)).toEqual([])
    expect(holder.take([a], [1], 30).kind).toBe('taken')
    expect(holder.take([a], [1], 30).kind).toBe('ask')
  })
})

describe('a request that waits', () => {
  test('keeps what is in hand aside, asks for the rest, and uses both when that is granted', () => {
    const holder = holderWith(grantOf(a, { permits: 1 }))
    holder.ask(askOf('r', [a, b]), 10)
    expect(holder.take([a], [1], 10).kind).toBe('ask')
    const { seq, needs, holdings } = holder.message(10, nobody)
    expect(needs).toEqual([{ id: 'r', takes: [{ counter: b.counter, cost: 1 }], key: null }])
    expect(holdings.find(({ counter }) => counter === a.counter)).toMatchObject({ have: 1, used: 0 })
    const reply = replyOf(seq, [grantOf(a, { keep: true }), grantOf(b)], { needs: [granted('r', [b])] })
    expect(holder.apply(reply, 20)).toMatchObject([{ id: 'r', outcome: { kind: 'taken' } }])
    holder.ask(askOf('s', [a]), 30)
    const next = holder.message(30, nobody)
    expect(next.holdings.find(({ counter }) => counter === a.counter)).toMatchObject({ have: 0, used: 1 })
  })

  test.each(['refused', 'cancelled'])('spends nothing when it is %s', (how) => {
    const holder = holderWith(grantOf(a, { permits: 1 }))
    holder.ask(askOf('r', [a, b]), 10)
    const { seq } = holder.message(10, nobody)
    if (how === 'cancelled') holder.cancel('r')
    const no = { id: 'r', takes: null, violated: [b.counter], waitMs: 500, limits: [] }
    const answers = holder.apply(replyOf(seq, [grantOf(a, { keep: true })], { needs: [no] }), 20)
    expect(answers.map(({ outcome }) => outcome.kind)).toEqual(how === 'cancelled' ? [] : ['denied'])
    expect(holder.take([a], [1], 30).kind).toBe('taken')
  })

  test('asks again when what it had set aside was lost meanwhile', () => {
    const holder = holderWith(grantOf(a, { permits: 1 }))
    holder.ask(askOf('r', [a, b]), 10)
    const { seq } = holder.message(10, nobody)
    const reply = replyOf(seq, [grantOf(a, { keep: false }), grantOf(b)], { needs: [granted('r', [b])] })
    expect(holder.apply(reply, 20)).toMatchObject([{ outcome: { kind: 'ask' } }])
    expect(holder.message(30, nobody).needs[0]?.takes).toHaveLength(2)
  })
})

describe('a refusal', () => {
  test('is repeated with no I/O for as long as the Ledger said', () => {
    const holder = holderWith(grantOf(a, { left: 0, denyMs: 700 }))
    expect(holder.take([a], [1], 100)).toEqual({ kind: 'denied', violated: [a.counter], waitMs: 600 })
    expect(holder.take([a], [1], 700).kind).toBe('ask')
  })

  test('names every limit in the way and the longest wait, and spends nothing of the others', () => {
    const c = limitOf('c', rateOf(100, 10))
    const holder = holderWith(
      grantOf(a, { denyMs: 700 }),
      grantOf(b, { denyMs: 900 }),
      grantOf(c, { permits: 1 }),
    )
    const outcome = holder.take([c, a, b], [1, 1, 1], 100)
    expect(outcome).toEqual({ kind: 'denied', violated: [a.counter, b.counter], waitMs: 800 })
    expect(holder.take([c], [1], 100).kind).toBe('taken')
  })

  test('of a cost that can never fit has no wait', () => {
    const limit = limitOf('a', budgetOf(100))
    expect(new PermitHolder('i').take([limit], [101], 0)).toMatchObject({ kind: 'denied', waitMs: null })
  })
})

describe('a Ledger that does not answer', () => {
  test('is tried again after half a second, a second, and then every two', () => {
    const holder = new PermitHolder('i')
    let nowMs = 0
    const waits: number[] = []
    for (let failures = 0; failures < 5; failures += 1) {
      holder.message(nowMs, nobody)
      holder.failed(nowMs)
      const failedMs = nowMs
      while (!holder.refillDue(nowMs)) nowMs += 100
      waits.push(nowMs - failedMs)
    }
    expect(waits).toEqual([500, 1000, 2000, 2000, 2000])
  })

  test.each([
    ['closed', 'unavailable'],
    ['open', 'taken'],
  ] as const)('%s: a request that waits is %s', (onFailure, kind) => {
    const limit = limitOf('a', rateOf(100, 10, { onFailure }))
    const holder = new PermitHolder('i')
    holder.ask(askOf('r', [limit]), 0)
    holder.message(0, nobody)
    expect(holder.failed(250)).toMatchObject([{ id: 'r', outcome: { kind }, answer: null }])
    expect(holder.waiting).toBe(0)
  })

  test('coast: goes on at the last share for 15 s, and tells what it used', () => {
    const limit = limitOf('a', rateOf(100, 10, { onFailure: 'coast' }))
    const holder = holderWith(grantOf(limit, { coastPerSecond: 2 }))
    holder.message(5000, nobody)
    holder.failed(5000)
    const taken = Array.from({ length: 400 }, (_, at) => holder.take([limit], [1], 5000 + at * 50))
    expect(taken.filter(({ kind }) => kind === 'taken')).toHaveLength(30)
    expect(holder.take([limit], [1], 20_001).kind).toBe('unavailable')
    holder.ask(askOf('r', [limit]), 25_000)
    expect(holder.message(25_000, nobody).holdings[0]).toMatchObject({ debt: 30 })
  })
})

describe('a reservation', () => {
  const limit = limitOf('a', budgetOf(1000))
  const reservation = {
    id: 'r',
    takes: [{ counter: limit.counter, cost: 40 }],
    deadlineMs: 60_000,
    key: 'k',
    route: 'r',
    model: 'm',
    inputTokens: 10,
    outputTokens: 30,
    microUsd: null,
  }

  test('is told in the message that tells its permits as used', () => {
    const holder = holderWith(grantOf(limit, { permits: 50 }))
    holder.take([limit], [40], 10)
    holder.open(reservation, 10)
    const { opened, holdings } = holder.message(20, nobody)
    expect(opened).toEqual([reservation])
    expect(holdings).toMatchObject([{ counter: limit.counter, used: 40, have: 10 }])
  })

  test('that was granted when nobody waited any more is settled as unused', () => {
    const holder = new PermitHolder('i')
    holder.ask({ id: 'r', applied: [limit], costs: [40], key: null, reservation }, 0)
    const { seq } = holder.message(0, nobody)
    holder.cancel('r')
    const answer = { id: 'r', takes: reservation.takes, violated: [], waitMs: 0, limits: [] }
    expect(holder.apply(replyOf(seq, [], { needs: [answer] }), 10)).toEqual([])
    const costs = [{ counter: limit.counter, cost: 0 }]
    expect(holder.message(20, nobody).settled).toMatchObject([{ id: 'r', costs, outputTokens: 0 }])
  })
})
