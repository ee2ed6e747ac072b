import { beforeEach, describe, expect, test } from 'vitest'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import { formatKeyText, newIdentifier, newSecret, parseKeyText } from '../../src/core/key/key-text.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { random } from '../../src/platform/random.ts'
import { CountingScope } from '../support/counting-scope.ts'
import { FakeStores, issue, ring, type Mode } from './support/fake-stores.ts'

let stores: FakeStores
let text: string
let record: KeyRecord

beforeEach(async () => {
  stores = new FakeStores()
  const key = await issue()
  text = key.text
  record = key.record
  stores.kvRecord = record
  stores.ledgerRecord = record
})

const draw = (count: number): Uint8Array => random.bytes(count)
const invalid = { refused: 'key_invalid' }
const unavailable = { refused: 'keys_unavailable', retryAfterMs: 1_000 }

describe('keys that nobody issued', () => {
  test('any character of a genuine key changed: key_invalid, no KV read, no stub', async () => {
    const source = stores.source()
    const alphabet = '_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-'
    for (let position = 0; position < text.length; position += 1) {
      for (const other of [alphabet[position % alphabet.length] ?? '', 'x', 'Q', '0', '_']) {
        const changed = text.slice(0, position) + other + text.slice(position + 1)
        if (changed === text) continue
        expect(await source.find(changed, new CountingScope())).toEqual(invalid)
      }
    }
    expect([stores.kvReads, stores.stubsMade]).toEqual([0, 0])
    expect(await source.find(text, new CountingScope())).toEqual(record)
  })

  test('a MAC from another ring entry of the same name, cut short, or longer: key_invalid without I/O', async () => {
    const bytes = new Uint8Array(32).fill(8)
    const other = { issuing: { name: 'k1', bytes }, entries: new Map([['k1', { name: 'k1', bytes }]]) }
    const source = stores.source(other)
    for (const presented of [
      text,
      text.slice(0, -1),
      `${text}0`,
      `${text}${'a'.repeat(100_000)}`,
      'slc_',
      '',
    ]) {
      expect(await source.find(presented, new CountingScope())).toEqual(invalid)
    }
    expect([stores.kvReads, stores.stubsMade]).toEqual([0, 0])
  })

  test('10,000 well-formed keys nobody issued cost no KV read and no stub', async () => {
    const source = stores.source()
    const scope = new CountingScope()
    for (let made = 0; made < 10_000; made += 1) {
      const mac = newSecret(draw).slice(0, 17)
      const parts = {
        ring: 'k1',
        account: newIdentifier(draw),
        id: newIdentifier(draw),
        secret: newSecret(draw),
        mac,
      }
      const forged = formatKeyText(parts)
      expect(parseKeyText(forged)).toEqual(parts)
      expect(await source.find(forged, scope)).toEqual(invalid)
    }
    expect([stores.kvReads, stores.stubsMade]).toEqual([0, 0])
    expect(scope.counts).toEqual({ kv: 0, ledger: 0, registry: 0, upstream: 0, queue: 0, backoff: 0 })
  })

  test('a ring entry taken away kills its keys; with no ring at all nothing is asked', async () => {
    const emptied = { issuing: { name: 'k2', bytes: new Uint8Array(32) }, entries: new Map() }
    expect(await stores.source(emptied).find(text, new CountingScope())).toEqual(invalid)
    expect(stores.source(null).find(text, new CountingScope())).toEqual({ refused: 'keys_not_configured' })
    expect([stores.kvReads, stores.stubsMade]).toEqual([0, 0])
  })

  test('a genuine key whose record holds the hash of another: key_invalid', async () => {
    stores.kvRecord = { ...record, hash: 'f'.repeat(64) }
    expect(await stores.source().find(text, new CountingScope())).toEqual(invalid)
  })
})

type Row = [
  kv: Mode,
  ledger: Mode,
  outcome: 'record' | 'invalid' | 'unavailable',
  tookMs: number,
  asked: boolean,
]

