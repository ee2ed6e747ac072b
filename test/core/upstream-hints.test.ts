import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultHealth } from '../../src/core/config/defaults.ts'
import type { Target, Upstream } from '../../src/core/config/types.ts'
import { Health, type HealthReport } from '../../src/core/upstream/health.ts'
import {
  heardAt,
  HintBoard,
  hintMs,
  hintsMax,
  readHints,
  targetKey,
  type TargetHint,
} from '../../src/core/upstream/hints.ts'
import type { Member } from '../../src/core/upstream/member.ts'
import type { Pool } from '../../src/core/upstream/pool.ts'
import { Pools } from '../../src/core/upstream/pools.ts'
import { targetWith, upstreamWith } from '../support/routes.ts'

const policy = { ...defaultHealth, failures: 3, openMs: 1_000 }
const wish = { stickTo: null, fraction: () => 0.5 }

function upstreamOf(count: number, changes: Partial<Upstream> = {}, target: Partial<Target> = {}): Upstream {
  const targets = Array.from({ length: count }, (_, at) =>
    targetWith({ ...target, id: `up/${at}`, origin: `https://t${at}.test` }),
  )
  return upstreamWith(targets, { health: policy, ...changes })
}

function memberOf(pool: Pool, at: number): Member {
  const member = pool.members[at]
  if (member === undefined) throw new Error('no such target')
  return member
}

/** Where so many requests go that come at the same time, before any is answered. */
function spread(pool: Pool, requests: number, nowMs: number): number[] {
  const counts = pool.members.map(() => 0)
  for (let each = 0; each < requests; each += 1) {
    const chosen = pool.first(wish, nowMs)
    if (chosen.kind === 'none') throw new Error('refused')
    const { health } = chosen.member
    if (health.condition(nowMs) === 'probe') health.beginProbe(nowMs)
    const at = pool.members.indexOf(chosen.member)
    counts[at] = (counts[at] ?? 0) + 1
  }
  return counts
}

const out = (pool: Pool, at: number, change: Partial<TargetHint> = {}): TargetHint => ({
  target: memberOf(pool, at).key,
  state: 'out',
  agoMs: 0,
  forMs: hintMs,
  ...change,
})

const well = (health: Health, atMs: number, nowMs: number) =>
  health.hear({ state: 'well', atMs, untilMs: 99_000 }, nowMs)

/** Through a Ledger, whose clock is an hour ahead. */
function pass(from: Pools, to: Pools, nowMs: number): void {
  const board = new HintBoard()
  const ledgerMs = nowMs + 3_600_000
  const sent = JSON.parse(JSON.stringify(from.outNow(nowMs))) as unknown
  for (const hint of readHints(sent)) board.note(hint.target, heardAt(hint, ledgerMs))
  to.hear(readHints(JSON.parse(JSON.stringify(board.tell(ledgerMs + 2_000)))), nowMs + 2_000, nowMs + 2_010)
}

/** A target that others said at 1,000 ms to be out. */
function suspected(reports: readonly HealthReport[] = []): Health {
  const health = new Health(policy)
  for (const report of reports) health.report(report, 0)
  health.hear({ state: 'out', atMs: 1_000, untilMs: 5_000 }, 1_000)
  return health
}

describe('a target that others say is out', () => {
  it('is probed by one call at a time, and by no more', () => {
    const health = suspected()
    expect(health.condition(1_001)).toBe('probe')
    health.beginProbe(1_001)
    expect([health.condition(1_002), health.isOpen]).toEqual(['shunned', false])
  })

  it('is well again with the first good answer, and stays so whatever was said before', () => {
    const health = suspected()
    health.beginProbe(1_001)
    health.report('answered', 1_100)
    expect(health.condition(1_100)).toBe('well')
    health.hear({ state: 'out', atMs: 1_050, untilMs: 9_000 }, 1_200)
    expect(health.condition(1_200)).toBe('well')
    health.hear({ state: 'out', atMs: 1_150, untilMs: 9_000 }, 1_200)
    expect(health.condition(1_200)).toBe('probe')
  })

  it('is out with the first failure, which its own isolate alone would not have taken for so much', () => {
    const health = suspected()
    health.report('failed', 1_100)
    expect([health.condition(1_101), health.outSinceMs]).toEqual(['shunned', 1_100])
    expect(health.condition(2_100)).toBe('probe')
    const alone = new Health(policy)
    alone.report('failed', 1_100)
    expect(alone.condition(1_101)).toBe('well')
  })

  it('has no open breaker for it, where it fails fast', () => {
    const health = new Health({ ...policy, failFast: true })
    health.hear({ state: 'out', atMs: 1_000, untilMs: 5_000 }, 1_000)
    health.report('unanswered', 1_100)
    expect([health.condition(1_101), health.isOpen]).toEqual(['shunned', false])
  })

  it('is well when the time of the hint is over, and when others say that it is well', () => {
    expect(suspected().condition(5_000)).toBe('well')
    const health = suspected()
    health.hear({ state: 'well', atMs: 900, untilMs: 9_000 }, 1_100)
    expect(health.condition(1_100)).toBe('probe')
    health.hear({ state: 'well', atMs: 1_050, untilMs: 9_000 }, 1_100)
    expect(health.condition(1_100)).toBe('well')
    health.hear({ state: 'out', atMs: 1_000, untilMs: 5_000 }, 1_200)
    expect(health.condition(1_200)).toBe('well')
  })
})

