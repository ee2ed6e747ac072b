import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Choice, Target, Upstream } from '../../src/core/config/types.ts'
import { chooseMember, type Wish } from '../../src/core/upstream/choose.ts'
import { FirstByteTimes } from '../../src/core/upstream/first-byte.ts'
import type { Member } from '../../src/core/upstream/member.ts'
import { Pool } from '../../src/core/upstream/pool.ts'
import { Pools } from '../../src/core/upstream/pools.ts'
import { hashPrefix, hashText } from '../../src/core/upstream/sticky.ts'
import { targetWith, upstreamWith } from '../support/routes.ts'
import { randomFrom } from '../../bench/node/stats.ts'

const targets = (count: number, changes: (at: number) => Partial<Target> = () => ({})) =>
  Array.from({ length: count }, (_, at) => targetWith({ id: `up/${at}`, ...changes(at) }))

function poolOf(members: readonly Target[], changes: Partial<Upstream> = {}): Pool {
  return new Pool(upstreamWith(members, changes), 0)
}

function share(pool: Pool, choice: Choice, wishes: (at: number) => Wish, count = 20_000): number[] {
  const hits = pool.members.map(() => 0)
  for (let at = 0; at < count; at += 1) {
    const member = chooseMember(pool.members, choice, wishes(at), 0)
    const index = pool.members.indexOf(member as Member)
    hits[index] = (hits[index] ?? 0) + 1
  }
  return hits.map((each) => each / count)
}

const draw = randomFrom(7)
const noKey: Wish = { stickTo: null, fraction: draw }
const keyed = (at: number): Wish => ({ stickTo: hashText(`account/${at}`), fraction: draw })

describe('a target is chosen', () => {
  it('in order: the first that may be', () => {
    expect(share(poolOf(targets(3)), 'ordered', () => noKey, 100)).toEqual([1, 0, 0])
  })

  it('by weight, also where it sticks to keys', () => {
    const pool = poolOf(targets(4, (at) => ({ weight: at })))
    for (const parts of [share(pool, 'weighted', () => noKey), share(pool, 'sticky-key', keyed)]) {
      for (const [at, part] of parts.entries()) expect(Math.abs(part - at / 6)).toBeLessThan(0.02)
      expect(parts[0]).toBe(0)
    }
  })

  it('by less load of two: a slow one gets little, and nobody gets everything', () => {
    const pool = poolOf(targets(3))
    for (const [at, member] of pool.members.entries()) member.times.observe(at === 0 ? 500 : 50, 0)
    const [slow = 1, ...others] = share(pool, 'least-loaded', () => noKey)
    expect(slow).toBe(0)
    for (const part of others) expect(part).toBeGreaterThan(0.3)
  })

  it('for a canary for its share of the requests or of the keys, and the others as they would', () => {
    const pool = poolOf(targets(3, (at) => ({ canaryShare: at === 1 ? 0.1 : null })))
    for (const parts of [share(pool, 'weighted', () => noKey), share(pool, 'sticky-key', keyed)]) {
      expect(Math.abs((parts[1] ?? 0) - 0.1)).toBeLessThan(0.01)
      expect(Math.abs((parts[0] ?? 0) - 0.45)).toBeLessThan(0.02)
    }
  })

  it('always the same one for a key, and only the keys of one that goes move', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), fc.nat(7), fc.string(), (count, gone, key) => {
        const { members } = poolOf(targets(count))
        const wish: Wish = { stickTo: hashText(key), fraction: draw }
        const chosen = chooseMember(members, 'sticky-key', wish, 0)
        expect(chooseMember(members, 'sticky-key', wish, 99)).toBe(chosen)
        const left = members.filter((_, at) => at !== gone % count)
        const after = chooseMember(left, 'sticky-key', wish, 0)
        if (chosen !== members[gone % count]) expect(after).toBe(chosen)
        else expect(left).toContain(after)
      }),
    )
  })
})

it('bodies that begin alike go to the same place, whatever follows', () => {
  const bytes = fc.uint8Array({ minLength: 64, maxLength: 64 })
  fc.assert(
    fc.property(bytes, bytes, bytes, (beginning, one, other) => {
      const join = (rest: Uint8Array) => new Uint8Array([...beginning, ...rest])
      expect(hashPrefix(join(one), 64)).toBe(hashPrefix(join(other), 64))
    }),
  )
})

