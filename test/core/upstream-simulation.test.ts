import { describe, expect, it } from 'vitest'
import type { Choice } from '../../src/core/config/types.ts'
import { outageRatio, simulate } from '../support/upstream-simulation.ts'

const requests = 20_000
const run = (choose: Choice | 'round-robin', changes: Partial<Parameters<typeof simulate>[0]> = {}) =>
  simulate({ choose, requests, seed: 11, bad: 'slow', hedges: false, ...changes })

describe('with one target of three that is ten times slower, under keys of very different traffic', () => {
  const roundRobin = run('round-robin')

  it('least-loaded has a p99 far below that of taking turns, and asks no more', () => {
    const least = run('least-loaded')
    expect(least.p99Ms).toBeLessThan(roundRobin.p99Ms / 3)
    expect(least.attempts).toBe(requests)
  })

  it('hedging is worth its at most 2 % more attempts where a call in a hundred stalls', () => {
    const hedged = run('sticky-key', { bad: 'stalls', hedges: true })
    const plain = run('sticky-key', { bad: 'stalls' })
    expect(hedged.attempts).toBeLessThanOrEqual(requests * 1.02 + 1)
    expect(hedged.attempts).toBeGreaterThan(requests * 1.01)
    expect(hedged.p99Ms).toBeLessThan(plain.p99Ms / 3)
    expect(hedged.meanMs).toBeLessThan(plain.meanMs)
  })

  it('a key stays with its target, and the busiest keys do not all sit on one', () => {
    const sticky = run('sticky-key', { bad: 'none' })
    expect(sticky.movedKeys).toBe(0)
    expect(Math.max(...sticky.shares)).toBeLessThan(0.7)
  })
})

describe('with one target of three that fails every request', () => {
  it.each<Choice>(['ordered', 'weighted', 'least-loaded', 'sticky-key'])(
    '%s: nearly nobody notices, and the extra attempts stay within the budget',
    (choose) => {
      const { errors, attempts } = run(choose, { bad: 'failing' })
      expect(errors / requests).toBeLessThan(0.001)
      expect(attempts / requests).toBeLessThan(1.05)
      expect(run('round-robin', { bad: 'failing' }).errors / requests).toBeGreaterThan(0.3)
    },
  )
})

it('a total outage of a minute at 50 requests a second asks the origin at most 1.2 times, and the minimum', () => {
  const { attempts, requests: asked, minimum } = outageRatio(50, 60)
  expect(asked).toBe(3_000)
  expect(attempts).toBeLessThanOrEqual(asked * 1.2 + minimum)
})