describe('a target that is out by what was seen here', () => {
  it('is well after its time when a check has found it well since', () => {
    const health = new Health(policy)
    for (const at of [0, 1, 2]) health.report('failed', at)
    well(health, 900, 1_600)
    expect([health.condition(1_600), health.outSinceMs]).toEqual(['well', null])
  })

  it('is probed by one call before its time is over when a check has found it well since', () => {
    const health = new Health({ ...policy, failFast: true })
    for (const at of [0, 1, 2]) health.report('unanswered', at)
    expect(health.condition(600)).toBe('open')
    well(health, 500, 600)
    expect(health.condition(600)).toBe('probe')
    health.beginProbe(600)
    expect(health.condition(601)).toBe('open')
    health.report('unanswered', 700)
    expect([health.condition(1_699), health.condition(1_700)]).toEqual(['open', 'probe'])
  })

  it('does not come back by what was found before it went out', () => {
    const health = new Health(policy)
    for (const at of [1_000, 1_001, 1_002]) health.report('failed', at)
    well(health, 900, 1_500)
    expect([health.condition(1_500), health.condition(5_000)]).toEqual(['shunned', 'probe'])
    well(health, 900, 5_000)
    expect(health.condition(5_000)).toBe('probe')
  })
})

describe('what one isolate has found out', () => {
  it('spares another the failures: one of a hundred requests goes to the target, and none is refused', () => {
    const [a, b] = [new Pools(), new Pools()]
    const upstream = upstreamOf(2)
    for (const at of [0, 1, 2]) memberOf(a.of(upstream, 0), 0).health.report('unanswered', at)
    expect(a.outNow(3)).toMatchObject([
      { target: targetKey(targetWith({ id: 'up/0', origin: 'https://t0.test' })) },
    ])
    const pool = b.of(upstream, 0)
    expect(spread(pool, 100, 0)).toEqual([100, 0])
    pass(a, b, 3)
    expect(spread(pool, 100, 2_100)).toEqual([1, 99])
    memberOf(pool, 0).health.report('answered', 2_200)
    expect(spread(pool, 100, 2_200)).toEqual([100, 0])
  })

  it('is known to an isolate that has not used the upstream yet', () => {
    const [a, b] = [new Pools(), new Pools()]
    const upstream = upstreamOf(2)
    for (const at of [0, 1, 2]) memberOf(a.of(upstream, 0), 0).health.report('failed', at)
    pass(a, b, 3)
    expect(spread(b.of(upstream, 2_100), 100, 2_100)).toEqual([1, 99])
  })

  it('is told for some seconds from when a target went out, and only while it is out', () => {
    const pools = new Pools()
    const { health } = memberOf(pools.of(upstreamOf(2), 0), 0)
    for (const at of [0, 1, 2]) health.report('failed', at)
    expect(pools.outNow(5_002)).toMatchObject([{ state: 'out', agoMs: 5_000, forMs: hintMs - 5_000 }])
    expect(pools.outNow(2 + hintMs)).toEqual([])
    health.report('failed', 2 + hintMs)
    expect(pools.outNow(2 + hintMs)).toHaveLength(1)
    health.report('answered', 2 + hintMs + policy.openMs)
    expect(pools.outNow(2 + hintMs + policy.openMs)).toEqual([])
  })

  it('is nothing to a target of another address under the same name', () => {
    const [a, b] = [new Pools(), new Pools()]
    for (const at of [0, 1, 2]) memberOf(a.of(upstreamOf(2), 0), 0).health.report('failed', at)
    pass(a, b, 3)
    const moved = upstreamWith([targetWith({ id: 'up/0', origin: 'https://moved.test' }), targetWith()])
    expect(spread(b.of(moved, 2_100), 10, 2_100)).toEqual([10, 0])
  })

  it('costs no request where the target has a check of its own', () => {
    const pools = new Pools()
    const pool = pools.of(upstreamOf(2, {}, { checkPath: '/v1/models' }), 0)
    pools.hear([out(pool, 0)], 0, 0)
    expect(spread(pool, 100, 1)).toEqual([0, 100])
    expect(memberOf(pool, 0).health.condition(1)).toBe('probe')
  })
})

