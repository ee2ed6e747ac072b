import { beforeEach, describe, expect, test } from 'vitest'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import { formatKeyText, newIdentifier, newSecret, parseKeyText } from '../../src/core/key/key-text.ts'
import { isRefusal, type Awaitable, type Outcome } from '../../src/core/outcome.ts'
import { random } from '../../src/platform/random.ts'
import type { KeySource, KnownKey } from '../../src/ports.ts'
import { exchangeWith } from '../support/exchanges.ts'
import { requestRate } from '../support/limits.ts'
import { routeWith } from '../support/routes.ts'
import { issue, ring, storesWithKey, type FakeStores } from './support/fake-stores.ts'

let stores: FakeStores
let text: string
let record: KeyRecord

beforeEach(async () => {
  ;({ stores, text, record } = await storesWithKey())
})

const route = routeWith()
const draw = (count: number): Uint8Array => random.bytes(count)
const invalid = { refused: 'key_invalid' }
const unavailable = { refused: 'keys_unavailable', retryAfterMs: 1_000 }

function find(source: KeySource, presented = text, x = exchangeWith()): Awaitable<Outcome<KnownKey>> {
  return source.find(presented, route, x)
}

/** Its version, or why it was refused. */
function said(found: Outcome<KnownKey>): number | string {
  return isRefusal(found) ? found.refused : found.record.version
}

describe('keys that nobody issued', () => {
  test('any character of a genuine key changed: key_invalid, no KV read, no stub', async () => {
    const source = stores.source()
    const alphabet = '_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-'
    for (let position = 0; position < text.length; position += 1) {
      for (const other of [alphabet[position % alphabet.length] ?? '', 'x', 'Q', '0', '_']) {
        const changed = text.slice(0, position) + other + text.slice(position + 1)
        if (changed === text) continue
        expect(await find(source, changed)).toEqual(invalid)
      }
    }
    expect([stores.kvReads, stores.stubsMade]).toEqual([0, 0])
    expect(await find(source)).toMatchObject({ record })
  })

  test('a MAC from another ring entry of the same name, cut short, or longer: key_invalid without I/O', async () => {
    const bytes = new Uint8Array(32).fill(8)
    const other = { issuing: { name: 'k1', bytes }, entries: new Map([['k1', { name: 'k1', bytes }]]) }
    const source = stores.source(other)
    const longer = [`${text}0`, `${text}${'a'.repeat(100_000)}`]
    for (const presented of [text, text.slice(0, -1), ...longer, 'slc_', '']) {
      expect(await find(source, presented)).toEqual(invalid)
    }
    expect([stores.kvReads, stores.stubsMade]).toEqual([0, 0])
  })

  test('10,000 well-formed keys nobody issued cost no KV read and no stub', async () => {
    const source = stores.source()
    const x = exchangeWith()
    for (let made = 0; made < 10_000; made += 1) {
      const mac = newSecret(draw).slice(0, 17)
      const account = newIdentifier(draw)
      const parts = { ring: 'k1', account, id: newIdentifier(draw), secret: newSecret(draw), mac }
      const forged = formatKeyText(parts)
      expect(parseKeyText(forged)).toEqual(parts)
      expect(await find(source, forged, x)).toEqual(invalid)
    }
    expect([stores.kvReads, stores.stubsMade]).toEqual([0, 0])
    expect(x.counts).toEqual({ kv: 0, ledger: 0, registry: 0, upstream: 0, queue: 0, backoff: 0, cache: 0 })
  })

  test('a ring entry taken away kills its keys; with no ring at all nothing is asked', async () => {
    const emptied = { issuing: { name: 'k2', bytes: new Uint8Array(32) }, entries: new Map() }
    expect(await find(stores.source(emptied))).toEqual(invalid)
    expect(find(stores.source(null))).toEqual({ refused: 'keys_not_configured' })
    expect([stores.kvReads, stores.stubsMade]).toEqual([0, 0])
  })

  test('a genuine key whose record holds the hash of another: key_invalid, whoever says so', async () => {
    stores.ledgerRecord = { ...record, hash: 'f'.repeat(64) }
    expect(await find(stores.source())).toEqual(invalid)
    stores.kvRecord = stores.ledgerRecord
    stores.ledgerMode = 'throw'
    expect(await find(stores.source())).toEqual(invalid)
  })
})

