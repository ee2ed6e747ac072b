import { describe, expect, it } from 'vitest'
import type { OpenedReservation, SettledReservation } from '../../src/core/limit/messages.ts'
import { idKeptMs, ReservationBook, repeatedMs } from '../../src/core/limit/reservations.ts'
import { ReservationOutbox } from '../../src/core/limit/reservations-outbox.ts'
import { ChargeBook, RowStore } from './limit-reservations-fakes.ts'
import { runReservations, type ReservationMutant } from './limit-reservations-world.ts'

const deadlineMs = 60_000

const opened = (id: string, parts: Partial<OpenedReservation> = {}): OpenedReservation => ({
  id,
  takes: [{ counter: 'tokens', cost: 100 }],
  deadlineMs,
  key: 'k',
  route: 'r',
  model: 'm',
  inputTokens: 40,
  outputTokens: 60,
  microUsd: null,
  ...parts,
})

const settled = (id: string, cost: number, parts: Partial<SettledReservation> = {}): SettledReservation => ({
  ...opened(id),
  inputTokens: 40,
  outputTokens: cost - 40,
  costs: [{ counter: 'tokens', cost }],
  source: 'measured',
  endedMs: 5000,
  ...parts,
})

/** A Ledger on whose counter `taken` tokens were taken from leases. */
function ledger(taken: number) {
  const counters = new ChargeBook()
  const store = new RowStore()
  counters.take({ counter: 'tokens', cost: taken })
  let book = new ReservationBook(store, counters)
  return {
    store,
    counters,
    hear: (news: { opened?: OpenedReservation[]; settled?: SettledReservation[] }, nowMs = 1000) =>
      book.hear({ opened: [], settled: [], ...news }, nowMs),
    alarm: (nowMs: number) => book.alarm(nowMs),
    nextAlarmMs: () => book.nextAlarmMs(),
    restart: () => {
      counters.boot = 'b'
      book = new ReservationBook(store, counters)
    },
    charged: () => {
      expect(counters.problems).toEqual([])
      return counters.of('tokens')
    },
  }
}

/** A batch as it is sent. */
const copy = ({ opened: o, settled: s }: ReturnType<ReservationOutbox['batch']>) => ({
  opened: [...o],
  settled: [...s],
})

/** The first seed with which something does not hold, and what. */
function problems(runs: number, forfeits: boolean, mutant?: ReservationMutant): readonly string[] {
  for (let seed = 1; seed <= runs; seed += 1) {
    const world = { seed, steps: 300, forfeits }
    const found = runReservations(mutant === undefined ? world : { ...world, mutant })
    if (found.length > 0) return [`seed ${seed}`, ...found]
  }
  return []
}

