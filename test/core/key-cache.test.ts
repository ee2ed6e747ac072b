import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultKeyCacheLimits, KeyCache, type HeldKey } from '../../src/core/key/key-cache.ts'
import { keyRecordWith } from '../support/key-records.ts'

const term = {}

/** The record of a key whose id is its text, as it was read at some time. */
function read(id: string, version = 1, readAtMs = 0, of: object | null = term): HeldKey {
  return { record: keyRecordWith({ id, version }), term: of, readAtMs }
}

describe('key cache', () => {
  test('holds what was put, and nothing of a key that was never seen', () => {
    const cache = new KeyCache()
    expect(cache.get('k', 0)).toBeNull()
    expect(cache.put('k', read('k'))).toEqual(read('k'))
    expect(cache.get('k', 1e12)).toEqual(read('k'))
  })

  test('an older version never overrides a newer one, in whatever order they come', () => {
    const change = fc.record({
      version: fc.integer({ min: 1, max: 5 }),
      way: fc.constantFrom('put', 'override'),
    })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1 }), (changes) => {
        const cache = new KeyCache()
        let newest = 1
        cache.put('k', read('k'))
        for (const { version, way } of changes) {
          if (way === 'put') cache.put('k', read('k', version))
          else cache.override(keyRecordWith({ id: 'k', version }))
          newest = Math.max(newest, version)
          expect(cache.get('k', 0)).toMatchObject({ record: { version: newest } })
        }
      }),
    )
  })

  test('what KV says of a key leaves it in the term that the Ledger put it in', () => {
    const cache = new KeyCache()
    cache.put('k', read('k', 1, 10))
    expect(cache.put('k', read('k', 2, 20, null))).toEqual(read('k', 2, 20, term))
    const later = {}
    expect(cache.put('k', read('k', 2, 15, later))).toEqual(read('k', 2, 20, later))
  })

  test('a record overrides the one of the same account and id, and takes in no key', () => {
    const cache = new KeyCache()
    cache.put('k', read('k'))
    cache.override(keyRecordWith({ id: 'other', version: 9 }))
    cache.override(keyRecordWith({ account: 'bbbbbbbbbb', id: 'k', version: 9 }))
    expect(cache.get('k', 0)).toEqual(read('k'))
    expect(cache.get('other', 0)).toBeNull()
    cache.override(keyRecordWith({ id: 'k', version: 2, state: 'revoked' }))
    expect(cache.get('k', 0)).toMatchObject({ record: { version: 2, state: 'revoked' }, term })
  })

  test('holds 1,000 records; the least recently used goes first, and is not overridden any more', () => {
    const cache = new KeyCache()
    const { entriesMax } = defaultKeyCacheLimits
    for (let key = 0; key < entriesMax; key += 1) cache.put(`k${key}`, read(`k${key}`))
    cache.get('k0', 0)
    cache.put('one more', read('one more'))
    expect(['k0', 'k1', 'k2'].map((key) => cache.get(key, 0) !== null)).toEqual([true, false, true])
    cache.override(keyRecordWith({ id: 'k1', version: 2 }))
    expect(cache.get('k1', 0)).toBeNull()
  })

  test('a key known not to exist is unknown for 5 s, and no longer once it does', () => {
    const cache = new KeyCache()
    cache.putUnknown('k', 0)
    expect([0, 4_999, 5_000].map((nowMs) => cache.get('k', nowMs))).toEqual(['unknown', 'unknown', null])
    cache.putUnknown('k', 6_000)
    cache.put('k', read('k'))
    expect(cache.get('k', 6_001)).toEqual(read('k'))
    cache.putUnknown('k', 7_000)
    expect(cache.get('k', 7_001)).toBe('unknown')
  })

  test('C31: unknown keys are bounded and push out no record', () => {
    const cache = new KeyCache()
    cache.put('k', read('k'))
    for (let key = 0; key < 10_000; key += 1) cache.putUnknown(`u${key}`, 0)
    const remembered = Array.from({ length: 10_000 }, (_, key) => cache.get(`u${key}`, 1) === 'unknown')
    expect(remembered.filter(Boolean)).toHaveLength(defaultKeyCacheLimits.unknownEntriesMax)
    expect(cache.get('k', 1)).toEqual(read('k'))
  })
})
