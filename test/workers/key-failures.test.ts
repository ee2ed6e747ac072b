import { beforeEach, describe, expect, test } from 'vitest'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import { isRefusal, type Awaitable, type Outcome } from '../../src/core/outcome.ts'
import type { KeySource, KnownKey } from '../../src/ports.ts'
import { exchangeWith } from '../support/exchanges.ts'
import { routeWith } from '../support/routes.ts'
import {
  issue,
  storesWithKey,
  type FakeIsolate,
  type FakeStores,
  type KvMode,
  type LedgerMode,
} from './support/fake-stores.ts'

let stores: FakeStores
let text: string
let record: KeyRecord

beforeEach(async () => {
  ;({ stores, text, record } = await storesWithKey())
})

const route = routeWith()

function find(source: KeySource, x = exchangeWith()): Awaitable<Outcome<KnownKey>> {
  return source.find(text, route, x)
}

/** Its version and state, or why it was refused. */
function said(found: Outcome<KnownKey>): string {
  return isRefusal(found) ? found.refused : `${found.record.state} v${found.record.version}`
}

/** `stale`: KV has the record as it was before its last change. */
type KvState = 'record' | 'none' | 'stale' | 'error'
type LedgerState = 'active' | 'revoked' | 'unknown' | 'failing'
type Cell = readonly [kv: KvState, ledger: LedgerState, cold: string, known: string]

/** What each pair comes to for a key that is not in memory, and for one that is. */
const cells: readonly Cell[] = [
  ['record', 'active', 'active v2', 'active v2'],
  ['record', 'revoked', 'revoked v2', 'revoked v2'],
  ['record', 'unknown', 'key_invalid', 'key_invalid'],
  ['record', 'failing', 'active v2', 'active v1'],
  ['none', 'active', 'active v2', 'active v2'],
  ['none', 'revoked', 'revoked v2', 'revoked v2'],
  ['none', 'unknown', 'key_invalid', 'key_invalid'],
  ['none', 'failing', 'keys_unavailable', 'active v1'],
  ['stale', 'active', 'active v2', 'active v2'],
  ['stale', 'revoked', 'revoked v2', 'revoked v2'],
  ['stale', 'unknown', 'key_invalid', 'key_invalid'],
  ['stale', 'failing', 'active v1', 'active v1'],
  ['error', 'active', 'active v2', 'active v2'],
  ['error', 'revoked', 'revoked v2', 'revoked v2'],
  ['error', 'unknown', 'key_invalid', 'key_invalid'],
  ['error', 'failing', 'keys_unavailable', 'active v1'],
]

/** The ways to fail that each state stands for. */
const kvFailures: readonly KvMode[] = ['throw', 'hang', 'garbage']
const ledgerFailures: readonly LedgerMode[] = ['throw', 'hang', 'garbage', 'overloaded', 'broken']

function variants([kv, ledger, ...expected]: Cell) {
  const kvModes = kv === 'error' ? kvFailures : [kv === 'none' ? ('none' as const) : ('ok' as const)]
  const ledgerModes = ledger === 'failing' ? ledgerFailures : (['ok', 'retryable'] as const)
  return kvModes.flatMap((kvMode) =>
    ledgerModes.map((ledgerMode) => ({ kv, ledger, kvMode, ledgerMode, expected })),
  )
}

function bring(kv: KvState, ledger: LedgerState): void {
  const changed = stores.change(ledger === 'revoked' ? { state: 'revoked' } : { name: 'changed' })
  stores.kvRecord = kv === 'stale' ? record : changed
  if (ledger === 'unknown') stores.ledgerRecord = null
}