describe('a reservation', () => {
  it('that is settled gives back what was not used, and charges what was used beyond it', () => {
    for (const [cost, charged] of [
      [30, 30],
      [100, 100],
      [250, 250],
      [0, 0],
    ] as const) {
      const { hear, charged: now } = ledger(100)
      hear({ opened: [opened('a')] })
      expect(now()).toBe(100)
      expect(hear({ settled: [settled('a', cost)] })).toMatchObject({
        acknowledged: ['a'],
        settled: [{ id: 'a' }],
      })
      expect(now()).toBe(charged)
    }
  })

  it('is settled once, however often and in however many lives of the Ledger that is said', () => {
    const { hear, restart, charged } = ledger(100)
    hear({ opened: [opened('a')] })
    hear({ settled: [settled('a', 30), settled('a', 30)] })
    for (let each = 0; each < 3; each += 1) {
      restart()
      expect(hear({ opened: [opened('a')], settled: [settled('a', 99)] })).toEqual({
        acknowledged: ['a'],
        settled: [],
        withdrawn: [],
      })
    }
    expect(charged()).toBe(30)
  })

  it('whose beginning was never heard is settled all the same', () => {
    const { hear, charged } = ledger(100)
    hear({ settled: [settled('a', 30)] })
    hear({ opened: [opened('a')] })
    expect(charged()).toBe(30)
  })

  it('that grew gives back from what it took last', () => {
    const { hear, charged } = ledger(300)
    hear({ opened: [opened('a')] })
    hear({ opened: [opened('a', { takes: [{ counter: 'tokens', cost: 200 }] })] })
    hear({ opened: [opened('a')] })
    hear({ settled: [settled('a', 120, { takes: [{ counter: 'tokens', cost: 300 }] })] })
    expect(charged()).toBe(120)
  })

  it.each<[string, SettledReservation['costs']]>([
    ['nothing', []],
    ['another counter', [{ counter: 'other', cost: 1 }]],
    ['no number', [{ counter: 'tokens', cost: Number.NaN }]],
    ['less than nothing', [{ counter: 'tokens', cost: -5 }]],
  ])('stays charged as it stood when its settlement says %s of its cost', (_name, costs) => {
    const { hear, charged } = ledger(100)
    hear({ opened: [opened('a')] })
    hear({ settled: [settled('a', 0, { costs })] })
    expect(charged()).toBe(100)
  })

  it('that cannot be given back stays charged, and what was used beyond it is charged', () => {
    const charge = new ChargeBook()
    charge.claim = () => null as never
    const book = new ReservationBook(new RowStore(), charge)
    charge.take({ counter: 'tokens', cost: 200 })
    book.hear({ opened: [], settled: [settled('a', 30), settled('b', 150)] }, 0)
    expect(charge.of('tokens')).toBe(250)
  })

  it('of which the Ledger lost what it kept stays charged, and is settled', () => {
    const { hear, store, charged } = ledger(100)
    hear({ opened: [opened('a')] })
    store.rows.set('a', { id: 'a', state: 'open', untilMs: deadlineMs, body: '{' })
    expect(hear({ settled: [settled('a', 30)] }).settled).toHaveLength(1)
    expect(charged()).toBe(100)
  })
})

describe('past its deadline a reservation', () => {
  it('is settled as it stands, once, and counts as lost', () => {
    const { hear, alarm, nextAlarmMs, charged } = ledger(100)
    hear({ opened: [opened('a')] })
    expect(nextAlarmMs()).toBe(deadlineMs)
    expect(alarm(deadlineMs - 1).settled).toEqual([])
    const { settled: lost } = alarm(deadlineMs)
    expect(lost).toEqual([{ ...opened('a'), costs: opened('a').takes, source: 'lost', endedMs: deadlineMs }])
    expect(alarm(deadlineMs + 1).settled).toEqual([])
    expect(charged()).toBe(100)
  })

  it.each([30, 100, 180])('that is settled late comes to %i, and counts as lost no more', (cost) => {
    const { hear, alarm, restart, charged } = ledger(100)
    hear({ opened: [opened('a')] })
    const { settled: lost } = alarm(deadlineMs)
    restart()
    const late = hear({ settled: [settled('a', cost)] }, deadlineMs + 1000)
    expect(late).toMatchObject({ settled: [{ id: 'a', source: 'measured' }], withdrawn: lost })
    expect(hear({ settled: [settled('a', cost)] }, deadlineMs + 2000)).toMatchObject({
      settled: [],
      withdrawn: [],
    })
    expect(charged()).toBe(cost)
  })

  it('is not opened again by a message that was late', () => {
    const { hear, alarm, charged } = ledger(100)
    hear({ opened: [opened('a')] })
    alarm(deadlineMs)
    hear({ opened: [opened('a', { takes: [{ counter: 'tokens', cost: 500 }] })] }, deadlineMs + 1)
    expect(alarm(deadlineMs + 2).settled).toEqual([])
    expect(charged()).toBe(100)
  })

  it('is forgotten an hour later, and nothing that is said of it then changes anything', () => {
    const { hear, alarm, store, nextAlarmMs, charged } = ledger(100)
    hear({ settled: [settled('a', 30)] })
    alarm(deadlineMs + idKeptMs - 1)
    expect(store.count()).toBe(1)
    expect(nextAlarmMs()).toBeGreaterThanOrEqual(deadlineMs + idKeptMs)
    alarm(deadlineMs + idKeptMs)
    expect(store.count()).toBe(0)
    expect(nextAlarmMs()).toBe(null)
    const late = hear({ opened: [opened('b')], settled: [settled('a', 30)] }, deadlineMs + idKeptMs)
    expect(late).toEqual({ acknowledged: ['b', 'a'], settled: [], withdrawn: [] })
    expect(charged()).toBe(30)
  })

  it('comes within a day, whatever its isolate says', () => {
    const { hear, nextAlarmMs } = ledger(100)
    hear({ opened: [opened('a', { deadlineMs: 9e15 })] }, 1000)
    expect(nextAlarmMs()).toBe(1000 + 86_400_000)
  })
})

