import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { estimateInput, TokenEstimator } from '../../src/core/llm/estimate.ts'
import type { TokenCounts, UsageReading } from '../../src/core/llm/usage.ts'

const seen = { model: 'asked', bodyBytes: 401, textBytes: 30, texts: 5 }

function reading(counts: Partial<TokenCounts> | null, rest: Partial<UsageReading> = {}): UsageReading {
  const empty = { cachedInputTokens: null, cacheWriteTokens: null, reasoningTokens: null }
  return {
    counts: counts === null ? null : { inputTokens: null, outputTokens: null, ...empty, ...counts },
    outputIsFinal: counts?.outputTokens !== undefined,
    model: 'named',
    sawTerminal: true,
    endedWithError: false,
    ...rest,
  }
}

describe('the usage to charge', () => {
  it('is what the upstream counted, with zero as zero', () => {
    const estimator = new TokenEstimator()
    expect(
      estimator.complete(reading({ inputTokens: 9, outputTokens: 0, cachedInputTokens: 4 }), seen),
    ).toEqual({
      inputTokens: 9,
      cachedInputTokens: 4,
      cacheWriteTokens: null,
      outputTokens: 0,
      reasoningTokens: null,
      source: 'measured',
      model: 'named',
    })
  })

  it('is estimated from bytes where the upstream counted nothing', () => {
    const usage = new TokenEstimator().complete(reading(null, { model: null }), seen)
    expect(usage).toMatchObject({ inputTokens: 101, outputTokens: 8, source: 'estimated', model: null })
  })

  it('takes what was counted and estimates the rest', () => {
    const estimator = new TokenEstimator()
    const begun = reading({ inputTokens: 9, outputTokens: 1 }, { outputIsFinal: false })
    expect(estimator.complete(begun, seen)).toMatchObject({
      inputTokens: 9,
      outputTokens: 8,
      source: 'estimated',
    })
    expect(estimator.complete(reading({ outputTokens: 2 }), seen)).toMatchObject({
      inputTokens: 101,
      outputTokens: 2,
      source: 'estimated',
    })
  })

  it('is never less than the upstream had counted when the stream broke off', () => {
    const begun = reading({ inputTokens: 9, outputTokens: 50 }, { outputIsFinal: false })
    expect(new TokenEstimator().complete(begun, seen).outputTokens).toBe(50)
  })

  it('is nothing where nothing was sent or delivered', () => {
    const nothing = { model: null, bodyBytes: 0, textBytes: 0, texts: 0 }
    expect(new TokenEstimator().complete(reading(null), nothing)).toMatchObject({
      inputTokens: 0,
      outputTokens: 0,
    })
  })

  it('learns from exact counts what a token of the model is', () => {
    const estimator = new TokenEstimator()
    const exact = reading({ inputTokens: 1, outputTokens: 100 })
    for (let n = 0; n < 60; n += 1) estimator.complete(exact, { ...seen, textBytes: 250 })
    expect(estimator.factor('named')).toBeCloseTo(2.5, 3)
    expect(estimator.complete(reading(null), { ...seen, textBytes: 250 }).outputTokens).toBe(100)
    expect(estimator.factor('asked')).toBe(4)
  })
})

describe('estimated output', () => {
  const estimator = new TokenEstimator()

  it.each([
    [0, 0, 0],
    [1, 0, 1],
    [4, 1, 1],
    [5, 1, 2],
    [400, 3, 100],
    [400, 150, 150],
  ])('of %d bytes in %d texts is %d', (textBytes, texts, tokens) => {
    expect(estimator.estimateOutput(null, { textBytes, texts })).toBe(tokens)
  })

  it('is at least one token for any byte and grows with the bytes', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 1e6 }),
        fc.nat({ max: 1e6 }),
        fc.integer({ min: 1, max: 1e6 }),
        (a, b, tokens) => {
          const learnt = new TokenEstimator()
          learnt.learn('m', a, tokens)
          const [few, many] = [Math.min(a, b) + 1, Math.max(a, b) + 1]
          const estimate = (textBytes: number) => learnt.estimateOutput('m', { textBytes, texts: 0 })
          expect(estimate(few)).toBeGreaterThanOrEqual(1)
          expect(estimate(many)).toBeGreaterThanOrEqual(estimate(few))
        },
      ),
    )
  })

  it.each([
    [0, 0],
    [1, 1],
    [4, 1],
    [5, 2],
  ])('of input: %d bytes are %d tokens', (bytes, tokens) => {
    expect(estimateInput(bytes)).toBe(tokens)
  })
})

/** A model's factor after one exact count. */
function after(textBytes: number, tokens: number): number {
  const estimator = new TokenEstimator()
  estimator.learn('m', textBytes, tokens)
  return estimator.factor('m')
}

describe('what is learnt of a model', () => {
  it('stays from 1.5 to 8 bytes in a token, whatever was counted', () => {
    const exact = fc.tuple(fc.nat({ max: 1e6 }), fc.nat({ max: 1e6 }))
    fc.assert(
      fc.property(fc.array(exact, { maxLength: 50 }), (counts) => {
        const estimator = new TokenEstimator()
        for (const [textBytes, tokens] of counts) estimator.learn('m', textBytes, tokens)
        expect(estimator.factor('m')).toBeGreaterThanOrEqual(1.5)
        expect(estimator.factor('m')).toBeLessThanOrEqual(8)
      }),
    )
  })

  it('moves less for a short answer than for a long one, and not for one without text or tokens', () => {
    expect(after(2_000, 1_000)).toBeCloseTo(3.6)
    expect(after(10, 5)).toBeCloseTo(3.96)
    expect([after(0, 10), after(10, 0)]).toEqual([4, 4])
  })

  it('is kept for the 200 models used last', () => {
    const estimator = new TokenEstimator()
    for (let n = 0; n < 200; n += 1) estimator.learn(`m${n}`, 200, 100)
    expect(estimator.factor('m0')).toBeLessThan(4)
    estimator.learn('one more', 200, 100)
    expect(estimator.models).toBe(200)
    expect(estimator.factor('m0')).toBeLessThan(4)
    expect(estimator.factor('m1')).toBe(4)
    expect(estimator.factor('m2')).toBeLessThan(4)
  })
})
