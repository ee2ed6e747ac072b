import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DialectName } from '../../src/core/config/types.ts'
import { dialectOf } from '../../src/core/dialect/dialect.ts'
import { refusalHeaders } from '../../src/core/dialect/refusal-headers.ts'
import { goDuration } from '../../src/core/limit/headers-vendor.ts'
import { rateLimitFields } from '../../src/core/limit/headers.ts'
import { limitKind } from '../../src/core/limit/kinds/kinds.ts'
import { limitKindNames, type LimitSpec } from '../../src/core/limit/spec.ts'
import type { LimitStanding } from '../../src/core/limit/standing.ts'
import { describeRefusal, type Refusal } from '../../src/core/refusal.ts'
import page from '../../docs/limits.md?raw'
import { moneyBudget, requestRate } from '../support/limits.ts'
import { parseListOfStrings } from './structured-fields.ts'

const lenient = { durability: 'default', onFailure: 'coast' } as const
const minute = requestRate(600, lenient)
const fiveHours: LimitSpec = {
  ...minute,
  name: 'tok5h',
  kind: 'token-window',
  max: 1_000_000,
  periodMs: 18_000_000,
  burst: null,
}
const dollars = moneyBudget(5_000_000, { ...lenient, name: 'usd' })
const streams: LimitSpec = { ...dollars, name: 'streams', kind: 'concurrent-streams', max: 4, calendar: null }

const standing = (spec: LimitSpec, remaining: number, resetMs: number): LimitStanding => ({
  spec,
  remaining,
  resetMs,
})
const several = [
  standing(minute, 412, 2_001),
  standing(fiveHours, 81_230.9, 900_000),
  standing(dollars, -3, 86_400_000),
  standing(streams, 2, 0),
]
const nowMs = Date.UTC(2026, 10, 25, 12)

const specs: fc.Arbitrary<LimitSpec> = fc.record({
  name: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }),
  kind: fc.constantFrom(...limitKindNames),
  max: fc.integer({ min: 1, max: 1e12 }),
  periodMs: fc.option(fc.integer({ min: 1, max: 2e9 })),
  burst: fc.option(fc.integer({ min: 1, max: 1e12 })),
  calendar: fc.option(fc.constantFrom('day' as const, 'month' as const)),
  durability: fc.constant('strict' as const),
  onFailure: fc.constant('closed' as const),
  reserve: fc.constant('auto' as const),
})
const standings = fc.uniqueArray(
  fc.record({
    spec: specs,
    remaining: fc.double({ min: -10, max: 1e16, noNaN: true }),
    resetMs: fc.double({ min: 0, max: 3e9, noNaN: true }),
  }),
  { minLength: 1, maxLength: 8, selector: ({ spec }) => spec.name },
)

const limited = (waitMs: number | null): Refusal => ({
  refused: 'limit_reached',
  violated: ['rpm'],
  waitMs,
  standings: [standing(minute, 0, 60_000), standing(fiveHours, 5, 900_000)],
})
const told = (refusal: Refusal, name: DialectName = 'openai', jitter = 0) =>
  refusalHeaders(describeRefusal(refusal), dialectOf(name), { nowMs, jitter })