describe('too many reservations', () => {
  it('are not acknowledged, so that they are said again; those nobody asks about any more make room', () => {
    const { hear, store } = ledger(100)
    store.count = () => 499_999 + store.rows.size
    hear({ settled: [settled('old', 30)] })
    expect(hear({ opened: [opened('b')], settled: [settled('c', 30)] }).acknowledged).toEqual([])
    const laterMs = deadlineMs + idKeptMs - 800_000
    const later = { deadlineMs: laterMs + 1000 }
    expect(hear({ opened: [opened('b', later)] }, laterMs).acknowledged).toEqual(['b'])
    expect([...store.rows.keys()]).toEqual(['b'])
  })
})

/** Points of a request's life at which an isolate, a message or the Ledger may break down. */
describe('whatever breaks down, a request for 100 that uses 30 ends charged exactly once', () => {
  const toldLate = deadlineMs + 1

  it('before it reserves', () => {
    const { hear, alarm, charged } = ledger(0)
    hear({})
    expect(alarm(toldLate).settled).toEqual([])
    expect(charged()).toBe(0)
  })

  it('after it has reserved: the isolate dies, and the Ledger never knew', () => {
    const { alarm, charged } = ledger(100)
    expect(alarm(toldLate).settled).toEqual([])
    expect(charged()).toBe(100)
  })

  it('after it has reserved: the isolate dies, and the Ledger knew', () => {
    const { hear, alarm, restart, charged } = ledger(100)
    hear({ opened: [opened('a')] })
    restart()
    expect(alarm(toldLate).settled).toMatchObject([{ source: 'lost', inputTokens: 40, outputTokens: 60 }])
    expect(charged()).toBe(100)
  })

  it('after its last byte: the message with the settlement is lost', () => {
    const { hear, charged } = ledger(100)
    const outbox = new ReservationOutbox()
    outbox.open(opened('a'), 0)
    const first = outbox.batch(0)
    outbox.acknowledge(first, hear({ opened: [...first.opened] }).acknowledged)
    outbox.settle(settled('a', 30), 5000)
    outbox.batch(5000)
    hear({ settled: [...outbox.batch(6000).settled] }, 6000)
    expect(charged()).toBe(30)
  })

  it('while it settles: the Ledger breaks down and keeps nothing of the event', () => {
    const { hear, restart, store, counters, charged } = ledger(100)
    hear({ opened: [opened('a')] })
    const rows = new Map(store.rows)
    const before = { charged: new Map(counters.charged), claims: new Map(counters.claims) }
    hear({ settled: [settled('a', 30)] })
    store.rows = rows
    Object.assign(counters, before)
    restart()
    hear({ settled: [settled('a', 30)] })
    expect(charged()).toBe(30)
  })

  it('before the acknowledgement: the settlement is said again', () => {
    const { hear, restart, charged } = ledger(100)
    const outbox = new ReservationOutbox()
    outbox.open(opened('a'), 0)
    outbox.settle(settled('a', 30), 10)
    hear(copy(outbox.batch(100)))
    restart()
    const again = outbox.batch(2100)
    outbox.acknowledge(again, hear(copy(again)).acknowledged)
    expect(charged()).toBe(30)
    expect(outbox.size).toBe(0)
  })

  it('the alarm goes off twice, before and after a restart', () => {
    const { hear, alarm, restart, charged } = ledger(100)
    hear({ opened: [opened('a')] })
    expect(alarm(toldLate).settled).toHaveLength(1)
    restart()
    expect(alarm(toldLate).settled).toHaveLength(0)
    expect(charged()).toBe(100)
  })
})

