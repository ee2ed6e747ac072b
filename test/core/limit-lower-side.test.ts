import { describe, expect, test } from 'vitest'
import { PermitBook } from '../../src/core/limit/permit-book.ts'
import { PermitHolder } from '../../src/core/limit/permit-holder.ts'
import { keyCounter, type LimitSpec } from '../../src/core/limit/spec.ts'
import type { Faults, Plan } from '../fuzz/limits-plan.ts'
import { Random } from '../fuzz/limits-random.ts'
import { World, type Run } from '../fuzz/limits-world.ts'

const noFaults: Faults = {
  lostRequests: 0,
  lostReplies: 0,
  repeats: 0,
  delayMs: 30,
  spikes: 0,
  deathEveryMs: Infinity,
  crashEveryMs: Infinity,
  overlaps: 0,
  cancels: 0,
  outageEveryMs: Infinity,
  outageMs: 0,
}

const common = { name: 'limit', onFailure: 'closed', reserve: 'auto', calendar: null, burst: null } as const

/** A rate of `perSecond` with a burst. */
function rate(burst: number, perSecond: number): Omit<LimitSpec, 'durability'> {
  return { ...common, kind: 'request-rate', max: perSecond * 60, periodMs: 60_000, burst }
}

function window(max: number, periodMs: number): Omit<LimitSpec, 'durability'> {
  return { ...common, kind: 'request-window', max, periodMs }
}

/** Evenly spaced requests at a part of what the limit lets through. */
function evenly(spec: LimitSpec, isolates: number, part: number): Run {
  const everyMs = (spec.periodMs ?? 0) / (spec.max * part)
  const lastsMs = Math.max(4 * (spec.periodMs ?? 0), 60 * everyMs)
  const plan: Plan = {
    kind: 'bucket',
    restarts: 'none',
    startMs: Date.UTC(2026, 1, 3),
    lastsMs,
    isolates,
    askers: [{ applied: [{ counter: keyCounter('k', 'limit'), spec, level: 'key' }], costMax: 1 }],
    phases: [{ everyMs, lastsMs }],
    even: true,
    reserves: false,
    timeoutMs: 1000,
    faults: noFaults,
  }
  return new World({ PermitBook, PermitHolder }, plan, new Random(7)).run()
}

const limits = [
  rate(1, 1),
  rate(1, 0.1),
  rate(2, 1),
  rate(2, 0.2),
  rate(10, 1),
  rate(10, 5),
  rate(600, 10),
  rate(600, 100),
  window(10, 60_000),
  window(600, 60_000),
]

describe('a client that keeps within its limit, evenly spaced, is never refused', () => {
  const cases = limits.flatMap((limit) =>
    [0.5, 0.9].flatMap((part) =>
      [1, 8].flatMap((isolates) =>
        (['default', 'strict'] as const).map((durability) => ({ limit, durability, part, isolates })),
      ),
    ),
  )
  test.each(cases)(
    '$limit.kind of $limit.max in $limit.periodMs ms, burst $limit.burst, $durability: $part of it, $isolates isolates',
    ({ limit, durability, part, isolates }) => {
      const run = evenly({ ...limit, durability }, isolates, part)
      expect(run.admitted).toBeGreaterThan(30)
      expect(run.denied).toBe(0)
    },
  )
})
