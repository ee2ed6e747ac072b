import { describe, expect, test } from 'vitest'
import { defaultRetries } from '../../src/core/config/defaults.ts'
import type { Route } from '../../src/core/config/types.ts'
import { priceTable } from '../../src/core/llm/cost.ts'
import type { Awaitable, Outcome } from '../../src/core/outcome.ts'
import type { Refusal } from '../../src/core/refusal.ts'
import type { Grant, LlmForecast, OutboundRequest, TokenWant } from '../../src/ports.ts'
import { reserve } from '../../src/stages/reserve.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { routeWith, targetWith, upstreamWith } from '../support/routes.ts'

const price = (input: number, output: number) => ({ input, cachedInput: null, cacheWrite: null, output })
const prices = priceTable({
  'small*': price(1, 9),
  large: { input: 5, cachedInput: 1, cacheWrite: 7, output: 8 },
})
const target = targetWith({
  dialect: 'openai',
  timeouts: { firstByteMs: 1000, firstContentMs: null, idleMs: 1000, totalMs: 60_000 },
})

function outbound(forecast: LlmForecast | null, changes: Partial<Route> = {}): OutboundRequest {
  const route = routeWith(changes, target)
  const facts = { asked: null, model: null, stream: false, askedForUsage: false, bodyBytes: 0 }
  return {
    match: { kind: 'route', route, params: {}, rest: '' },
    query: '',
    sendable: { body: { kind: 'none' }, kind: 'none', cut: () => null },
    forTarget: null,
    llm: { forecast, facts: () => facts },
    conditions: null,
  }
}

/** A grant that answers as told and remembers what it was asked for. */
class FakeGrant implements Grant {
  readonly wants: TokenWant[] = []
  readonly sliced = false
  readonly reservedOutputTokens = 0
  readonly #says: Awaitable<Outcome<null>>

  constructor(says: Awaitable<Outcome<null>> = null) {
    this.#says = says
  }

  reserve(want: TokenWant): Awaitable<Outcome<null>> {
    this.wants.push(want)
    return this.#says
  }

  extend(): boolean {
    return true
  }

  settle(): void {}
  release(): void {}
  onStop(): void {}

  standing(): readonly [] {
    return []
  }
}

const forecast: LlmForecast = {
  model: 'small-1',
  otherModels: [],
  bodyBytes: 401,
  outputTokensMax: 50,
  choices: 2,
  stream: true,
  bodyRead: true,
}

describe('the reservation of a request', () => {
  test('asks for what is known of it, until it is over for certain', () => {
    const clock = new FakeClock()
    const grant = new FakeGrant()
    expect(reserve(grant, outbound(forecast), prices, { clock })).toBe(null)
    expect(grant.wants).toEqual([
      {
        model: 'small-1',
        inputTokens: 101,
        outputTokensMax: 50,
        choices: 2,
        stream: true,
        bodyRead: true,
        price: price(1, 9),
        unpriced: null,
        deadlineMs: clock.nowMs() + 60_000 + 30_000,
      },
    ])
  })

  test('says that the body was not read', () => {
    const grant = new FakeGrant()
    void reserve(grant, outbound({ ...forecast, bodyRead: false }), prices, { clock: new FakeClock() })
    expect(grant.wants).toMatchObject([{ bodyRead: false }])
  })

  test.each([
    ['its last target', null, 90_000],
    ['its attempts, where they may take longer', 200_000, 200_000],
    ['its last target, where its attempts have less', 10, 90_000],
  ])('is over with the time of %s', (_, deadlineMs, longestMs) => {
    const clock = new FakeClock()
    const grant = new FakeGrant()
    const slow = targetWith({ timeouts: { ...target.timeouts, totalMs: 90_000 } })
    const upstream = upstreamWith([target, slow], { retries: { ...defaultRetries, deadlineMs } })
    void reserve(grant, outbound(forecast, { upstream }), prices, { clock })
    expect(grant.wants[0]?.deadlineMs).toBe(clock.nowMs() + longestMs + 30_000)
  })

  test.each([
    [
      'the dearest in each part of all models that it may run as',
      ['small-2', 'large'],
      { price: { input: 5, cachedInput: 1, cacheWrite: 7, output: 9 }, unpriced: null },
    ],
    [
      'none where one of these has none, and says which',
      ['large', 'free'],
      { price: null, unpriced: 'free' },
    ],
  ])('has of several prices %s', (_, otherModels, expected) => {
    const grant = new FakeGrant()
    void reserve(grant, outbound({ ...forecast, otherModels }), prices, { clock: new FakeClock() })
    expect(grant.wants[0]).toMatchObject(expected)
  })

  test.each([
    [
      'the dearest price in each part for a model that is not known yet',
      null,
      { ...price(5, 9), cachedInput: 1, cacheWrite: 7 },
    ],
    ['no price for a model without one', 'other', null],
  ])('has %s', (_, model, expected) => {
    const grant = new FakeGrant()
    void reserve(grant, outbound({ ...forecast, model }), prices, { clock: new FakeClock() })
    expect(grant.wants[0]?.price).toEqual(expected)
  })

  test('has no price where nobody has set one', () => {
    const grant = new FakeGrant()
    void reserve(grant, outbound({ ...forecast, model: null }), priceTable({}), { clock: new FakeClock() })
    expect(grant.wants[0]?.price).toBe(null)
  })

  test('is not asked for by a request that makes no model run', () => {
    const grant = new FakeGrant()
    expect(reserve(grant, outbound(null), prices, { clock: new FakeClock() })).toBe(null)
    expect(reserve(grant, { ...outbound(null), llm: null }, prices, { clock: new FakeClock() })).toBe(null)
    expect(grant.wants).toEqual([])
  })

  test('is refused as the limits say, with a promise only where they give one', async () => {
    const refusal: Refusal = { refused: 'limits_unavailable', retryAfterMs: 1000 }
    const deps = { clock: new FakeClock() }
    expect(reserve(new FakeGrant(refusal), outbound(forecast), prices, deps)).toEqual(refusal)
    const late = reserve(new FakeGrant(Promise.resolve(refusal)), outbound(forecast), prices, deps)
    expect(late).toBeInstanceOf(Promise)
    expect(await late).toEqual(refusal)
  })
})
