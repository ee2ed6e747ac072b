import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  blockBootstrap,
  median,
  pairedDifferences,
  quantile,
  randomFrom,
  ratioOfMedians,
  shuffled,
} from '../../bench/node/stats.ts'

function draw(seed: number): number[] {
  const random = randomFrom(seed)
  return [random(), random(), random()]
}

describe('quantile', () => {
  it.each([
    [[7], 0.5, 7],
    [[1, 2, 3, 4], 0.5, 2.5],
    [[4, 1, 3, 2], 0.25, 1.75],
    [[15, 20, 35, 40, 50], 0.4, 29],
    [[10, 2], 1, 10],
    [[10, 2], 0, 2],
  ])('of %j at %f is %f', (values, q, expected) => {
    expect(quantile(values, q)).toBeCloseTo(expected, 12)
  })

  it('sorts by number and leaves its input alone', () => {
    const values = [10, 9, 100]
    expect(median(values)).toBe(10)
    expect(values).toEqual([10, 9, 100])
  })

  it('lies between the least and the greatest value and grows with q', () => {
    const numbers = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 })
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(numbers, share, share, (values, one, other) => {
        const lower = quantile(values, Math.min(one, other))
        const upper = quantile(values, Math.max(one, other))
        expect(lower).toBeGreaterThanOrEqual(Math.min(...values))
        expect(upper).toBeLessThanOrEqual(Math.max(...values) + 1e-9)
        expect(upper).toBeGreaterThanOrEqual(lower - 1e-9)
      }),
    )
  })

  it('refuses no values and a q outside 0 to 1', () => {
    expect(() => quantile([], 0.5)).toThrow(RangeError)
    expect(() => quantile([1], 1.1)).toThrow(RangeError)
    expect(() => quantile([1], Number.NaN)).toThrow(RangeError)
  })
})

describe('pairs', () => {
  it('keeps the order of the pairs', () => {
    expect(pairedDifferences([5, 5, 5], [1, 2, 7])).toEqual([4, 3, -2])
  })

  it('refuses sides of different length', () => {
    expect(() => pairedDifferences([1], [])).toThrow(RangeError)
  })

  it('takes the ratio of medians, which one wild value does not move', () => {
    expect(ratioOfMedians([2, 4, 1e9], [1, 2, 3])).toBe(2)
  })
})

describe('seeded randomness', () => {
  it('repeats with the same seed and differs with another', () => {
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
  })

  it('is spread evenly over [0, 1)', () => {
    const random = randomFrom(42)
    const drawn = Array.from({ length: 20_000 }, () => random())
    for (let bin = 0; bin < 10; bin++) {
      const inBin = drawn.filter((value) => Math.floor(value * 10) === bin).length
      expect(Math.abs(inBin - 2_000)).toBeLessThan(200)
    }
  })

  it('shuffles into each order equally often', () => {
    const random = randomFrom(7)
    const seen = new Map<string, number>()
    for (let turn = 0; turn < 6_000; turn++) {
      const order = shuffled(['a', 'b', 'c'], random).join('')
      seen.set(order, (seen.get(order) ?? 0) + 1)
    }
    expect(seen.size).toBe(6)
    for (const count of seen.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150)
  })
})

describe('blockBootstrap', () => {
  it('gives the same interval for the same seed', () => {
    const blocks = [
      [1, 5],
      [2, 9],
      [3, 3],
    ]
    expect(blockBootstrap(blocks, median, { seed: 3 })).toEqual(blockBootstrap(blocks, median, { seed: 3 }))
  })

  it('has no width where nothing varies', () => {
    expect(
      blockBootstrap(
        [
          [4, 4],
          [4, 4],
        ],
        median,
        { seed: 1 },
      ),
    ).toEqual({ value: 4, low: 4, high: 4 })
  })

  it('holds the true median in about 95 of 100 runs, although values of one round are alike', () => {
    const random = randomFrom(2_026)
    const exponential = (): number => -Math.log(1 - random())
    const runs = 200
    let held = 0
    for (let run = 0; run < runs; run++) {
      const blocks = Array.from({ length: 40 }, () => {
        const sharedByRound = exponential()
        return [sharedByRound, sharedByRound, sharedByRound]
      })
      const { low, high } = blockBootstrap(blocks, median, { seed: run, resamples: 300 })
      if (low <= Math.LN2 && Math.LN2 <= high) held += 1
    }
    expect(held / runs).toBeGreaterThan(0.9)
    expect(held / runs).toBeLessThan(0.995)
  })

  it('widens with the level asked for', () => {
    const random = randomFrom(5)
    const blocks = Array.from({ length: 30 }, () => [random(), random()])
    const narrow = blockBootstrap(blocks, median, { seed: 9, level: 0.5 })
    const wide = blockBootstrap(blocks, median, { seed: 9, level: 0.99 })
    expect(wide.high - wide.low).toBeGreaterThan(narrow.high - narrow.low)
  })
})
