import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePrices } from '../../src/core/config/parse-prices.ts'
import { problemList } from '../../src/core/config/problem-list.ts'
import { costOf, priceOf, priceTable, type ModelPrice, type Prices } from '../../src/core/llm/cost.ts'
import type { Usage } from '../../src/core/llm/usage.ts'

function parsed(value: unknown): { readonly prices: Prices; readonly problems: readonly string[] } {
  const problems = problemList()
  const prices = parsePrices({ value, path: '$.prices', secretive: false, problems })
  return { prices, problems: problems.all().map(({ path, expected }) => `${path}: ${expected}`) }
}

const usage = (input: number, output: number, parts: Partial<Usage> = {}): Usage => ({
  inputTokens: input,
  outputTokens: output,
  cachedInputTokens: null,
  cacheWriteTokens: null,
  reasoningTokens: null,
  source: 'measured',
  model: 'm',
  ...parts,
})

const microUsd = (of: Usage, price: ModelPrice): number => {
  const cost = costOf(of, null, priceTable({ m: price }))
  expect(cost.priced).toBe(true)
  return cost.priced ? cost.microUsd : Number.NaN
}

const claude = parsed({ m: { input: 3, cachedInput: 0.3, cacheWrite: 3.75, output: 15 } }).prices['m']

describe('prices in a configuration', () => {
  it('are read as whole numbers, to the last of six decimals', () => {
    const { prices, problems } = parsed({
      'gpt-4o-mini': { input: 0.15, cachedInput: 0.075, output: 0.6 },
      'gemini*': { input: 0.0375, cachedInput: 0.009375, cacheWrite: 10_000, output: 0 },
    })
    expect(problems).toEqual([])
    expect(prices).toEqual({
      'gpt-4o-mini': { input: 150_000, cachedInput: 75_000, cacheWrite: null, output: 600_000 },
      'gemini*': { input: 37_500, cachedInput: 9_375, cacheWrite: 10_000_000_000, output: 0 },
    })
  })

  it('are none where the document has none', () => {
    expect(parsed(undefined)).toEqual({ prices: {}, problems: [] })
  })

  it('are read exactly from any six decimals', () => {
    fc.assert(
      fc.property(fc.nat({ max: 10_000_000_000 }), (millionths) => {
        const { prices } = parsed({ m: { input: millionths / 1e6, output: 0 } })
        expect(prices['m']?.input).toBe(millionths)
      }),
    )
  })

  const money = 'USD for a million tokens: 0 to 10000 with at most 6 decimals'
  const name = 'a model name of visible ASCII characters, `*` only at its end'

  it.each([
    [[], ['$.prices: an object']],
    [{ m: 3 }, ['$.prices.m: an object']],
    [{ m: { input: 3 } }, [`$.prices.m.output: ${money}`]],
    [{ m: { input: -1, output: '2' } }, [`$.prices.m.input: ${money}`, `$.prices.m.output: ${money}`]],
    [
      { m: { input: 10_001, output: 0.0000001 } },
      [`$.prices.m.input: ${money}`, `$.prices.m.output: ${money}`],
    ],
    [
      { m: { input: 1, output: 1, cachedinput: 1 } },
      ['$.prices.m.cachedinput: `cachedInput`; did you mean that?'],
    ],
    [{ 'a*b': { input: 1, output: 1 } }, [`$.prices["a*b"]: ${name}`]],
    [{ '': { input: 1, output: 1 } }, [`$.prices[""]: ${name}`]],
  ])('%j is refused with its place', (value, problems) => {
    expect(parsed(value).problems).toEqual(problems)
  })

  it('are at most a thousand', () => {
    const many = Object.fromEntries(
      Array.from({ length: 1_001 }, (_, n) => [`m${n}`, { input: 1, output: 1 }]),
    )
    expect(parsed(many).problems).toEqual(['$.prices: at most 1000 prices'])
  })
})