describe('RateLimit and RateLimit-Policy', () => {
  test('say what the draft has them say', () => {
    expect(rateLimitFields(several)).toEqual({
      'ratelimit-policy':
        '"rpm";q=600;w=60, "tok5h";q=1000000;qu="tokens";w=18000, "usd";q=5000000;qu="micro-usd", ' +
        '"streams";q=4;qu="concurrent-requests"',
      ratelimit: '"rpm";r=412;t=3, "tok5h";r=81230;t=900, "usd";r=0;t=86400, "streams";r=2',
    })
  })

  test('are structured fields: read by the rules of RFC 9651 they say each limit once', () => {
    fc.assert(
      fc.property(standings, (all) => {
        const fields = rateLimitFields(all)
        const policies = parseListOfStrings(fields['ratelimit-policy'] ?? '')
        const limits = parseListOfStrings(fields['ratelimit'] ?? '')
        const named = all.map(({ spec }) => spec.name)
        expect(policies.map(({ name }) => name)).toEqual(named)
        expect(limits.map(({ name }) => name)).toEqual(named)
        for (const [at, { spec, remaining, resetMs }] of all.entries()) {
          expect(policies[at]?.parameters.get('q')).toBe(spec.max)
          expect(policies[at]?.parameters.get('qu') ?? null).toBe(limitKind(spec.kind).headerUnit)
          const left = limits[at]?.parameters.get('r') ?? null
          expect(left).toBe(Math.min(999_999_999_999_999, Math.max(0, Math.floor(remaining))))
          const reset = limits[at]?.parameters.get('t') ?? null
          if (limitKind(spec.kind).counts === 'slots') expect(reset).toBeNull()
          else expect(reset).toBe(Math.ceil(resetMs / 1000))
        }
      }),
    )
  })

  test('say the burst where it is another number, and a day but no month as a window', () => {
    const day = { ...dollars, calendar: 'day' as const }
    const fields = rateLimitFields([standing({ ...minute, burst: 50 }, 1, 0), standing(day, 1, 0)])
    expect(fields['ratelimit-policy']).toBe(
      '"rpm";q=600;w=60;sluice-burst=50, "usd";q=5000000;qu="micro-usd";w=86400',
    )
  })

  test('tell the tighter one of two limits of one name, and stay away where there is none', () => {
    const other = { ...minute, max: 60, burst: 60 }
    expect(rateLimitFields([standing(minute, 100, 0), standing(other, 30, 0)])['ratelimit']).toBe(
      '"rpm";r=100;t=0',
    )
    expect(rateLimitFields([standing(minute, 500, 0), standing(other, 30, 0)])['ratelimit']).toBe(
      '"rpm";r=30;t=0',
    )
    expect(rateLimitFields([])).toEqual({})
    for (const name of ['openai', 'anthropic', 'http'] as const) {
      expect(dialectOf(name).limitHeaders([], nowMs)).toEqual({})
    }
  })

  test('are what the page on limits shows', () => {
    const fields = rateLimitFields([
      standing({ ...minute, name: 'request-rate', burst: 100 }, 82, 1_700),
      standing({ ...fiveHours, name: 'five-hours' }, 81_230, 900_000),
    ])
    for (const [name, value] of Object.entries(fields)) expect(page).toContain(`\n${name}: ${value}\n`)
  })
})