describe('a key that is not in memory', () => {
  test('is asked for at KV and the Ledger at the same time, with what its request needs', async () => {
    const spec = requestRate(60, { durability: 'default', onFailure: 'coast' })
    const limited = routeWith({ id: 'llm', limits: [{ per: 'key', spec }] })
    const x = exchangeWith()
    const finding = stores.source().find(text, limited, x)
    await stores.clock.advance(0)
    expect(x.counts).toMatchObject({ kv: 1, ledger: 1 })
    const found = await finding
    const counter = `route:llm:key:${record.id}:rpm`
    expect(stores.syncs.map(({ keys, sequence, needs }) => ({ keys, sequence, needs }))).toEqual([
      {
        keys: [record.id],
        sequence: null,
        needs: [{ id: expect.any(String), takes: [{ counter, cost: 1 }], key: record.id }],
      },
    ])
    expect(found).toMatchObject({ record, prepaid: { need: { takes: [{ counter, cost: 1 }] } } })
  })

  test('KV is read as JSON through its cache of 30 s', async () => {
    await find(stores.source())
    expect(stores.kvOptions).toEqual({ type: 'json', cacheTtl: 30 })
  })

  test('that nobody could judge is not remembered: the next request asks again', async () => {
    stores.kvMode = 'throw'
    stores.ledgerMode = 'throw'
    const source = stores.source()
    expect(await find(source)).toEqual(unavailable)
    stores.kvMode = 'ok'
    expect(await find(source)).toMatchObject({ record })
  })

  test('that does not exist is remembered for 5 s', async () => {
    stores.ledgerRecord = null
    const source = stores.source()
    expect(await find(source)).toEqual(invalid)
    stores.ledgerRecord = record
    await stores.clock.advance(4_999)
    expect(find(source)).toEqual(invalid)
    expect([stores.kvReads, stores.syncs.length]).toEqual([1, 1])
    await stores.clock.advance(1)
    expect(await find(source)).toMatchObject({ record })
  })

  test('is refused where its address has asked too often, before a store is asked; a forged one does not count, a known one goes on', async () => {
    const source = stores.source()
    await find(source)
    let shielded = 0
    stores.shield = {
      allows: async () => {
        shielded += 1
        return false
      },
    }
    const other = await issue({ account: record.account })
    const flooded = { refused: 'flooded', retryAfterMs: 10_000 }
    expect(await find(source, other.text)).toEqual(flooded)
    expect(await find(source, 'slc_k1_forged')).toEqual({ refused: 'key_invalid' })
    expect([stores.kvReads, stores.syncs.length, shielded]).toEqual([1, 1, 1])
    expect(find(source)).toMatchObject({ record })
  })

  test('counts once at the shield, however many requests bring it at the same time', async () => {
    let asked = 0
    stores.shield = {
      allows: () => {
        asked += 1
        return true
      },
    }
    const source = stores.source()
    const found = await Promise.all(Array.from({ length: 200 }, async () => find(source)))
    expect([new Set(found.map(said)), asked]).toEqual([new Set([1]), 1])
  })
})