/** What each pair of behaviours comes to for a key that is not in memory. */
const rows: Row[] = [
  ['ok', 'ok', 'record', 0, false],
  ['ok', 'none', 'record', 0, false],
  ['ok', 'throw', 'record', 0, false],
  ['ok', 'hang', 'record', 0, false],
  ['ok', 'slow', 'record', 0, false],
  ['none', 'ok', 'record', 0, true],
  ['none', 'none', 'invalid', 0, true],
  ['none', 'throw', 'unavailable', 0, true],
  ['none', 'hang', 'unavailable', 1_000, true],
  ['none', 'slow', 'record', 600, true],
  ['none', 'garbage', 'unavailable', 0, true],
  ['throw', 'ok', 'record', 0, true],
  ['throw', 'none', 'invalid', 0, true],
  ['throw', 'throw', 'unavailable', 0, true],
  ['throw', 'hang', 'unavailable', 1_000, true],
  ['throw', 'slow', 'record', 600, true],
  ['garbage', 'ok', 'record', 0, true],
  ['garbage', 'none', 'invalid', 0, true],
  ['garbage', 'throw', 'unavailable', 0, true],
  ['hang', 'ok', 'record', 250, true],
  ['hang', 'none', 'invalid', 250, true],
  ['hang', 'throw', 'unavailable', 1_000, true],
  ['hang', 'hang', 'unavailable', 1_250, true],
  ['hang', 'slow', 'record', 850, true],
  ['slow', 'ok', 'record', 250, true],
  ['slow', 'none', 'invalid', 250, true],
  ['slow', 'throw', 'record', 600, true],
  ['slow', 'hang', 'record', 600, true],
  ['slow', 'slow', 'record', 600, true],
]

describe('a key that is not in memory', () => {
  test.each(rows)('KV %s, Ledger %s: %s after %i ms', async (kv, ledger, expected, tookMs, asked) => {
    stores.kvMode = kv
    stores.ledgerMode = ledger
    const scope = new CountingScope()
    const found = await stores.clock.until(stores.source().find(text, scope))
    const outcomes = { record, invalid, unavailable }
    expect(found).toEqual({ value: outcomes[expected], tookMs })
    expect([scope.counts.kv, scope.counts.ledger]).toEqual([1, asked ? 1 : 0])
    expect(scope.waits).toEqual(
      asked
        ? [
            ['kv', Math.min(tookMs, kv === 'hang' || kv === 'slow' ? 250 : 0)],
            ['ledger', expect.any(Number)],
          ]
        : [['kv', 0]],
    )
  })

  test('KV is read as JSON through its cache of 30 s', async () => {
    await stores.source().find(text, new CountingScope())
    expect(stores.kvOptions).toEqual({ type: 'json', cacheTtl: 30 })
  })

  test('that nobody could judge is not remembered: the next request asks again', async () => {
    stores.kvMode = 'throw'
    stores.ledgerMode = 'throw'
    const source = stores.source()
    expect(await source.find(text, new CountingScope())).toEqual(unavailable)
    stores.kvMode = 'ok'
    expect(await source.find(text, new CountingScope())).toEqual(record)
  })

  test('that does not exist is remembered for 5 s', async () => {
    stores.kvMode = 'none'
    stores.ledgerMode = 'none'
    const source = stores.source()
    expect(await source.find(text, new CountingScope())).toEqual(invalid)
    stores.ledgerMode = 'ok'
    await stores.clock.advance(4_999)
    expect(source.find(text, new CountingScope())).toEqual(invalid)
    expect([stores.kvReads, stores.ledgerCalls]).toEqual([1, 1])
    await stores.clock.advance(1)
    expect(await source.find(text, new CountingScope())).toEqual(record)
  })

  test('each call of a Ledger makes a stub of its own', async () => {
    stores.kvMode = 'throw'
    stores.ledgerMode = 'throw'
    const source = stores.source()
    await source.find(text, new CountingScope())
    await source.find(text, new CountingScope())
    expect([stores.stubsMade, stores.ledgerCalls]).toEqual([2, 2])
  })
})