describe('the fields of providers', () => {
  const tighter = standing({ ...fiveHours, name: 'tpm', max: 1_000, kind: 'token-rate' }, 10, 360_000)

  test('on openai routes: the tightest limit of requests and of tokens, resets as durations of Go', () => {
    expect(dialectOf('openai').limitHeaders([...several, tighter], nowMs)).toMatchObject({
      'x-ratelimit-limit-requests': '600',
      'x-ratelimit-remaining-requests': '412',
      'x-ratelimit-reset-requests': '2.001s',
      'x-ratelimit-limit-tokens': '1000',
      'x-ratelimit-remaining-tokens': '10',
      'x-ratelimit-reset-tokens': '6m0s',
      ratelimit: expect.any(String),
    })
  })

  test('on anthropic routes: the same, resets as times of RFC 3339', () => {
    expect(dialectOf('anthropic').limitHeaders(several, nowMs)).toEqual({
      ...rateLimitFields(several),
      'anthropic-ratelimit-requests-limit': '600',
      'anthropic-ratelimit-requests-remaining': '412',
      'anthropic-ratelimit-requests-reset': '2026-11-25T12:00:03Z',
      'anthropic-ratelimit-tokens-limit': '1000000',
      'anthropic-ratelimit-tokens-remaining': '81230',
      'anthropic-ratelimit-tokens-reset': '2026-11-25T12:15:00Z',
    })
  })

  test('on http routes there are none, nor for what providers do not limit', () => {
    expect(dialectOf('http').limitHeaders(several, nowMs)).toEqual(rateLimitFields(several))
    const others = [standing(dollars, 1, 0), standing(streams, 1, 0)]
    expect(Object.keys(dialectOf('openai').limitHeaders(others, nowMs))).toEqual([
      'ratelimit-policy',
      'ratelimit',
    ])
  })

  test.each([
    [0, '0s'],
    [0.2, '1ms'],
    [12, '12ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [8_640, '8.64s'],
    [60_000, '1m0s'],
    [360_000, '6m0s'],
    [3_600_000, '1h0m0s'],
    [18_061_500, '5h1m1.5s'],
  ])('%d ms is %s', (ms, text) => {
    expect(goDuration(ms)).toBe(text)
  })

  test('a remote end of time makes no header that cannot be read', () => {
    const fields = dialectOf('anthropic').limitHeaders([standing(minute, 1, Number.MAX_VALUE)], nowMs)
    for (const value of Object.values(fields)) expect(value).toMatch(/^[ -~]+$/)
  })
})

describe('a refusal', () => {
  test('says exactly when to come back, and that official clients may', () => {
    expect(told(limited(1_234))).toMatchObject({
      'retry-after': '2',
      'retry-after-ms': '1234',
      'x-should-retry': 'true',
      ratelimit: '"rpm";r=0;t=2, "tok5h";r=5;t=900',
      'x-ratelimit-remaining-requests': '0',
    })
  })

  test.each([
    [30_000, 'true'],
    [30_001, 'false'],
    [14_000_000, 'false'],
    [null, 'false'],
  ])('that lasts %j ms has official clients wait: %s', (waitMs, retry) => {
    const headers = told(limited(waitMs))
    expect(headers['x-should-retry']).toBe(retry)
    expect(headers['retry-after']).toBe(waitMs === null ? undefined : String(Math.ceil(waitMs / 1000)))
  })

  test.each<[Refusal, string | undefined, string]>([
    [{ refused: 'budget_exhausted', violated: ['usd'], waitMs: 5_000, standings: [] }, '5', 'false'],
    [
      { refused: 'limit_too_small', violated: ['tpm'], counts: 'tokens', asked: 9, max: 5 },
      undefined,
      'false',
    ],
    [{ refused: 'model_not_priced', model: 'm' }, undefined, 'false'],
    [{ refused: 'limits_unavailable', retryAfterMs: 1_000 }, '1', 'true'],
    [{ refused: 'flooded', retryAfterMs: 10_000 }, '10', 'true'],
    [{ refused: 'keys_unavailable', retryAfterMs: 1_500 }, '2', 'true'],
    [{ refused: 'upstream_error', upstreamStatus: 429, retryAfter: '7' }, '7', 'true'],
    [{ refused: 'upstream_error', upstreamStatus: 429, retryAfter: '7200' }, '7200', 'false'],
    [{ refused: 'key_missing' }, undefined, 'false'],
  ])('%j says when and whether to try again', (refusal, retryAfter, retry) => {
    const headers = told(refusal)
    expect([headers['retry-after'], headers['x-should-retry']]).toEqual([retryAfter, retry])
    const plain = told(refusal, 'http')
    expect([plain['retry-after'], plain['x-should-retry'], plain['retry-after-ms']]).toEqual([
      retryAfter,
      undefined,
      undefined,
    ])
  })

  test('draws waits out by 10 % and a minute at most, and never says one that is too short', () => {
    const waits = fc.integer({ min: 0, max: 3_000_000_000 })
    fc.assert(
      fc.property(waits, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (waitMs, jitter) => {
        const headers = told(limited(waitMs), 'anthropic', jitter)
        const exactMs = Number(headers['retry-after-ms'])
        const seconds = Number(headers['retry-after'])
        expect(exactMs).toBeGreaterThanOrEqual(waitMs)
        expect(exactMs).toBeLessThanOrEqual(waitMs + Math.min(60_000, waitMs / 10) + 1)
        expect(seconds).toBe(Math.ceil(exactMs / 1000))
        // `t` of the violated limit is over when the client is told to come back.
        const [violated] = parseListOfStrings(headers['ratelimit'] ?? '')
        expect(violated?.parameters.get('t')).toBeLessThanOrEqual(seconds)
      }),
    )
  })
})
