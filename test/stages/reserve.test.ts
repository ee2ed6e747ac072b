import { describe, expect, test } from 'vitest'
import { priceTable } from '../../src/core/llm/cost.ts'
import type { Awaitable, Outcome } from '../../src/core/outcome.ts'
import type { Refusal } from '../../src/core/refusal.ts'
import type { Grant, LlmForecast, OutboundRequest, TokenWant } from '../../src/ports.ts'
import { reserve } from '../../src/stages/reserve.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { routeWith, targetWith } from '../support/routes.ts'

const price = (input: number, output: number) => ({ input, cachedInput: null, cacheWrite: null, output })
const prices = priceTable({
  'small*': price(1, 9),
  large: { input: 5, cachedInput: 1, cacheWrite: 7, output: 8 },
})
const target = targetWith({
  dialect: 'openai',
  timeouts: { firstByteMs: 1000, idleMs: 1000, totalMs: 60_000 },
})

function outbound(forecast: LlmForecast | null): OutboundRequest {
  const route = routeWith({}, target)
  const facts = { asked: null, model: null, stream: false, askedForUsage: false, bodyBytes: 0 }
  return {
    match: { kind: 'route', route, params: {}, rest: '' },
    query: '',
    sendable: { body: { kind: 'none' }, cut: () => null },
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
  bodyBytes: 401,
  outputTokensMax: 50,
  choices: 2,
  stream: true,
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
        price: price(1, 9),
        deadlineMs: clock.nowMs() + 60_000 + 30_000,
      },
    ])
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