const hint = (targets: readonly string[]): fc.Arbitrary<TargetHint> =>
  fc.record({
    target: fc.constantFrom(...targets),
    state: fc.constantFrom('out', 'out', 'out', 'well'),
    agoMs: fc.nat(100_000),
    forMs: fc.nat(10_000_000),
  })

describe('hints that lie or are stale', () => {
  it('never take the last target, nor all of them, and are over after some seconds', () => {
    const cases = fc.record({
      count: fc.integer({ min: 1, max: 4 }),
      failFast: fc.boolean(),
      checkPath: fc.constantFrom(null, '/v1/models'),
      choose: fc.constantFrom<Upstream['choose']>('ordered', 'weighted', 'least-loaded'),
      told: fc.array(fc.record({ at: fc.nat(3), afterMs: fc.nat(20_000), lie: hint(['x']) }), {
        maxLength: 30,
      }),
    })
    fc.assert(
      fc.property(cases, ({ count, failFast, checkPath, choose, told }) => {
        const pools = new Pools()
        const pool = pools.of(
          upstreamOf(count, { choose, health: { ...policy, failFast } }, { checkPath }),
          0,
        )
        let nowMs = 0
        for (const { at, afterMs, lie } of told) {
          nowMs += afterMs
          const { key } = memberOf(pool, at % count)
          pools.hear([{ ...lie, target: key }], nowMs, nowMs)
          expect(spread(pool, 5, nowMs).reduce((sum, each) => sum + each, 0)).toBe(5)
        }
        const conditions = pool.members.map(({ health }) => health.condition(nowMs + hintMs))
        expect(new Set(conditions)).toEqual(new Set(['well']))
      }),
    )
  })

  it('change nothing of what an isolate has found out later by itself', () => {
    fc.assert(
      fc.property(fc.array(hint(['x']), { maxLength: 20 }), (lies) => {
        const pools = new Pools()
        const pool = pools.of(upstreamOf(2), 0)
        const { key, health } = memberOf(pool, 0)
        health.report('answered', 50_000)
        pools.hear(
          lies.map((lie) => ({ ...lie, target: key })),
          50_000,
          50_001,
        )
        expect(health.condition(50_001)).toBe('well')
      }),
    )
  })
})

describe('a message', () => {
  it('of any kind is read without an error, and brings so many hints at most', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(readHints(value)).toEqual([])
      }),
    )
    const good = { target: 'up/0#1', state: 'out', agoMs: 1, forMs: 2 }
    const many = Array.from({ length: 1_000 }, () => good)
    expect(readHints(many)).toHaveLength(hintsMax)
    expect(readHints([good, { ...good, more: 'later' }])).toEqual([good, good])
  })

  it.each([
    ['a target without a name', { target: '' }],
    ['a name that is too long', { target: 'x'.repeat(101) }],
    ['a state that nobody knows yet', { state: 'limping' }],
    ['a time in the future', { agoMs: -1 }],
    ['a life without end', { forMs: Infinity }],
    ['a life that is no number', { forMs: Number.NaN }],
  ])('with %s loses that hint and keeps the others', (_, change) => {
    const good = { target: 'up/0#1', state: 'out', agoMs: 1, forMs: 2 }
    expect(readHints([{ ...good, ...change }, null, good])).toEqual([good])
  })
})

describe('a board', () => {
  it('keeps the newest word on each target, whatever the order in which words come, until it expires', () => {
    const words = fc.array(fc.record({ target: fc.constantFrom('a', 'b'), atMs: fc.nat(1_000) }), {
      maxLength: 30,
    })
    fc.assert(
      fc.property(words, (told) => {
        const board = new HintBoard()
        for (const { target, atMs } of told) {
          const state = atMs % 2 === 0 ? 'out' : 'well'
          board.note(target, { state, atMs, untilMs: atMs + 5_000 })
        }
        for (const target of ['a', 'b']) {
          const latest = Math.max(
            -1,
            ...told.filter((each) => each.target === target).map(({ atMs }) => atMs),
          )
          expect(board.get(target, 2_000)?.atMs ?? -1).toBe(latest)
          expect(board.get(target, 6_000)).toBeNull()
        }
        expect(board.tell(6_000)).toEqual([])
      }),
    )
  })

  it('knows of so many targets at most, and forgets the one that was told first', () => {
    const board = new HintBoard()
    for (let at = 0; at <= hintsMax; at += 1) {
      board.note(`up/${at}`, { state: 'out', atMs: at, untilMs: 10_000 })
    }
    expect(board.tell(100)).toHaveLength(hintsMax)
    expect(board.get('up/0', 100)).toBeNull()
  })
})
