import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultKeyCacheLimits, KeyCache } from '../../src/core/key/key-cache.ts'
import type { KeyRecord } from '../../src/core/key/key-record.ts'

function record(id: string, version = 1): KeyRecord {
  return {
    schema: 1,
    account: 'account',
    id,
    name: id,
    version,
    state: 'active',
    hash: '',
    scopes: [],
    models: null,
    createdAtMs: 0,
    expiresAtMs: null,
    revokedAtMs: null,
  }
}

describe('key cache', () => {
  test('a record is used for 30 s, the last 10 with a refresh due, then not at all', () => {
    const cache = new KeyCache()
    cache.put('k', record('k'), 1_000)
    const seen = [1_000, 20_999, 21_000, 30_999, 31_000].map((nowMs) => cache.get('k', nowMs))
    const hit = (refreshDue: boolean) => ({ record: record('k'), refreshDue })
    expect(seen).toEqual([hit(false), hit(false), hit(true), hit(true), null])
  })

  test('failed refreshes keep a record for 60 s more, one retry a second, while the failure is recent', () => {
    const cache = new KeyCache()
    cache.put('k', record('k'), 0)
    expect(cache.refreshFailed('k', 30_000)).toEqual(record('k'))
    expect(cache.get('k', 30_999)).toEqual({ record: record('k'), refreshDue: false })
    expect(cache.get('k', 31_000)).toEqual({ record: record('k'), refreshDue: true })
    expect(cache.get('k', 35_000)).toBeNull()
    expect(cache.refreshFailed('k', 89_999)).toEqual(record('k'))
    expect(cache.get('k', 89_999)).not.toBeNull()
    expect(cache.get('k', 90_000)).toBeNull()
    expect(cache.refreshFailed('k', 90_000)).toBeNull()
  })

  test('a record read anew ends a failure', () => {
    const cache = new KeyCache()
    cache.put('k', record('k'), 0)
    cache.refreshFailed('k', 30_000)
    cache.put('k', record('k', 2), 31_000)
    expect(cache.get('k', 31_500)).toEqual({ record: record('k', 2), refreshDue: false })
  })

  test('a key known not to exist is unknown for 5 s, until a record of it comes', () => {
    const cache = new KeyCache()
    cache.put('k', record('k'), 0)
    cache.putUnknown('k', 1_000)
    expect([5_999, 6_000].map((nowMs) => cache.get('k', nowMs))).toEqual(['unknown', null])
    cache.putUnknown('k', 7_000)
    cache.put('k', record('k'), 7_001)
    expect(cache.get('k', 7_002)).toEqual({ record: record('k'), refreshDue: false })
  })

  test('the least recently used goes first, and unknown keys push out none that exist', () => {
    const cache = new KeyCache({ ...defaultKeyCacheLimits, entriesMax: 2, unknownEntriesMax: 2 })
    cache.put('a', record('a'), 0)
    cache.put('b', record('b'), 0)
    cache.get('a', 1)
    cache.put('c', record('c'), 1)
    for (const key of ['x', 'y', 'z']) cache.putUnknown(key, 1)
    const found = ['a', 'b', 'c', 'x', 'y', 'z'].map((key) => cache.get(key, 2))
    const hit = (id: string) => ({ record: record(id), refreshDue: false })
    expect(found).toEqual([hit('a'), null, hit('c'), null, 'unknown', 'unknown'])
  })

  test('whatever happens in whatever order, no version goes back and no record outlives TTL and grace', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('put' as const), version: fc.integer({ min: 1, max: 5 }) }),
        fc.record({ kind: fc.constantFrom('failed' as const, 'get' as const), version: fc.constant(0) }),
      ),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(
        steps,
        fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 40 }),
        (actions, pauses) => {
          const cache = new KeyCache()
          let [nowMs, newest, readAtMs] = [0, 0, 0]
          for (const [index, { kind, version }] of actions.entries()) {
            nowMs += pauses[index] ?? 0
            if (kind === 'put') {
              newest = Math.max(cache.put('k', record('k', version), nowMs).version, newest)
              readAtMs = nowMs
            }
            const held = kind === 'failed' ? cache.refreshFailed('k', nowMs) : cache.get('k', nowMs)
            if (held === null || held === 'unknown') {
              if (nowMs - readAtMs >= 90_000) newest = 0
              continue
            }
            const { version: used } = 'record' in held ? held.record : held
            if (used !== newest || nowMs - readAtMs >= 90_000) return false
          }
          return true
        },
      ),
    )
  })
})