describe.each(cells.flatMap(variants))(
  'KV $kv ($kvMode), Ledger $ledger ($ledgerMode)',
  ({ kv, ledger, kvMode, ledgerMode, expected: [cold, known] }) => {
    test(`a key that is not in memory: ${cold}`, async () => {
      bring(kv, ledger)
      Object.assign(stores, { kvMode, ledgerMode })
      const found = await stores.clock.until(find(stores.source()))
      expect(said(found.value)).toBe(cold)
      expect(found.tookMs).toBeLessThanOrEqual(kvMode === 'hang' || ledgerMode === 'hang' ? 1_000 : 0)
    })

    test(`a key in memory: ${known}`, async () => {
      const source = stores.source()
      await find(source)
      bring(kv, ledger)
      Object.assign(stores, { kvMode, ledgerMode })
      await stores.clock.advance(5_000)
      const found = await stores.clock.until(find(source))
      expect(said(found.value)).toBe(known)
      expect(found.tookMs).toBe(ledgerMode === 'hang' ? 250 : 0)
    })
  },
)

/** What a request each second comes to. */
async function outcomesOver(isolate: FakeIsolate, seconds: number): Promise<string[]> {
  const outcomes: string[] = []
  for (let second = 0; second < seconds; second += 1) {
    const x = exchangeWith()
    const { value, tookMs } = await stores.clock.until(find(isolate.source, x))
    isolate.links.of(record.account).tend(x)
    outcomes.push(said(value))
    await stores.clock.advance(1_000 - tookMs)
  }
  return outcomes
}
function runs(outcomes: readonly string[]): string[] {
  return outcomes.flatMap((outcome, at) => (outcome === outcomes[at - 1] ? [] : [`${at} s: ${outcome}`]))
}

