import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bucketExcess, windowExcess, type Admit } from '../../bench/simulation/judge.ts'
import { bucketExcessOfPairs, calendarExcess, windowExcessOfPairs } from '../fuzz/limits-oracles.ts'

const admits = fc
  .array(fc.record({ afterMs: fc.integer({ min: 0, max: 400 }), cost: fc.integer({ min: 1, max: 5 }) }), {
    maxLength: 40,
  })
  .map((steps) => {
    let atMs = Date.UTC(2026, 0, 1)
    return steps.map(({ afterMs, cost }): Admit => ({ atMs: (atMs += afterMs), cost }))
  })

describe('the judges of limits', () => {
  test('find the worst interval of a bucket, as all pairs have it', () => {
    fc.assert(
      fc.property(
        admits,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 50 }),
        (list, burst, perSecond) => {
          const limit = { burst, perMs: perSecond / 1000 }
          expect(bucketExcess(list, limit)).toBeCloseTo(bucketExcessOfPairs(list, limit), 6)
        },
      ),
    )
  })

  test('find the fullest window, as all windows have it', () => {
    fc.assert(
      fc.property(
        admits,
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 0, max: 20 }),
        (list, windowMs, max) => {
          expect(windowExcess(list, windowMs, max)).toBe(windowExcessOfPairs(list, windowMs, max))
        },
      ),
    )
  })

  test.each([
    ['day', '2026-03-01T23:59:59.999Z', '2026-03-02T00:00:00.000Z', 0],
    ['day', '2026-03-02T00:00:00.000Z', '2026-03-02T23:59:59.999Z', 1],
    ['month', '2026-02-28T23:59:59.999Z', '2026-03-01T00:00:00.000Z', 0],
    ['month', '2026-03-01T00:00:00.000Z', '2026-03-31T23:59:59.999Z', 1],
  ] as const)('count a calendar %s from %s to %s: excess %s', (unit, first, second, excess) => {
    const list = [first, second].map((time) => ({ atMs: Date.parse(time), cost: 1 }))
    expect(calendarExcess(list, unit, 1)).toBe(excess)
  })
})
