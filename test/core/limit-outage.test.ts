import { describe, expect, test } from 'vitest'
import { PermitBook } from '../../src/core/limit/permit-book.ts'
import { PermitHolder } from '../../src/core/limit/permit-holder.ts'
import { keyCounter, type LimitSpec } from '../../src/core/limit/spec.ts'
import { excessOf } from '../fuzz/limits-judge.ts'
import type { Plan } from '../fuzz/limits-plan.ts'
import { Random } from '../fuzz/limits-random.ts'
import { World, type Run } from '../fuzz/limits-world.ts'

const counter = keyCounter('k', 'limit')
const perSecond = 10
const outageMs = 10_000

function specOf(onFailure: LimitSpec['onFailure']): LimitSpec {
  const common = { name: 'limit', calendar: null, durability: 'default', reserve: 'auto' } as const
  return { ...common, kind: 'request-rate', max: perSecond, periodMs: 1000, burst: 40, onFailure }
}

/** Twice the demand that the limit allows, for a minute in which the Ledger fails about three times for 10 s. */
function run(onFailure: LimitSpec['onFailure'], seed: number, deathEveryMs = Infinity): Run {
  const random = new Random(seed)
  const plan: Plan = {
    kind: 'bucket',
    restarts: 'none',
    startMs: Date.UTC(2026, 1, 3),
    lastsMs: 60_000,
    isolates: random.pick([1, 2, 4, 12]),
    askers: [{ applied: [{ counter, spec: specOf(onFailure), level: 'key' }], costMax: 1 }],
    phases: [{ everyMs: 1000 / perSecond / 2, lastsMs: 60_000 }],
    even: false,
    reserves: false,
    timeoutMs: 250,
    faults: {
      lostRequests: 0,
      lostReplies: 0,
      repeats: 0,
      delayMs: 30,
      spikes: 0,
      deathEveryMs,
      crashEveryMs: Infinity,
      overlaps: 0,
      cancels: 0,
      outageEveryMs: 20_000,
      outageMs,
    },
  }
  return new World({ PermitBook, PermitHolder }, plan, random).run()
}

const seeds = Array.from({ length: 100 }, (_, seed) => seed + 1)

function worstExcess(runs: readonly Run[]): number {
  return Math.max(...runs.map((each) => excessOf(specOf('closed'), each.admits.get(counter)?.admits ?? [])))
}

function admitted(runs: readonly Run[]): number {
  return runs.reduce((sum, each) => sum + each.admitted, 0)
}

describe('while the Ledger does not answer', () => {
  const closed = seeds.map((seed) => run('closed', seed))
  const coast = seeds.map((seed) => run('coast', seed))
  const open = seeds.map((seed) => run('open', seed))

  test('a closed limit lets nothing through beyond what was leased', () => {
    expect(worstExcess(closed)).toBe(0)
  })

  test('a limit that coasts is not exceeded as long as every isolate lives to tell what it used', () => {
    expect(worstExcess(coast)).toBe(0)
  })

  test('a limit that coasts is exceeded by no more than its rate for the time of the outages where isolates die', () => {
    const dying = seeds.map((seed) => run('coast', seed, 5000))
    const outages = Math.max(...dying.map((each) => each.outages))
    expect(worstExcess(dying)).toBeLessThanOrEqual((outages * perSecond * outageMs) / 1000)
  })

  test('a limit that coasts lets more through than a closed one, and less than an open one', () => {
    expect(admitted(coast)).toBeGreaterThan(admitted(closed) * 1.1)
    expect(admitted(open)).toBeGreaterThan(admitted(coast) * 1.1)
  })
})