describe('the price of a model', () => {
  const one = { input: 1, cachedInput: null, cacheWrite: null, output: 1 }
  const named = (input: number): ModelPrice => ({ ...one, input })
  const table = priceTable({
    'gpt-4o': named(1),
    'gpt-4o*': named(2),
    'gpt*': named(3),
    'gpt-4o-mini*': named(4),
  })

  it.each([
    ['gpt-4o', 1],
    ['gpt-4o-2024-08-06', 2],
    ['gpt-4o-mini-2024', 4],
    ['gpt-5', 3],
    ['gpt', 3],
    ['gp', undefined],
    ['GPT-4o', undefined],
    ['constructor', undefined],
  ])('%s: the longest name that fits', (model, input) => {
    expect(priceOf(model, table)?.input).toBe(input)
  })

  it('may be one for all', () => {
    expect(priceOf('anything', priceTable({ '*': one, 'any*': named(9) }))?.input).toBe(9)
    expect(priceOf('other', priceTable({ '*': one, 'any*': named(9) }))?.input).toBe(1)
  })

  it('is that of the name the upstream gives, else of the name asked for, else unknown', () => {
    const prices = priceTable({ upstream: named(1_000_000), asked: named(2_000_000) })
    const cost = (model: string | null, asked: string | null) => costOf(usage(1, 0, { model }), asked, prices)
    expect(cost('upstream', 'asked')).toEqual({ priced: true, microUsd: 1 })
    expect(cost('other', 'asked')).toEqual({ priced: true, microUsd: 2 })
    expect(cost(null, 'asked')).toEqual({ priced: true, microUsd: 2 })
    expect(cost('other', null)).toEqual({ priced: false })
    expect(cost(null, null)).toEqual({ priced: false })
  })
})

describe('the cost of an exchange', () => {
  const price = claude ?? { input: 0, cachedInput: null, cacheWrite: null, output: 0 }

  it.each([
    [usage(1_000_000, 0), 3_000_000],
    [usage(0, 1_000_000), 15_000_000],
    [usage(1_000, 100), 4_500],
    [usage(1_000, 0, { cachedInputTokens: 1_000 }), 300],
    [usage(1_000, 0, { cacheWriteTokens: 1_000 }), 3_750],
    [usage(1_000, 0, { cachedInputTokens: 500, cacheWriteTokens: 400 }), 1_950],
    [usage(1, 0, { cachedInputTokens: 1 }), 1],
    [usage(0, 0), 0],
    [usage(1e9, 1e9), 18_000_000_000],
    [usage(10, 0, { cachedInputTokens: 50, cacheWriteTokens: 50 }), 3],
  ])('%j is %d micro-dollars', (of, cost) => {
    expect(microUsd(of, price)).toBe(cost)
  })

  it('counts the cache as other input where it has no price of its own', () => {
    const plain = { ...price, cachedInput: null, cacheWrite: null }
    expect(microUsd(usage(1_000, 0, { cachedInputTokens: 500, cacheWriteTokens: 400 }), plain)).toBe(3_000)
  })

  const amounts = fc.nat({ max: 10_000_000_000 })
  const prices = fc.record({
    input: amounts,
    cachedInput: fc.option(amounts),
    cacheWrite: fc.option(amounts),
    output: amounts,
  })
  const tokens = fc.nat({ max: 1_000_000_000 })
  const usages = fc
    .tuple(tokens, tokens, tokens, tokens)
    .map(([fresh, cached, written, output]) =>
      usage(fresh + cached + written, output, { cachedInputTokens: cached, cacheWriteTokens: written }),
    )
  const sum = (a: Usage, b: Usage): Usage =>
    usage(a.inputTokens + b.inputTokens, a.outputTokens + b.outputTokens, {
      cachedInputTokens: (a.cachedInputTokens ?? 0) + (b.cachedInputTokens ?? 0),
      cacheWriteTokens: (a.cacheWriteTokens ?? 0) + (b.cacheWriteTokens ?? 0),
    })

  it('of two is the cost of both, but for the rounding up of one', () => {
    fc.assert(
      fc.property(usages, usages, prices, (a, b, of) => {
        const apart = microUsd(a, of) + microUsd(b, of)
        const together = microUsd(sum(a, b), of)
        expect(Number.isSafeInteger(together)).toBe(true)
        expect(apart - together === 0 || apart - together === 1).toBe(true)
      }),
    )
  })

  it('is exactly additive where a token costs whole micro-dollars', () => {
    const whole = fc.nat({ max: 10_000 }).map((usd) => usd * 1_000_000)
    fc.assert(
      fc.property(usages, usages, whole, whole, (a, b, input, output) => {
        const of = { input, cachedInput: null, cacheWrite: null, output }
        expect(microUsd(a, of) + microUsd(b, of)).toBe(microUsd(sum(a, b), of))
      }),
    )
  })

  it('never falls when tokens are added', () => {
    fc.assert(
      fc.property(usages, usages, prices, (a, b, of) => {
        expect(microUsd(sum(a, b), of)).toBeGreaterThanOrEqual(microUsd(a, of))
      }),
    )
  })
})
