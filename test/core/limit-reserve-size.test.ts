import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { costOf, priceTable, type ModelPrice } from '../../src/core/llm/cost.ts'
import { reserveSize, sliceTokens, type ReserveWant } from '../../src/core/limit/reserve-size.ts'
import type { LimitKindName, LimitSpec } from '../../src/core/limit/spec.ts'

const gpt: ModelPrice = { input: 2_500_000, cachedInput: 1_250_000, cacheWrite: null, output: 10_000_000 }
const claude: ModelPrice = {
  input: 3_000_000,
  cachedInput: 300_000,
  cacheWrite: 3_750_000,
  output: 15_000_000,
}

const want = (parts: Partial<ReserveWant> = {}): ReserveWant => ({
  inputTokens: 1000,
  outputTokensMax: null,
  choices: 1,
  outputTokensLikely: 700,
  price: null,
  stream: true,
  bodyRead: true,
  ...parts,
})

function limit(
  kind: LimitKindName,
  reserve: LimitSpec['reserve'],
  max = 1_000_000,
  burst: number | null = null,
) {
  const spec: LimitSpec = {
    name: 'l',
    kind,
    max,
    periodMs: kind === 'token-rate' || kind === 'token-window' ? 60_000 : null,
    burst,
    calendar: kind.endsWith('budget') ? 'day' : null,
    durability: 'strict',
    onFailure: 'closed',
    reserve,
  }
  return spec
}

describe('tokens reserved', () => {
  it.each<[string, LimitSpec, number, Partial<ReserveWant>, number]>([
    ['auto: input and what is likely', limit('token-window', 'auto'), 0.5, {}, 1700],
    [
      'auto: at most what the client allows',
      limit('token-window', 'auto'),
      0.5,
      { outputTokensMax: 50 },
      1050,
    ],
    ['auto, at 80 %', limit('token-window', 'auto'), 0.8, { outputTokensMax: 9000 }, 1700],
    [
      'auto, above 80 %: what the client allows',
      limit('token-window', 'auto'),
      0.81,
      { outputTokensMax: 9000 },
      10_000,
    ],
    ['auto, above 80 % of a budget', limit('token-budget', 'auto'), 0.9, { outputTokensMax: 9000 }, 10_000],
    ['auto, above 80 % of a rate', limit('token-rate', 'auto'), 0.9, { outputTokensMax: 9000 }, 1700],
    ['auto, above 80 %, nothing allowed', limit('token-window', 'auto'), 0.9, {}, 5096],
    ['p90, above 80 %', limit('token-window', 'p90'), 0.9, { outputTokensMax: 9000 }, 1700],
    ['max', limit('token-window', 'max'), 0, { outputTokensMax: 9000 }, 10_000],
    ['max, nothing allowed', limit('token-window', 'max'), 0, {}, 5096],
    [
      'max, nothing allowed, long answers',
      limit('token-window', 'max'),
      0,
      { outputTokensLikely: 6000 },
      7000,
    ],
    ['slices', limit('token-window', 'slices'), 0, { outputTokensMax: 9000 }, 1000 + sliceTokens],
    ['slices, less allowed', limit('token-window', 'slices'), 0, { outputTokensMax: 9 }, 1009],
    [
      'slices, no stream to end',
      limit('token-window', 'slices'),
      0,
      { outputTokensMax: 9000, stream: false },
      10_000,
    ],
    ['each answer', limit('token-window', 'max'), 0, { outputTokensMax: 100, choices: 3 }, 1300],
    ['each likely answer', limit('token-window', 'p90'), 0, { choices: 3 }, 3100],
    ['capped where nothing is allowed', limit('token-window', 'max', 3000), 0, {}, 3000],
    [
      'capped where a likely answer is longer',
      limit('token-window', 'p90', 1200),
      0,
      { outputTokensMax: 9000 },
      1200,
    ],
    ['capped at the burst', limit('token-rate', 'p90', 60_000, 1500), 0, {}, 1500],
  ])('%s', (_name, spec, usedShare, parts, cost) => {
    const size = reserveSize(want(parts), spec, usedShare)
    expect(size).toEqual({ kind: 'size', cost, outputTokens: cost - 1000 })
  })

  it.each<[string, LimitSpec, Partial<ReserveWant>, number]>([
    ['a maximum that is reserved', limit('token-window', 'max', 3000), { outputTokensMax: 2001 }, 3001],
    ['a maximum below what is likely', limit('token-window', 'p90', 1500), { outputTokensMax: 600 }, 1600],
    ['all answers', limit('token-window', 'max', 3000), { outputTokensMax: 1001, choices: 2 }, 3002],
    ['a burst', limit('token-rate', 'max', 60_000, 1500), { outputTokensMax: 501 }, 1501],
    ['input alone', limit('token-window', 'p90', 999), {}, 1000],
    ['a slice', limit('token-window', 'slices', 1100), { outputTokensMax: 200 }, 1200],
  ])('are too many for good: %s', (_name, spec, parts, asked) => {
    const max = spec.burst ?? spec.max
    expect(reserveSize(want(parts), spec, 0)).toEqual({ kind: 'too-large', asked, max })
  })
})