describe('a key in memory', () => {
  test('is answered with no promise, no read and nothing deferred', async () => {
    const source = stores.source()
    await source.find(text, new CountingScope())
    const scope = new CountingScope()
    const found = source.find(text, scope)
    expect(found).not.toBeInstanceOf(Promise)
    expect(found).toEqual(record)
    expect([stores.kvReads, scope.deferred.length, scope.waits.length]).toEqual([1, 0, 0])
  })

  test('is refreshed once, in the background, near the end of its 30 s', async () => {
    const source = stores.source()
    await source.find(text, new CountingScope())
    await stores.clock.advance(20_000)
    stores.kvRecord = { ...record, version: 2, state: 'revoked' }
    const scope = new CountingScope()
    const found = [1, 2, 3].map(() => source.find(text, scope))
    expect(found).toEqual([record, record, record])
    await Promise.all(scope.deferred)
    expect([scope.counts.kv, scope.deferred.length, scope.waits]).toEqual([1, 1, []])
    expect(source.find(text, new CountingScope())).toEqual({ ...record, version: 2, state: 'revoked' })
    expect(stores.kvReads).toBe(2)
  })

  test('past its 30 s is asked for again and not answered from memory', async () => {
    const source = stores.source()
    await source.find(text, new CountingScope())
    await stores.clock.advance(30_000)
    stores.kvRecord = { ...record, version: 2, state: 'revoked' }
    const found = source.find(text, new CountingScope())
    expect(found).toBeInstanceOf(Promise)
    expect(await found).toMatchObject({ version: 2, state: 'revoked' })
  })

  test('is never replaced by an older version', async () => {
    stores.kvMode = 'none'
    stores.ledgerRecord = { ...record, version: 3, state: 'revoked' }
    const source = stores.source()
    await source.find(text, new CountingScope())
    stores.kvMode = 'ok'
    stores.kvRecord = { ...record, version: 2 }
    await stores.clock.advance(31_000)
    expect(await source.find(text, new CountingScope())).toMatchObject({ version: 3, state: 'revoked' })
  })

  test.each<[Mode, Mode]>([
    ['throw', 'throw'],
    ['hang', 'hang'],
    ['none', 'throw'],
    ['hang', 'throw'],
  ])('goes on working for 60 s while KV is %s and the Ledger %s, then 503', async (kv, ledger) => {
    const source = stores.source()
    await source.find(text, new CountingScope())
    stores.kvMode = kv
    stores.ledgerMode = ledger
    const outcomes: string[] = []
    for (let second = 0; second < 120; second += 5) {
      const { value, tookMs } = await stores.clock.until(source.find(text, new CountingScope()))
      outcomes.push(isRefusal(value) ? value.refused : 'works')
      await stores.clock.advance(5_000 - tookMs)
    }
    expect(outcomes).toEqual(outcomes.map((_, index) => (index * 5 < 90 ? 'works' : 'keys_unavailable')))
    stores.kvMode = 'ok'
    expect(await stores.clock.until(source.find(text, new CountingScope()))).toMatchObject({ value: record })
  })

  test('under steady use waits for nobody while both stores fail', async () => {
    const source = stores.source()
    await source.find(text, new CountingScope())
    stores.kvMode = 'hang'
    stores.ledgerMode = 'hang'
    await stores.clock.advance(20_000)
    for (let tick = 0; tick < 138; tick += 1) {
      expect(source.find(text, new CountingScope())).toEqual(record)
      await stores.clock.advance(500)
    }
  })

  test('that the Ledger no longer knows is refused from then on', async () => {
    const source = stores.source()
    await source.find(text, new CountingScope())
    await stores.clock.advance(31_000)
    stores.kvMode = 'none'
    stores.ledgerMode = 'none'
    expect(await source.find(text, new CountingScope())).toEqual(invalid)
  })
})

describe('concurrent requests for one key', () => {
  test('50 share one KV read, and the leader defers it', async () => {
    const source = stores.source()
    const scopes = Array.from({ length: 50 }, () => new CountingScope())
    const found = await Promise.all(scopes.map(async (scope) => source.find(text, scope)))
    expect(found.every((outcome) => !isRefusal(outcome))).toBe(true)
    expect(stores.kvReads).toBe(1)
    expect(scopes.map(({ counts }) => counts.kv).filter((count) => count > 0)).toEqual([1])
    expect(scopes.map(({ deferred }) => deferred.length).filter((count) => count > 0)).toEqual([1])
    expect(scopes.every(({ waits }) => waits.length === 1 && waits[0]?.[0] === 'kv')).toBe(true)
  })

  test('followers of a leader that died read for themselves', async () => {
    const source = stores.source()
    const dead = new CountingScope()
    dead.count = () => {
      throw new Error('the request has ended')
    }
    const leader = Promise.resolve(source.find(text, dead)).catch(() => 'dead')
    const follower = new CountingScope()
    const found = stores.clock.until(source.find(text, follower))
    expect(await leader).toBe('dead')
    await Promise.allSettled(dead.deferred)
    expect(await found).toEqual({ value: record, tookMs: 0 })
    expect(follower.counts.kv).toBe(1)
  })

  test('a leader whose promise never settles holds followers up for 1.3 s, and later requests not at all', async () => {
    const source = stores.source()
    stores.clock.wait = () => new Promise(() => {})
    const after = stores.clock.after.bind(stores.clock)
    stores.clock.after = () => () => {}
    stores.kvMode = 'hang'
    void source.find(text, new CountingScope())
    await stores.clock.advance(0)
    stores.clock.after = after
    stores.kvMode = 'ok'
    const scopes = [new CountingScope(), new CountingScope()]
    const found = await stores.clock.until(Promise.all(scopes.map(async (scope) => source.find(text, scope))))
    expect(found).toEqual({ value: [record, record], tookMs: 1_300 })
    expect(scopes.map(({ counts }) => counts.kv)).toEqual([1, 1])
    expect(source.find(text, new CountingScope())).toEqual(record)
  })
})

test('the ring of these tests issues what it verifies', () => {
  expect(parseKeyText(text)?.ring).toBe(ring.issuing.name)
})
