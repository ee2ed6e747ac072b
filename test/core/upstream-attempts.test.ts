import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffMs } from '../../src/core/upstream/backoff.ts'
import { healthReport, onward, type CameBack, type Onward } from '../../src/core/upstream/came-back.ts'
import { retryAfterMs } from '../../src/core/upstream/retry-after.ts'
import { RetryBudget } from '../../src/core/upstream/retry-budget.ts'
import type { Refusal } from '../../src/core/refusal.ts'

const answer = (status: number): CameBack => ({ kind: 'answer', status })
const refusal = (refused: Refusal['refused']): CameBack => ({ kind: 'refusal', refused })

const post = { replayable: true, harmless: false, llm: false, ownCredential: false }
const get = { ...post, harmless: true }
const model = { ...post, llm: true, ownCredential: true }

describe('where a request may go next', () => {
  it.each<[string, CameBack, [plainPost: Onward, get: Onward, modelPost: Onward]]>([
    ['a good answer', answer(200), ['nowhere', 'nowhere', 'nowhere']],
    ['a mistake of the client', answer(400), ['nowhere', 'nowhere', 'nowhere']],
    ['a redirect', answer(302), ['nowhere', 'nowhere', 'nowhere']],
    ['a refused credential', answer(401), ['nowhere', 'nowhere', 'elsewhere']],
    ['an empty account', answer(402), ['nowhere', 'nowhere', 'elsewhere']],
    ['a limit', answer(429), ['elsewhere', 'anywhere', 'elsewhere']],
    ['an error', answer(500), ['nowhere', 'anywhere', 'elsewhere']],
    ['a method it does not have', answer(501), ['nowhere', 'nowhere', 'nowhere']],
    ['a bad gateway', answer(502), ['nowhere', 'anywhere', 'elsewhere']],
    ['unavailable', answer(503), ['elsewhere', 'anywhere', 'elsewhere']],
    ['a loop', answer(508), ['nowhere', 'nowhere', 'nowhere']],
    ['no connection, says the edge', answer(521), ['anywhere', 'anywhere', 'anywhere']],
    ['too late, says the edge', answer(524), ['nowhere', 'anywhere', 'elsewhere']],
    ['overloaded', answer(529), ['elsewhere', 'anywhere', 'elsewhere']],
    ['no answer', refusal('upstream_unreachable'), ['nowhere', 'anywhere', 'nowhere']],
    ['silence', refusal('upstream_first_byte_timeout'), ['nowhere', 'elsewhere', 'nowhere']],
    ['an empty stream', refusal('upstream_first_content_timeout'), ['nowhere', 'elsewhere', 'nowhere']],
    ['no time left', refusal('upstream_total_timeout'), ['nowhere', 'nowhere', 'nowhere']],
    ['a body that was cut', refusal('body_too_slow'), ['nowhere', 'nowhere', 'nowhere']],
    ['a client that left', refusal('client_left'), ['nowhere', 'nowhere', 'nowhere']],
    [
      'a secret that is not there',
      refusal('upstream_credential_missing'),
      ['elsewhere', 'elsewhere', 'elsewhere'],
    ],
    [
      'a model that is not allowed there',
      refusal('model_not_allowed'),
      ['elsewhere', 'elsewhere', 'elsewhere'],
    ],
  ])('after %s', (_, came, expected) => {
    expect([post, get, model].map((resending) => onward(came, resending))).toEqual(expected)
    const flowing = [post, get, model].map((resending) => onward(came, { ...resending, replayable: false }))
    expect(flowing).toEqual(['nowhere', 'nowhere', 'nowhere'])
  })

  it('is nowhere after what could have been done, unless the request may be sent twice', () => {
    const came = fc.oneof(
      fc.integer({ min: 100, max: 999 }).map(answer),
      fc.constantFrom(...(['upstream_unreachable', 'upstream_first_byte_timeout'] as const)).map(refusal),
    )
    fc.assert(
      fc.property(came, (each) => {
        const said =
          each.kind === 'answer' && [429, 503, 529, 521, 522, 523, 525, 526, 530].includes(each.status)
        if (!said) expect(onward(each, post)).toBe('nowhere')
      }),
    )
  })
})