describe('every reservation is charged and counted exactly once', { timeout: 60_000 }, () => {
  it.each([false, true])(
    'whatever is lost, repeated, reordered or restarted; restarts forfeit: %s',
    (forfeits) => {
      expect(problems(250, forfeits)).toEqual([])
    },
  )

  it.each<ReservationMutant>([
    'ids of settlements are forgotten',
    'the alarm forgets the reservation',
    'the alarm settles again',
    'counters outlive a crash that undid the rows',
    'an acknowledgement is for everything said of the id',
    'nothing is repeated',
    'a settlement needs its reservation',
  ])('which is seen not to hold when %s', (mutant) => {
    expect(problems(20, false, mutant)).not.toEqual([])
  })
})

describe('what an isolate has to say of reservations', () => {
  it('is said with every message until it is acknowledged', () => {
    const outbox = new ReservationOutbox()
    outbox.open(opened('a'), 0)
    outbox.settle(settled('b', 30), 0)
    for (let each = 0; each < 3; each += 1) {
      expect(outbox.batch(each * 1000)).toMatchObject({ opened: [{ id: 'a' }], settled: [{ id: 'b' }] })
    }
    outbox.acknowledge(outbox.batch(4000), ['b'])
    expect(outbox.batch(5000)).toMatchObject({ opened: [{ id: 'a' }], settled: [] })
  })

  it('is a settlement alone once there is one, also when its beginning is acknowledged after that', () => {
    const outbox = new ReservationOutbox()
    outbox.open(opened('a'), 0)
    const before = outbox.batch(0)
    outbox.settle(settled('a', 30), 10)
    outbox.open(opened('a'), 20)
    outbox.settle(settled('a', 99), 20)
    outbox.acknowledge(before, ['a'])
    expect(outbox.batch(30)).toMatchObject({ opened: [], settled: [{ id: 'a', costs: [{ cost: 30 }] }] })
  })

  it('is due two seconds after it came up, at once when there is much, and not again when it was told', () => {
    const outbox = new ReservationOutbox()
    expect(outbox.dueMs()).toBe(null)
    outbox.open(opened('a'), 1000)
    outbox.open(opened('b'), 2000)
    expect(outbox.dueMs()).toBe(3000)
    for (let each = 0; each < 50; each += 1) outbox.settle(settled(`c${each}`, 30), 2500)
    expect(outbox.dueMs()).toBe(1000)
    outbox.batch(2500)
    expect(outbox.dueMs()).toBe(null)
  })

  it('is bounded: what is dropped first leaves most charged', () => {
    const outbox = new ReservationOutbox(4)
    outbox.settle(settled('more', 300), 0)
    outbox.settle(settled('back-1', 30), 0)
    outbox.open(opened('open-1'), 0)
    outbox.open(opened('open-2'), 0)
    const dropping = ['open-1', 'open-2', 'back-1', 'back-2', 'back-3', 'more']
    const ids = () => {
      const { opened: o, settled: s } = outbox.batch(0)
      return [...o, ...s].map(({ id }) => id)
    }
    const adding = [settled('back-2', 30), settled('back-3', 30), settled('m2', 300), settled('m3', 300)]
    adding.push(settled('m4', 300), settled('m5', 300))
    for (const [at, each] of adding.entries()) {
      const before = ids()
      outbox.settle(each, 0)
      expect(before.filter((id) => !ids().includes(id))).toEqual([dropping[at]])
    }
    expect([outbox.size, outbox.dropped]).toEqual([4, 6])
  })

  it('is dropped half an hour after the deadline, long before the Ledger forgets the id', () => {
    const outbox = new ReservationOutbox()
    outbox.settle(settled('a', 30), 0)
    expect(outbox.batch(deadlineMs + repeatedMs - 1).settled).toHaveLength(1)
    expect(outbox.batch(deadlineMs + repeatedMs).settled).toEqual([])
    expect(outbox.dropped).toBe(1)
    expect(repeatedMs).toBeLessThan(idKeptMs)
  })
})
