import { describe, expect, test } from 'vitest'
import { dialectOf } from '../../src/core/dialect/dialect.ts'
import { describeRefusal, type Refusal } from '../../src/core/refusal.ts'
import { moneyBudget, requestRate } from '../support/limits.ts'

const lenient = { durability: 'default', onFailure: 'coast' } as const
const perMinute = requestRate(60, lenient)
const usd = moneyBudget(5_000_000, { ...lenient, name: 'usd' })

const refusals: { readonly [R in Refusal['refused']]: Extract<Refusal, { refused: R }> } = {
  malformed_request: { refused: 'malformed_request', detail: 'The path is odd; mend it.' },
  url_too_long: { refused: 'url_too_long', bytesMax: 16_384 },
  headers_too_large: { refused: 'headers_too_large', fieldsMax: 1, bytesMax: 2 },
  no_route: { refused: 'no_route' },
  method_not_allowed: { refused: 'method_not_allowed', allow: ['GET', 'HEAD'] },
  upgrade_not_allowed: { refused: 'upgrade_not_allowed' },
  key_missing: { refused: 'key_missing' },
  key_invalid: { refused: 'key_invalid' },
  key_conflict: { refused: 'key_conflict' },
  keys_unavailable: { refused: 'keys_unavailable', retryAfterMs: 1500 },
  keys_not_configured: { refused: 'keys_not_configured' },
  flooded: { refused: 'flooded', retryAfterMs: 10_000 },
  limit_reached: {
    refused: 'limit_reached',
    violated: ['rpm', 'tok5h'],
    waitMs: 1_234,
    standings: [{ spec: perMinute, remaining: 0, resetMs: 60_000 }],
  },
  budget_exhausted: {
    refused: 'budget_exhausted',
    violated: ['usd'],
    waitMs: null,
    standings: [{ spec: usd, remaining: 120_000, resetMs: 60_000 }],
  },
  limit_too_small: {
    refused: 'limit_too_small',
    violated: ['tpm'],
    counts: 'tokens',
    asked: 120_000,
    max: 100_000,
  },
  model_not_priced: { refused: 'model_not_priced', model: 'm' },
  limits_unavailable: { refused: 'limits_unavailable', retryAfterMs: 1_000 },
  body_too_large: { refused: 'body_too_large', bytesMax: 10 },
  body_too_slow: { refused: 'body_too_slow', afterMs: 10 },
  body_not_readable: { refused: 'body_not_readable', found: 'a body with a content-encoding' },
  model_not_allowed: { refused: 'model_not_allowed', model: 'm' },
  loop_detected: { refused: 'loop_detected' },
  upstream_unreachable: { refused: 'upstream_unreachable' },
  upstream_first_byte_timeout: { refused: 'upstream_first_byte_timeout', afterMs: 10 },
  upstream_first_content_timeout: { refused: 'upstream_first_content_timeout', afterMs: 10 },
  upstream_total_timeout: { refused: 'upstream_total_timeout', afterMs: 10 },
  upstream_idle_timeout: { refused: 'upstream_idle_timeout', afterMs: 10 },
  upstream_broke_off: { refused: 'upstream_broke_off' },
  upstream_credential_refused: { refused: 'upstream_credential_refused', upstreamStatus: 401 },
  upstream_credential_missing: { refused: 'upstream_credential_missing', secret: 'CANARY_NAME' },
  upstream_error: { refused: 'upstream_error', upstreamStatus: 529, retryAfter: '7' },
  upstream_unavailable: { refused: 'upstream_unavailable', retryAfterMs: 1500 },
  upstream_busy: { refused: 'upstream_busy', retryAfterMs: 1500 },
  only_if_cached: { refused: 'only_if_cached' },
  client_left: { refused: 'client_left' },
  misconfigured: { refused: 'misconfigured' },
  internal_error: { refused: 'internal_error' },
}

const cases = Object.values(refusals).flatMap((refusal) =>
  (['openai', 'anthropic', 'http'] as const).map((name) => ({ name, refusal, code: refusal.refused })),
)