function openUp(member: Member | undefined): void {
  for (let at = 0; at < 5; at += 1) member?.health.report('unanswered', 0)
}

describe('a pool', () => {
  const wish: Wish = { stickTo: null, fraction: () => 0 }

  it('passes over targets that are out as long as another is left, and never over the last', () => {
    const pool = poolOf(targets(2))
    openUp(pool.members[0])
    expect(pool.first(wish, 1)).toMatchObject({ kind: 'free', member: pool.members[1] })
    openUp(pool.members[1])
    expect(pool.first(wish, 1)).toMatchObject({ kind: 'free', member: pool.members[0] })
  })

  it('goes on calling a last target that waits for its check', () => {
    const pool = poolOf(targets(1, () => ({ checkPath: '/v1/models' })))
    openUp(pool.members[0])
    for (const nowMs of [1, 9_999, 10_000, 99_999]) expect(pool.first(wish, nowMs).kind).toBe('free')
  })

  it('refuses at once where all fail fast, and says for how long', () => {
    const { health } = upstreamWith([])
    const pool = poolOf(targets(2), { health: { ...health, failFast: true } })
    for (const member of pool.members) openUp(member)
    expect(pool.first(wish, 1_000)).toEqual({ kind: 'none', retryAfterMs: 9_000 })
  })

  it('goes to one that has room before anyone waits, and waits where none has', () => {
    const { concurrency } = upstreamWith([])
    const pool = poolOf(targets(2), { concurrency: { ...concurrency, max: 1 } })
    pool.members[0]?.slots.take(0, 1e9)
    expect(pool.first(wish, 0)).toMatchObject({ kind: 'free', member: pool.members[1] })
    pool.members[1]?.slots.take(0, 1e9)
    expect(pool.first(wish, 0)).toMatchObject({ kind: 'full', member: pool.members[0] })
  })

  it('sends a second attempt to a target that was not tried, and only where it may to one that was', () => {
    const pool = poolOf(targets(2))
    const [first, second] = pool.members as [Member, Member]
    expect(pool.next(wish, new Set([first]), 'nowhere', 0)).toBeNull()
    expect(pool.next(wish, new Set([first]), 'anywhere', 0)).toEqual({ member: second, again: false })
    expect(pool.next(wish, new Set([first, second]), 'elsewhere', 0)).toBeNull()
    expect(pool.next(wish, new Set([first, second]), 'anywhere', 0)).toEqual({ member: first, again: true })
  })

  it('is one for each upstream of a configuration', () => {
    const pools = new Pools()
    const [one, other] = [upstreamWith(targets(1)), upstreamWith(targets(1))]
    expect(pools.of(one, 0)).toBe(pools.of(one, 9))
    expect(pools.of(one, 0)).not.toBe(pools.of(other, 0))
  })
})

describe('times to the first byte', () => {
  it('have an average that rises at once, falls by and by, and fades in silence', () => {
    const times = new FirstByteTimes()
    expect(times.averageMs(0)).toBe(0)
    times.observe(100, 0)
    times.observe(900, 0)
    expect(times.averageMs(0)).toBe(900)
    times.observe(100, 1_000)
    const after = times.averageMs(1_000)
    expect(after).toBeGreaterThan(700)
    expect(after).toBeLessThan(900)
    expect(times.averageMs(31_000)).toBeLessThan(after / 10)
  })

  it('have quantiles that are right within a fifth, once enough is known', () => {
    const times = new FirstByteTimes()
    for (let at = 0; at < 49; at += 1) times.record(10)
    expect(times.quantileMs(0.95)).toBeNull()
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 50, maxLength: 900 }),
        (tookMs) => {
          const all = new FirstByteTimes()
          for (const ms of tookMs) all.record(ms)
          const exact = tookMs.toSorted((a, b) => a - b)[Math.ceil(0.95 * tookMs.length) - 1] ?? 0
          const said = all.quantileMs(0.95) ?? 0
          expect(said).toBeGreaterThanOrEqual(exact * 0.999)
          expect(said).toBeLessThanOrEqual(exact * 1.2)
        },
      ),
    )
  })
})
