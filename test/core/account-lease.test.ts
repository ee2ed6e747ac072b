import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { noPurges, withPurge } from '../../src/core/cache/purge-log.ts'
import { AccountLease } from '../../src/core/key/account-lease.ts'
import type { AccountNews } from '../../src/core/key/account-news.ts'
import { keyRecordWith } from '../support/key-records.ts'

function news(sequence: number, changes: Partial<AccountNews> = {}): AccountNews {
  return { sequence, state: 'active', limits: [], changed: [], configEpoch: 0, purgeEpoch: 0, ...changes }
}

describe('the account lease', () => {
  test('counts for 5 s from when it was asked for, and asks for a refresh in the last of them', () => {
    const lease = new AccountLease()
    const at = (nowMs: number) => [lease.isFresh(nowMs), lease.refreshDue(nowMs)]
    expect(at(0)).toEqual([false, true])
    lease.apply(news(1), 1_000)
    expect([1_000, 4_999, 5_000, 5_999, 6_000].map(at)).toEqual([
      [true, false],
      [true, false],
      [true, true],
      [true, true],
      [false, true],
    ])
  })

  test('names the sequence it was told, none before', () => {
    const lease = new AccountLease()
    expect(lease.sequence).toBeNull()
    lease.apply(news(7), 0)
    expect(lease.sequence).toBe(7)
    lease.apply(null, 1)
    expect(lease.sequence).toBeNull()
  })

  test('a reply asked for earlier than what is known says nothing', () => {
    const lease = new AccountLease()
    lease.apply(news(5), 2_000)
    const changed = [keyRecordWith({ version: 9 })]
    expect(lease.apply(news(4, { changed }), 1_999)).toBeNull()
    expect([lease.sequence, lease.isFresh(6_999), lease.told('1111111111')]).toEqual([5, true, null])
  })

  test('the limits are the same array until they change', () => {
    const lease = new AccountLease()
    lease.apply(news(1, { limits: [] }), 0)
    const before = lease.limits
    lease.apply(news(1, { limits: [] }), 1)
    expect(lease.limits).toBe(before)
    lease.apply(news(2, { limits: [] }), 2)
    expect(lease.limits).not.toBe(before)
  })

  test('a term lasts as long as all changes are told', () => {
    const lease = new AccountLease()
    const terms: object[] = [lease.term]
    const apply = (told: AccountNews | null, askedAtMs: number) => {
      lease.apply(told, askedAtMs)
      terms.push(lease.term)
    }
    apply(news(1), 0)
    apply(news(2, { changed: [keyRecordWith()] }), 1)
    apply(news(9, { changed: null }), 2)
    apply(news(10), 3)
    apply(null, 4)
    const [first, second, third, fourth, fifth, sixth] = terms
    expect([second === first, third === first, fourth === first]).toEqual([true, true, false])
    expect([fifth === fourth, sixth === fifth]).toEqual([true, false])
  })

  test('is told records for good: of all versions ever told in a term, the newest counts', () => {
    const told = fc.record({ id: fc.constantFrom('a', 'b'), version: fc.integer({ min: 1, max: 9 }) })
    fc.assert(
      fc.property(fc.array(fc.array(told)), fc.integer({ min: 1, max: 9 }), (messages, version) => {
        const lease = new AccountLease()
        for (const [at, changes] of messages.entries()) {
          lease.apply(news(at, { changed: changes.map(keyRecordWith) }), at)
        }
        const versions = messages.flat().filter(({ id }) => id === 'a')
        const newest = Math.max(version, ...versions.map((each) => each.version))
        expect(lease.newest(keyRecordWith({ id: 'a', version })).version).toBe(newest)
      }),
    )
  })

  test('what was told is forgotten with its term', () => {
    const lease = new AccountLease()
    lease.apply(news(1, { changed: [keyRecordWith({ version: 3, state: 'revoked' })] }), 0)
    expect(lease.told('1111111111')).toMatchObject({ version: 3, state: 'revoked' })
    lease.apply(news(2, { changed: null }), 1)
    expect(lease.told('1111111111')).toBeNull()
  })
})

test('knows of purges what it was told last, also when later words say nothing of them', () => {
  const lease = new AccountLease()
  const purges = withPurge(noPurges, { kind: 'all' }, true, 5)
  expect(lease.purges).toBe(noPurges)
  lease.apply({ ...news(1), purges }, 0)
  lease.apply({ ...news(1), purges: null }, 10)
  lease.apply(news(2), 20)
  expect(lease.purges).toBe(purges)
})

test('names no sequence while there were purges that it was not told of', () => {
  const lease = new AccountLease()
  lease.apply(news(3, { purgeEpoch: 1 }), 0)
  expect(lease.sequence).toBeNull()
  const purges = withPurge(noPurges, { kind: 'all' }, true, 5)
  lease.apply(news(3, { purgeEpoch: 1, purges }), 10)
  expect([lease.sequence, lease.purges]).toEqual([3, purges])
  lease.apply(news(3, { purgeEpoch: 1, purges: null }), 20)
  expect(lease.sequence).toBe(3)
})