describe('a Ledger that fails', () => {
  test.each<[number, string[]]>([
    [60_000, ['0 s: active v1', '64 s: keys_unavailable']],
    [10_000, ['0 s: active v1', '14 s: keys_unavailable']],
    [0, ['0 s: active v1', '5 s: keys_unavailable']],
  ])(
    'with a grace of %i ms: a key in memory goes on for so long from its first failure, or as long as the lease',
    async (keyGraceMs, expected) => {
      stores.settings = { ...stores.settings, keyGraceMs }
      const isolate = stores.isolate()
      await find(isolate.source)
      stores.ledgerMode = 'throw'
      stores.kvMode = 'throw'
      expect(runs(await outcomesOver(isolate, 80))).toEqual(expected)
      stores.ledgerMode = 'ok'
      expect(runs(await outcomesOver(isolate, 4)).at(-1)).toContain('active v1')
    },
  )

  test('is asked again after 0.5, 1, and then each 2 s, and nobody waits for it', async () => {
    const { source, links } = stores.isolate()
    await find(source)
    stores.ledgerMode = 'hang'
    await stores.clock.advance(5_000)
    await stores.clock.until(find(source))
    const failedAtMs = stores.clock.nowMs()
    const asked: number[] = []
    for (let tick = 0; tick < 100; tick += 1) {
      const before = stores.syncs.length
      const x = exchangeWith()
      expect(find(source, x)).not.toBeInstanceOf(Promise)
      links.of(record.account).tend(x)
      if (stores.syncs.length > before) asked.push(stores.clock.nowMs() - failedAtMs)
      await stores.clock.advance(100)
    }
    // A call is given up 250 ms after it began, and no other is made while the first may still be answered.
    expect(asked.slice(0, 4)).toEqual([800, 2_100, 4_400, 6_700])
  })

  test('is waited for again by whoever comes after a long silence', async () => {
    const source = stores.source()
    await find(source)
    stores.ledgerMode = 'throw'
    await stores.clock.advance(5_000)
    await find(source)
    stores.ledgerMode = 'ok'
    stores.change({ state: 'revoked' })
    await stores.clock.advance(3_999)
    expect(find(source)).not.toBeInstanceOf(Promise)
    await stores.clock.advance(1)
    expect(said(await find(source))).toBe('revoked v2')
  })

  test.each<[LedgerMode, number, string]>([
    ['retryable', 2, 'active v1'],
    ['broken', 2, 'keys_unavailable'],
    ['overloaded', 1, 'keys_unavailable'],
    ['throw', 1, 'keys_unavailable'],
  ])(
    'that says %s is called %i times, each time with a new stub and a new message',
    async (mode, calls, outcome) => {
      stores.kvMode = 'none'
      stores.ledgerMode = mode
      expect(said(await find(stores.source()))).toBe(outcome)
      expect([stores.stubsMade, stores.syncs.map(({ seq }) => seq)]).toEqual([
        calls,
        Array.from({ length: calls }, (_, at) => at + 1),
      ])
    },
  )

  test('a reply that comes late tells how far it is: the next request waits long enough', async () => {
    stores.kvMode = 'none'
    const source = stores.source()
    await find(source)
    stores.ledgerMode = 'slow'
    await stores.clock.advance(5_000)
    const late = await stores.clock.until(find(source))
    expect([said(late.value), late.tookMs]).toEqual(['active v1', 250])
    await stores.clock.advance(5_000)
    const next = await stores.clock.until(find(source))
    expect([said(next.value), next.tookMs]).toEqual(['active v1', 600])
  })

  test('a key of an account that was never heard of waits for 1 s: nobody knows how far its Ledger is', async () => {
    stores.kvMode = 'none'
    stores.ledgerMode = 'slow'
    const found = await stores.clock.until(find(stores.source()))
    expect([said(found.value), found.tookMs]).toEqual(['active v1', 600])
  })

  test('KV may still revoke a key in memory: it is asked each 10 s, and nobody waits', async () => {
    const { source } = stores.isolate()
    await find(source)
    stores.ledgerMode = 'throw'
    stores.kvRecord = { ...record, version: 2, state: 'revoked' }
    await stores.clock.advance(10_000)
    const x = exchangeWith()
    expect(said(await find(source, x))).toBe('active v1')
    await Promise.all(x.deferred)
    expect(said(await find(source))).toBe('revoked v2')
  })

  test('an older record of KV never overrides what was told before', async () => {
    const { source, links } = stores.isolate()
    const other = await issue({ account: record.account })
    await find(source)
    stores.change({ state: 'revoked' })
    const told = stores.ledgerRecord
    stores.ledgerRecord = other.record
    stores.kvRecord = other.record
    await source.find(other.text, route, exchangeWith())
    expect(links.of(record.account).lease.told(record.id)).toEqual(told)
    stores.ledgerMode = 'throw'
    stores.kvRecord = record
    const isolate = stores.isolate()
    expect(said(await find(isolate.source))).toBe('active v1')
    expect(said(await find(source))).toBe('revoked v2')
  })

  test('a strict key has no grace', async () => {
    stores.ledgerRecord = { ...record, strict: true }
    stores.kvRecord = stores.ledgerRecord
    const source = stores.source()
    await find(source)
    stores.ledgerMode = 'throw'
    expect(said(await find(source))).toBe('keys_unavailable')
    expect(said(await find(stores.source()))).toBe('keys_unavailable')
  })

  test('C57: KV and the Ledger hang: a key in memory goes on, another gets 503 in 1 s and is not remembered', async () => {
    const source = stores.source()
    await find(source)
    const other = await issue({ account: record.account })
    stores.kvMode = 'hang'
    stores.ledgerMode = 'hang'
    await stores.clock.advance(5_000)
    const known = await stores.clock.until(find(source))
    expect([said(known.value), known.tookMs]).toEqual(['active v1', 250])
    const unknown = await stores.clock.until(source.find(other.text, route, exchangeWith()))
    expect([unknown.value, unknown.tookMs]).toEqual([
      { refused: 'keys_unavailable', retryAfterMs: 1_000 },
      1_000,
    ])
    stores.kvMode = 'ok'
    stores.ledgerMode = 'ok'
    stores.kvRecord = other.record
    stores.ledgerRecord = other.record
    expect(said(await source.find(other.text, route, exchangeWith()))).toBe('active v1')
  })
})
