import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  capacityOf,
  denyMsOf,
  guardMs,
  leasedMaxOf,
  leaseMsOf,
  periodMsOf,
  replyWithinMs,
  unstoredMaxOf,
} from '../../src/core/limit/counter/lease-terms.ts'
import { rateOf } from './limit-desk.ts'

/** Silence after which Cloudflare discards the memory of a Durable Object. Milliseconds. */
const hibernatesAfterMs = 10_000

const rates = fc
  .record({
    burst: fc.integer({ min: 1, max: 1_000_000 }),
    max: fc.integer({ min: 1, max: 1_000_000 }),
    periodMs: fc.constantFrom(1000, 60_000, 3_600_000),
  })
  .map(({ burst, max, periodMs }) => rateOf(burst, max, { periodMs }))

describe('the terms of leases', () => {
  test('let a bucket that nothing was stored of be full again when its Ledger has slept', () => {
    fc.assert(
      fc.property(rates, (spec) => {
        const perMs = spec.max / periodMsOf(spec)
        const whileReplies = hibernatesAfterMs - replyWithinMs - guardMs
        const whileLeases = hibernatesAfterMs - leaseMsOf(spec) - guardMs
        expect(leasedMaxOf(spec) + unstoredMaxOf(spec)).toBeLessThanOrEqual(perMs * whileReplies + 1e-9)
        expect(leasedMaxOf(spec)).toBeLessThanOrEqual(perMs * whileLeases + 1e-9)
      }),
    )
  })

  test('lease a quarter of a limit at most, and for no longer than a quarter of the time it takes to fill', () => {
    fc.assert(
      fc.property(rates, (spec) => {
        expect(leasedMaxOf(spec)).toBeLessThanOrEqual(capacityOf(spec) / 4)
        expect(leaseMsOf(spec)).toBeLessThanOrEqual(
          (capacityOf(spec) * periodMsOf(spec)) / spec.max / 4 + 1e-9,
        )
      }),
    )
  })

  test.each([1, 100, 5000])(
    'keep %s isolates that are refused within 200 calls a second, more or less',
    (count) => {
      const isolates = Array.from({ length: count }, (_, ordinal) =>
        denyMsOf(rateOf(100, 100), 0, { count, ordinal }),
      )
      const perSecond = isolates.reduce((sum, denyMs) => sum + 1000 / denyMs, 0)
      expect(perSecond).toBeLessThan(Math.max(230, count * 12))
    },
  )
})