describe('a key in memory', () => {
  test('is answered with no promise, no I/O and nothing deferred while its account lease lasts', async () => {
    const source = stores.source()
    await find(source)
    await stores.clock.advance(4_999)
    const x = exchangeWith()
    const found = find(source, text, x)
    expect(found).toEqual({ record, prepaid: null })
    expect([stores.kvReads, stores.syncs.length, x.deferred.length, x.waits]).toEqual([1, 1, 0, []])
  })

  test('is asked about with its account when the lease is 5 s old, and KV is left alone', async () => {
    const source = stores.source()
    await find(source)
    await stores.clock.advance(5_000)
    stores.change({ state: 'revoked' })
    const found = find(source)
    expect(found).toBeInstanceOf(Promise)
    expect(await found).toMatchObject({ record: { version: 2, state: 'revoked' } })
    expect([stores.kvReads, stores.syncs.length, stores.syncs[1]?.sequence]).toEqual([1, 2, 1])
  })

  test('goes on with its new record as soon as any message has told of it', async () => {
    const { source, links } = stores.isolate()
    await find(source)
    stores.change({ scopes: ['profile'] })
    const scope = exchangeWith()
    await stores.clock.advance(4_000)
    links.of(record.account).tend(scope)
    await Promise.all(scope.deferred)
    expect(find(source)).toMatchObject({ record: { version: 2, scopes: ['profile'] } })
    expect(stores.syncs).toHaveLength(2)
  })

  test('is asked for by itself where the Ledger had too many changes to tell', async () => {
    const { source, links } = stores.isolate()
    await find(source)
    stores.change({ state: 'revoked' })
    stores.forgetChanges()
    const scope = exchangeWith()
    await stores.clock.advance(4_000)
    links.of(record.account).tend(scope)
    await Promise.all(scope.deferred)
    const found = find(source)
    expect(found).toBeInstanceOf(Promise)
    expect(await found).toMatchObject({ record: { state: 'revoked' } })
    expect(stores.syncs.map(({ keys }) => keys)).toEqual([[record.id], [], [record.id]])
  })

  test('that is strict is asked about by every request', async () => {
    stores.ledgerRecord = { ...record, strict: true }
    const source = stores.source()
    await find(source)
    await find(source)
    stores.change({ state: 'revoked' })
    expect(await find(source)).toMatchObject({ record: { state: 'revoked' } })
    expect(stores.syncs).toHaveLength(3)
  })

  test('that is revoked stays revoked with no I/O', async () => {
    stores.ledgerRecord = { ...record, state: 'revoked' }
    const source = stores.source()
    await find(source)
    await stores.clock.advance(60_000)
    expect(find(source)).toMatchObject({ record: { state: 'revoked' } })
    expect([stores.kvReads, stores.syncs.length]).toEqual([1, 1])
  })

  test('that the Ledger no longer knows is refused from then on', async () => {
    const source = stores.source()
    await find(source)
    await stores.clock.advance(5_000)
    stores.ledgerRecord = null
    expect(await find(source)).toEqual(invalid)
    expect(find(source)).toEqual(invalid)
  })
})

describe('concurrent requests for one key', () => {
  test('50 share one KV read and one message, and whoever leads defers them', async () => {
    const source = stores.source()
    const exchanges = Array.from({ length: 50 }, () => exchangeWith())
    const found = await Promise.all(exchanges.map(async (x) => find(source, text, x)))
    expect(found.map(said)).toEqual(Array.from({ length: 50 }, () => 1))
    expect(stores.kvReads).toBe(1)
    // One message of the first, and one for all who came while it was under way.
    expect(stores.syncs.length).toBeLessThanOrEqual(2)
    const leaders = exchanges.filter(({ deferred }) => deferred.length > 0)
    expect(leaders.length).toBeLessThanOrEqual(3)
    expect(exchanges.every(({ waits }) => waits.length === 1 && waits[0]?.[0] === 'ledger')).toBe(true)
  })

  test('followers of a request that died ask for themselves, each after a time of its own', async () => {
    const source = stores.source()
    const after = stores.clock.after.bind(stores.clock)
    stores.clock.after = () => () => {}
    stores.ledgerMode = 'hang'
    void find(source)
    await stores.clock.advance(0)
    stores.clock.after = after
    stores.ledgerMode = 'ok'
    const exchanges = [exchangeWith(), exchangeWith()]
    const found = await stores.clock.until(Promise.all(exchanges.map(async (x) => find(source, text, x))))
    expect(found.value.map(said)).toEqual([1, 1])
    expect(found.tookMs).toBe(1_050)
    expect(stores.syncs).toHaveLength(2)
    expect(find(source)).toMatchObject({ record })
  })
})

test('the ring of these tests issues what it verifies', () => {
  expect(parseKeyText(text)?.ring).toBe(ring.issuing.name)
})