describe('every refusal in every dialect', () => {
  test.each(cases)(
    '$code in $name is JSON with its code, a sentence and the request id',
    ({ name, refusal }) => {
      const facts = describeRefusal(refusal)
      const { body, contentType } = dialectOf(name).errorBody(facts, 'rid-1')
      const parsed = JSON.parse(body) as { error?: { code: string; message: string } }
      expect(contentType).toMatch(/json$/)
      expect(body).toContain('rid-1')
      expect(body).toContain(`"code":"${refusal.refused}"`)
      expect(body).toContain(JSON.stringify(facts.message))
      expect(body).not.toContain('CANARY')
      expect(facts.message).toMatch(/\.$/)
      expect(facts.status).toBeGreaterThanOrEqual(400)
      if (name !== 'http') expect(typeof parsed.error?.message).toBe('string')
    },
  )

  test.each(cases)('$code in $name as a stream event carries the same code', ({ name, refusal }) => {
    const event = dialectOf(name).errorEvent(describeRefusal(refusal), 'rid-1', '/v1/messages')
    expect(JSON.stringify(event.data)).toContain(`"code":"${refusal.refused}"`)
    expect(event.event).toBe(name === 'openai' ? null : 'error')
  })
})

describe('headers of refusals', () => {
  test('405 names the methods, 503 says when to try again, 401 challenges', () => {
    expect(describeRefusal(refusals.method_not_allowed).headers).toEqual({ allow: 'GET, HEAD' })
    expect(describeRefusal(refusals.keys_unavailable).retryAfterMs).toBe(1_500)
    expect(describeRefusal(refusals.upstream_error).headers).toEqual({ 'retry-after': '7' })
    expect(describeRefusal(refusals.key_missing).headers).toHaveProperty('www-authenticate')
  })
})

const limitBody = (name: 'openai' | 'anthropic' | 'http') =>
  JSON.parse(dialectOf(name).errorBody(describeRefusal(refusals.limit_reached), 'rid').body) as object

describe('refusals by limits', () => {
  test('name the limits in the body, where the dialect has its code', () => {
    const violated = { code: 'limit_reached', 'violated-policies': ['rpm', 'tok5h'] }
    expect(limitBody('openai')).toMatchObject({ error: { ...violated, type: 'rate_limit_exceeded' } })
    expect(limitBody('anthropic')).toMatchObject({ error: { ...violated, type: 'rate_limit_error' } })
    expect(limitBody('http')).toMatchObject({
      ...violated,
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      status: 429,
    })
  })

  test('name them in events of streams too, and no other refusal does', () => {
    for (const name of ['openai', 'anthropic', 'http'] as const) {
      const dialect = dialectOf(name)
      const event = (refusal: Refusal, path = '/v1/messages') =>
        JSON.stringify(dialect.errorEvent(describeRefusal(refusal), 'rid', path).data)
      expect(event(refusals.budget_exhausted)).toContain('"violated-policies":["usd"]')
      expect(event(refusals.limit_too_small, '/v1/responses')).toContain('"violated-policies":["tpm"]')
      expect(event(refusals.limits_unavailable)).not.toContain('violated-policies')
    }
  })

  test('of money have the words that providers have for it', () => {
    const facts = describeRefusal(refusals.budget_exhausted)
    expect(JSON.parse(dialectOf('openai').errorBody(facts, 'rid').body)).toMatchObject({
      error: { type: 'insufficient_quota' },
    })
    expect(JSON.parse(dialectOf('anthropic').errorBody(facts, 'rid').body)).toMatchObject({
      error: { type: 'billing_error' },
    })
  })

  test('say what is left and what to do', () => {
    expect(describeRefusal(refusals.limit_reached).message).toBe(
      'Too little is left of the limits `rpm`, `tok5h` (left: 0 of 60 requests); try again in 2 s.',
    )
    expect(describeRefusal(refusals.budget_exhausted).message).toBe(
      'Too little is left of the limit `usd` (left: $0.12 of $5); waiting does not help; ask for a higher budget.',
    )
    expect(describeRefusal(refusals.limit_too_small).message).toBe(
      'The request may come to 120000 tokens, and the limit `tpm` never admits more than 100000 tokens at once; ' +
        'lower its maximum of output tokens or shorten it.',
    )
    const money = { violated: ['usd'], counts: 'micro-dollars', asked: 120_000.5, max: 100_000 } as const
    expect(describeRefusal({ refused: 'limit_too_small', ...money }).message).toContain(
      'may come to $0.120001, and the limit `usd` never admits more than $0.1 at once',
    )
    expect(describeRefusal({ refused: 'model_not_priced', model: null }).message).toContain(
      'the model has no price',
    )
  })
})

describe('the Responses format', () => {
  test('gets its flat error event with a member the official client throws on', () => {
    const facts = describeRefusal(refusals.upstream_broke_off)
    const { event, data } = dialectOf('openai').errorEvent(facts, 'rid', '/v1/responses')
    expect(event).toBe('error')
    expect(data).toMatchObject({
      type: 'error',
      code: 'upstream_broke_off',
      error: { code: 'upstream_broke_off' },
    })
  })
})