describe('of a request whose body nobody has read', () => {
  const unread = { bodyRead: false, outputTokensMax: null, choices: 1 }

  it.each<[string, LimitSpec, number, number]>([
    ['`max` reserves all of a window', limit('token-window', 'max'), 0, 1_000_000],
    ['`max` reserves all of a budget', limit('token-budget', 'max'), 0.5, 1_000_000],
    ['`max` reserves the burst of a rate', limit('token-rate', 'max', 60_000, 9_000), 0, 9_000],
    ['`auto` reserves what is likely', limit('token-window', 'auto'), 0.5, 1_700],
    ['`auto` above 80 % reserves 4,096 of output', limit('token-window', 'auto'), 0.9, 5_096],
    ['`p90` reserves what is likely', limit('token-window', 'p90'), 0.9, 1_700],
    ['`slices` reserve the first slice', limit('token-window', 'slices'), 0.9, 1_000 + sliceTokens],
  ])('%s', (_name, spec, usedShare, cost) => {
    const size = reserveSize(want(unread), spec, usedShare)
    expect(size).toEqual({ kind: 'size', cost, outputTokens: cost - 1_000 })
  })

  it('`max` reserves all of the money, also where output costs none', () => {
    const budget = limit('money-budget', 'max', 5_000)
    const wanted = want({ ...unread, price: gpt })
    expect(reserveSize(wanted, budget, 0)).toEqual({ kind: 'size', cost: 5_000, outputTokens: 250 })
    const free = want({ ...unread, price: { ...gpt, output: 0 } })
    expect(reserveSize(free, budget, 0)).toMatchObject({ kind: 'size', cost: 5_000 })
  })

  it('`max` is told that its input alone is too much', () => {
    const small = limit('token-window', 'max', 999)
    expect(reserveSize(want(unread), small, 0)).toEqual({ kind: 'too-large', asked: 1_000, max: 999 })
  })
})

