import { describe, expect, test } from 'vitest'
import { Pools } from '../../src/core/upstream/pools.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { callTwice, RoundTrip } from '../../src/platform/ledger-link-call.ts'
import { LedgerLinks } from '../../src/platform/ledger-links.ts'
import { random } from '../../src/platform/random.ts'
import { BookLedger } from '../support/book-ledger.ts'
import { exchangeWith } from '../support/exchanges.ts'
import { FakeClock } from '../support/fake-clock.ts'

function linksTo(ledger: BookLedger, clock: FakeClock, max?: number): LedgerLinks {
  const ledgers = {
    getByName: () => ({ sync: ledger.sync.bind(ledger) }),
  } as unknown as DurableObjectNamespace<Ledger>
  return new LedgerLinks({ ledgers, clock, random, pools: new Pools() }, () => {}, max)
}

describe('the links of an isolate', () => {
  test('are one for each account, the least recently used go, and those that have something to tell stay', async () => {
    const clock = new FakeClock()
    const ledger = new BookLedger(clock)
    const links = linksTo(ledger, clock, 3)
    const [a, b, c] = [links.of('a'), links.of('b'), links.of('c')]
    a.settle({
      id: 's',
      takes: [],
      deadlineMs: 0,
      key: 'k',
      route: 'r',
      model: null,
      inputTokens: 1,
      outputTokens: 1,
      microUsd: null,
      costs: [],
      source: 'measured',
      endedMs: 0,
    })
    links.of('b')
    links.of('d')
    expect([links.of('a') === a, links.of('b') === b, links.of('c') === c]).toEqual([true, true, false])
  })

  test('speak for an isolate of a name of its own each, so that no number comes twice', async () => {
    const clock = new FakeClock()
    const ledger = new BookLedger(clock)
    const links = linksTo(ledger, clock, 1)
    for (const account of ['a', 'b', 'a']) {
      await links.of(account).ask({ key: 'k', ask: null }, exchangeWith())
    }
    const names = ledger.syncs.map(({ isolate, seq }) => [isolate, seq] as const)
    expect(new Set(names.map(([name]) => name)).size).toBe(3)
    expect(names.map(([, seq]) => seq)).toEqual([1, 1, 1])
  })
})

describe('a call of a Ledger', () => {
  const errors: readonly (readonly [object, number])[] = [
    [{ retryable: true }, 2],
    [{ durableObjectReset: true }, 2],
    [{ retryable: true, overloaded: true }, 1],
    [{ durableObjectReset: true, overloaded: true }, 1],
    [{ overloaded: true }, 1],
    [{}, 1],
  ]

  test.each(errors)('that fails with %j is made %i times', async (properties, times) => {
    let calls = 0
    const called = callTwice(async () => {
      calls += 1
      throw Object.assign(new Error('no'), properties)
    })
    await expect(called).rejects.toThrow('no')
    expect(calls).toBe(times)
  })

  test.each<[readonly number[], number]>([
    [[], 1_000],
    [[10], 250],
    [[200], 400],
    [[200, 40], 320],
    [[900], 1_000],
    [[40, 300], 600],
  ])('after round trips of %j ms is waited for %i ms', (trips, patienceMs) => {
    const roundTrip = new RoundTrip()
    for (const tookMs of trips) roundTrip.note(tookMs)
    expect(roundTrip.patienceMs).toBe(patienceMs)
  })
})