it.each<[CameBack, string]>([
  [answer(200), 'answered'],
  [answer(404), 'answered'],
  [answer(429), 'answered'],
  [answer(500), 'failed'],
  [answer(501), 'answered'],
  [answer(508), 'answered'],
  [refusal('upstream_unreachable'), 'unanswered'],
  [refusal('upstream_first_byte_timeout'), 'unanswered'],
  [refusal('client_left'), 'ignored'],
  [refusal('body_too_slow'), 'ignored'],
  [refusal('malformed_request'), 'ignored'],
  [refusal('upstream_credential_missing'), 'ignored'],
])('%j says of its target: %s', (came, report) => {
  expect(healthReport(came)).toBe(report)
})

describe('Retry-After', () => {
  const nowMs = Date.parse('Sun, 06 Nov 1994 08:49:37 GMT')
  it.each<[Record<string, string>, number | null]>([
    [{}, null],
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after': 'Sun, 06 Nov 1994 08:49:47 GMT' }, 10_000],
    [{ 'retry-after': 'Sunday, 06-Nov-94 08:49:47 GMT' }, 10_000],
    [{ 'retry-after': 'Sun, 06 Nov 1994 08:49:07 GMT' }, 0],
    [{ 'retry-after-ms': '250', 'retry-after': '7' }, 250],
    [{ 'retry-after-ms': 'soon', 'retry-after': '7' }, 7_000],
    [{ 'retry-after': '-1' }, null],
    [{ 'retry-after': '1e9' }, null],
    [{ 'retry-after': 'later' }, null],
    [{ 'retry-after': '99999999999' }, null],
    [{ 'retry-after': `Sun, ${'0'.repeat(100)}` }, null],
  ])('%j is %s ms', (headers, expected) => {
    expect(retryAfterMs(new Headers(headers), nowMs)).toBe(expected)
  })
})

it('the wait before another try is drawn evenly from nothing to a bound that doubles and is capped', () => {
  const policy = { baseMs: 100, capMs: 2_000 }
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (tries, fraction) => {
        const ms = backoffMs(tries, policy, fraction)
        expect(ms).toBe(Math.floor(fraction * Math.min(2_000, 100 * 2 ** Math.min(tries - 1, 20))))
        expect(ms).toBeGreaterThanOrEqual(0)
        expect(ms).toBeLessThan(2_000)
      },
    ),
  )
  expect([1, 2, 3, 6].map((tries) => backoffMs(tries, policy, 0.999_99))).toEqual([99, 199, 399, 1_999])
})

describe('the budget for retries', () => {
  const policy = { budgetShare: 0.2, minPerSecond: 1 }

  it('never lets more through than a share of the requests, the minimum and what was saved', () => {
    const step = fc.record({ afterMs: fc.nat(200), retries: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const budget = new RetryBudget(policy, 0, 0)
        let nowMs = 0
        let taken = 0
        for (const { afterMs, retries } of steps) {
          nowMs += afterMs
          budget.noteRequest()
          for (let at = 0; at < retries; at += 1) if (budget.take(nowMs)) taken += 1
          // Rounding apart.
          expect(taken).toBeLessThanOrEqual(steps.length * 0.2 + nowMs / 1_000 + 10 + 1e-6)
        }
      }),
    )
  })

  it('keeps the attempts at an upstream that is down for a minute at 50 requests a second to 1.2 times and the minimum', () => {
    const budget = new RetryBudget(policy, 0, 0)
    let attempts = 0
    for (let at = 0; at < 3_000; at += 1) {
      budget.noteRequest()
      attempts += 1
      for (let retry = 0; retry < 2; retry += 1) if (budget.take(at * 20)) attempts += 1
    }
    expect(attempts).toBeGreaterThan(3_000)
    expect(attempts).toBeLessThanOrEqual(3_000 * 1.2 + 60 + 10)
  })

  it('lets no more hedges through than their share, and none when retries have used it up', () => {
    const budget = new RetryBudget({ budgetShare: 0.2, minPerSecond: 0 }, 0.02, 0)
    let hedges = 0
    for (let at = 0; at < 10_000; at += 1) {
      budget.noteRequest()
      if (budget.takeHedge(at)) hedges += 1
    }
    expect(hedges).toBe(200)
    while (budget.take(10_000)) hedges += 1
    for (let at = 0; at < 4; at += 1) budget.noteRequest()
    expect(budget.takeHedge(10_000)).toBe(false)
  })
})
