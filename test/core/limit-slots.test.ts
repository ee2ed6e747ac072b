import { describe, expect, it } from 'vitest'
import { mostAtOnce, runSlots, type SlotMutant, type SlotWorld } from './limit-slots-world.ts'

type Trouble = SlotWorld['trouble']

function world(seed: number, trouble: Trouble): SlotWorld {
  const cuts = trouble === 'cuts'
  const limits = cuts ? [1, 2, 3] : [1, 2, 5, 10, 40]
  return {
    seed,
    trouble,
    max: limits[seed % limits.length] ?? 1,
    isolates: cuts ? 2 + (seed % 3) : 1 + (seed % 6),
    horizonMs: cuts ? 900_000 : 240_000,
    arrivalMs: cuts ? 700 : ([1000, 4000, 15_000][seed % 3] ?? 1000),
    lossy: 0.05,
    faults: true,
    troubleMs: { mixed: 15_000, cuts: 30_000, restarts: 5000 }[trouble],
    slow: 0.3,
  }
}

const calm: SlotWorld = {
  seed: 1,
  max: 10,
  isolates: 4,
  horizonMs: 600_000,
  arrivalMs: 3000,
  lossy: 0,
  faults: false,
  trouble: 'mixed',
  troubleMs: Infinity,
  slow: 0,
}

/** The first seed, if any, with which more slots were in use than there are. */
function violation(runs: number, trouble: Trouble, mutant?: SlotMutant): number | null {
  for (let seed = 1; seed <= runs; seed += 1) {
    const each = world(seed, trouble)
    const { uses } = runSlots(mutant === undefined ? each : { ...each, mutant })
    if (mostAtOnce(uses) > each.max) return seed
  }
  return null
}

describe('slots leased to isolates', { timeout: 60_000 }, () => {
  it.each<[Trouble, number]>([
    ['mixed', 400],
    ['restarts', 200],
    ['cuts', 100],
  ])('are never in use beyond the limit, whatever goes wrong: %s', (trouble, runs) => {
    expect(violation(runs, trouble)).toBe(null)
  })

  it.each<[SlotMutant, Trouble, number]>([
    ['freed twice', 'mixed', 100],
    ['restart forgets', 'mixed', 100],
    ['row is never renewed', 'mixed', 100],
    ['old messages are heard', 'mixed', 100],
    ['replies to older messages are taken', 'mixed', 200],
    ['loss is not told', 'cuts', 50],
    ['leases outlast what is held', 'cuts', 400],
    ['lease counted from the reply', 'cuts', 600],
  ])('are seen to be in use beyond the limit when %s', (mutant, trouble, runs) => {
    expect(violation(runs, trouble, mutant)).not.toBe(null)
  })

  it('are all there again a lease after everything has ended, whatever went wrong', () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const each = world(seed, 'mixed')
      expect(runSlots(each).leftAtEnd).toBe(each.max)
    }
  })

  it('refuse hardly anybody below the limit, and none is lost, when nothing goes wrong', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const { uses, denied, lost, requests } = runSlots({ ...calm, seed, max: 80 })
      expect(mostAtOnce(uses)).toBeGreaterThan(10)
      expect({ denied, lost }).toEqual({ denied: 0, lost: 0 })
      expect(uses).toHaveLength(requests)
    }
  })

  it('are used to the last one under overload', () => {
    const run = runSlots({ ...calm, arrivalMs: 300 })
    expect(mostAtOnce(run.uses)).toBe(10)
    const heldMs = run.uses.reduce(
      (sum, { fromMs, toMs }) => sum + Math.min(toMs, 600_000) - Math.min(fromMs, 600_000),
      0,
    )
    expect(heldMs / (10 * 600_000)).toBeGreaterThan(0.95)
  })

  it('need few messages and hardly a write where many are free', () => {
    const { requests, messages, rows } = runSlots({ ...calm, max: 2000, arrivalMs: 100 })
    expect(requests).toBeGreaterThan(20_000)
    expect(messages / requests).toBeLessThan(0.1)
    expect(rows).toBeLessThan(40)
  })
})
