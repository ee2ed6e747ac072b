import { describe, expect, it } from 'vitest'
import { OutputQuantile } from '../../src/core/limit/output-quantile.ts'
import { randomOf } from './limit-slots-world.ts'

type Draw = (random: () => number) => number

/** Distributions of answers, with what share of them stays within a number of tokens. */
const distributions: Readonly<Record<string, { draw: Draw; share: (tokens: number) => number }>> = {
  'all of a length': { draw: () => 300, share: (tokens) => (tokens >= 300 ? 1 : 0) },
  even: { draw: (random) => 1 + random() * 2000, share: (tokens) => Math.min(1, (tokens - 1) / 2000) },
  exponential: {
    draw: (random) => -Math.log(1 - random()) * 500,
    share: (tokens) => 1 - Math.exp(-tokens / 500),
  },
  'heavy-tailed': {
    draw: (random) => 100 / (1 - random()) ** 0.8,
    share: (tokens) => 1 - (100 / tokens) ** 1.25,
  },
  'short calls and long texts': {
    draw: (random) => (random() < 0.8 ? 20 + random() * 60 : 2000 + random() * 2000),
    share: (tokens) => (tokens < 2000 ? 0.8 : 0.8 + 0.2 * Math.min(1, (tokens - 2000) / 2000)),
  },
}

function taught(quantile: OutputQuantile, draw: Draw, answers: number, seed: number): void {
  const random = randomOf(seed)
  for (let each = 0; each < answers; each += 1) quantile.learn('key', 'model', Math.round(draw(random)))
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

describe('what nine of ten answers stay within', () => {
  it.each(Object.entries(distributions))('is learnt: %s', (name, { draw, share }) => {
    const shares = Array.from({ length: 200 }, (_, seed) => {
      const quantile = new OutputQuantile()
      taught(quantile, draw, 500, seed)
      return share(quantile.estimate('key', 'model'))
    })
    expect(mean(shares)).toBeGreaterThan(0.88)
    expect(mean(shares)).toBeLessThanOrEqual(name === 'all of a length' ? 1 : 0.95)
    expect(Math.min(...shares)).toBeGreaterThan(0.79)
  })

  it('is at most a tenth more than the exact quantile of the same answers', () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const random = randomOf(seed)
      const quantile = new OutputQuantile()
      // Few enough that the last weighs hardly more than the first.
      const answers = Array.from({ length: 19 }, () => Math.round(1 + random() * 4000))
      for (const answer of answers) quantile.learn('key', 'model', answer)
      const sorted = answers.toSorted((a, b) => a - b)
      const estimate = quantile.estimate('key', 'model')
      expect(estimate).toBeGreaterThanOrEqual(sorted[16] ?? 0)
      expect(estimate).toBeLessThanOrEqual(Math.ceil((sorted[17] ?? 0) * 1.1 + 1))
    }
  })

  it.each([
    [100, 4000],
    [4000, 100],
  ])('follows answers that go from %i to %i tokens within 250 of them', (before, after) => {
    const quantile = new OutputQuantile()
    taught(quantile, (random) => before * (0.5 + random()), 1000, 1)
    taught(quantile, (random) => after * (0.5 + random()), 250, 2)
    const estimate = quantile.estimate('key', 'model')
    expect(estimate).toBeGreaterThan(after * 1.2)
    expect(estimate).toBeLessThan(after * 1.5 * 1.2)
  })
})

describe('before and between', () => {
  it('nothing is known of other keys and other models', () => {
    const quantile = new OutputQuantile()
    taught(quantile, () => 30, 100, 1)
    expect(quantile.estimate('key', 'model')).toBeLessThan(40)
    for (const [key, model] of [
      ['key', 'other'],
      ['other', 'model'],
      ['key', null],
      ['keym', 'odel'],
    ] as const) {
      expect(quantile.estimate(key, model)).toBe(1024)
    }
  })

  it('long answers count from the first, short ones once there are some', () => {
    const long = new OutputQuantile()
    long.learn('key', 'model', 9000)
    expect(long.estimate('key', 'model')).toBeGreaterThanOrEqual(9000)
    const short = new OutputQuantile()
    for (let each = 0; each < 9; each += 1) short.learn('key', 'model', 10)
    expect(short.estimate('key', 'model')).toBe(1024)
    short.learn('key', 'model', 10)
    expect(short.estimate('key', 'model')).toBeLessThan(20)
  })

  it.each([0, -5, Number.NaN, Infinity, 1e300])(
    'an answer of %d tokens leaves an estimate that can be used',
    (tokens) => {
      const quantile = new OutputQuantile()
      for (let each = 0; each < 20; each += 1) quantile.learn('key', 'model', tokens)
      const estimate = quantile.estimate('key', 'model')
      expect(Number.isSafeInteger(estimate)).toBe(true)
      expect(estimate).toBeGreaterThanOrEqual(1)
    },
  )

  it('memory is bounded, and the longest unused is forgotten', () => {
    const quantile = new OutputQuantile()
    for (let each = 0; each < 20; each += 1) quantile.learn('used', 'model', 10)
    for (let each = 0; each < 3000; each += 1) {
      quantile.learn(`key-${each}`, 'model', 2000)
      quantile.learn('long', 'x'.repeat(10_000), 2000)
      quantile.estimate('used', 'model')
    }
    expect(quantile.size).toBe(1000)
    expect(quantile.estimate('used', 'model')).toBeLessThan(20)
    expect(quantile.estimate('key-0', 'model')).toBe(1024)
    expect(quantile.estimate('long', 'x'.repeat(10_000))).toBe(1024)
  })
})