describe('money reserved', () => {
  const budget = limit('money-budget', 'max', 50_000)

  it.each<[string, ModelPrice, Partial<ReserveWant>, number]>([
    ['in micro-dollars', gpt, { outputTokensMax: 100 }, 3500],
    ['as if all input were written to the cache', claude, { outputTokensMax: 100 }, 5250],
    ['rounded up', { ...gpt, output: 1 }, { outputTokensMax: 1 }, 2501],
    ['at least one', { ...gpt, input: 0, cachedInput: null, output: 0 }, { outputTokensMax: 1 }, 1],
  ])('%s', (_name, price, parts, cost) => {
    expect(reserveSize(want({ price, ...parts }), budget, 0)).toMatchObject({ kind: 'size', cost })
  })

  it('needs a price', () => {
    expect(reserveSize(want(), budget, 0)).toEqual({ kind: 'unpriced' })
  })

  it('says how much output it covers when it is capped', () => {
    const small = limit('money-budget', 'p90', 5000)
    expect(reserveSize(want({ price: gpt }), small, 0)).toEqual({
      kind: 'size',
      cost: 5000,
      outputTokens: 250,
    })
    const maximum = reserveSize(
      want({ price: gpt, outputTokensMax: 251 }),
      limit('money-budget', 'max', 5000),
      0,
    )
    expect(maximum).toEqual({ kind: 'too-large', asked: 5010, max: 5000 })
  })

  it('never less than what an exchange within the reservation costs', () => {
    const counts = fc.nat({ max: 1_000_000 })
    fc.assert(
      fc.property(fc.record({ input: counts, cached: counts, written: counts, output: counts }), (used) => {
        const inputTokens = used.input + used.cached + used.written
        const wanted = want({ price: claude, inputTokens, outputTokensMax: Math.max(1, used.output) })
        const size = reserveSize(wanted, limit('money-budget', 'max', Number.MAX_SAFE_INTEGER), 0)
        const usage = {
          inputTokens,
          cachedInputTokens: used.cached,
          cacheWriteTokens: used.written,
          outputTokens: used.output,
          reasoningTokens: null,
          source: 'measured' as const,
          model: 'm',
        }
        const cost = costOf(usage, null, priceTable({ m: claude }))
        expect(size.kind === 'size' && cost.priced && size.cost >= cost.microUsd).toBe(true)
      }),
    )
  })
})

describe('what a client says', () => {
  const odd = fc.oneof(
    fc.constantFrom(0, -1, 0.5, 1.5, 1e9, 1e15, 2 ** 53, 1e300, Infinity, -Infinity, Number.NaN),
    fc.integer({ min: -10, max: 100_000 }),
  )

  it('always comes to a whole number between one and the limit, or to a refusal', () => {
    const specs = fc.tuple(
      fc.constantFrom<LimitKindName>('token-rate', 'token-window', 'token-budget', 'money-budget'),
      fc.constantFrom<LimitSpec['reserve']>('auto', 'p90', 'max', 'slices'),
      fc.integer({ min: 1, max: 1_000_000_000_000 }),
      fc.option(fc.integer({ min: 1, max: 1_000_000 })),
    )
    const wants = fc.record<ReserveWant>({
      inputTokens: odd,
      outputTokensMax: fc.option(odd),
      choices: fc.oneof(odd, fc.constant(1000)),
      outputTokensLikely: odd,
      price: fc.constantFrom(null, gpt, claude),
      stream: fc.boolean(),
      bodyRead: fc.boolean(),
    })
    fc.assert(
      fc.property(specs, wants, fc.double({ min: 0, max: 1, noNaN: true }), (spec, wanted, share) => {
        const [kind, reserve, max, burst] = spec
        const capacity = (kind === 'token-rate' ? burst : null) ?? max
        const size = reserveSize(
          wanted,
          limit(kind, reserve, max, kind === 'token-rate' ? burst : null),
          share,
        )
        if (size.kind === 'unpriced') expect([kind, wanted.price]).toEqual(['money-budget', null])
        if (size.kind === 'too-large') {
          expect(size.max).toBe(capacity)
          expect(size.asked).toBeGreaterThan(capacity)
        }
        if (size.kind !== 'size') return
        expect(Number.isSafeInteger(size.cost) && size.cost >= 1 && size.cost <= capacity).toBe(true)
        expect(Number.isSafeInteger(size.outputTokens) && size.outputTokens >= 0).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it.each(['p90', 'max', 'slices'] as const)('%s of what puts out no text reserves its input', (reserve) => {
    const size = reserveSize(want({ outputTokensMax: 0, choices: 3 }), limit('token-window', reserve), 0.9)
    expect(size).toEqual({ kind: 'size', cost: 1000, outputTokens: 0 })
  })

  it.each([-1, Number.NaN])('a maximum of %d is none', (outputTokensMax) => {
    const spec = limit('token-window', 'max')
    expect(reserveSize(want({ outputTokensMax }), spec, 0)).toEqual(reserveSize(want(), spec, 0))
  })
})
