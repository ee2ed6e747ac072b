import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { judgeKey } from '../../src/core/key/judge.ts'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import { backoffMs, dueNow, nextRoundMs } from '../../src/core/key/outbox.ts'
import { newRecord, readRecord, revokeRecord } from '../../src/core/key/record-life.ts'

const models = { allow: ['small', 'org/*'], deny: ['org/secret'] }
const issued = {
  id: 'id',
  hash: 'ab',
  name: 'n',
  scopes: ['s'],
  models,
  expiresAtMs: 2_000,
  createdAtMs: 1_000,
}
const fresh = newRecord('account', issued)
const row = (publishedAtMs: number) => ({ id: 'k', version: 2, publishedAtMs })

describe('a key’s record', () => {
  test('begins active at version 1', () => {
    expect(fresh).toEqual({
      schema: 1,
      account: 'account',
      version: 1,
      state: 'active',
      revokedAtMs: null,
      ...issued,
    })
  })

  test('is revoked once: a repeated revocation changes nothing', () => {
    const revoked = revokeRecord(fresh, 1_500)
    expect(revoked).toEqual({ ...fresh, version: 2, state: 'revoked', revokedAtMs: 1_500 })
    expect(revokeRecord(revoked, 1_900)).toBe(revoked)
  })

  test('names its holder until it expires or is revoked, and then refuses alike', () => {
    const holder = { kind: 'key', account: 'account', keyId: 'id', scopes: ['s'], models }
    const invalid = { refused: 'key_invalid' }
    expect(judgeKey(fresh, 1_999)).toEqual(holder)
    expect(judgeKey({ ...fresh, expiresAtMs: null }, 1e15)).toEqual(holder)
    expect(judgeKey(fresh, 2_000)).toEqual(invalid)
    expect(judgeKey(revokeRecord(fresh, 1_000), 1_001)).toEqual(invalid)
  })

  test('survives JSON, and fields of a newer writer are dropped', () => {
    expect(readRecord(JSON.parse(JSON.stringify({ ...fresh, later: true })))).toEqual(fresh)
  })

  test('is refused when any field is missing or of the wrong kind', () => {
    for (const field of Object.keys(fresh)) {
      // Records of the first layout have no `models`; that is read below.
      const wrong = field === 'models' ? [{}, true, Number.NaN] : [undefined, {}, true, Number.NaN]
      for (const value of wrong) {
        expect(readRecord({ ...fresh, [field]: value }), `${field} ${typeof value}`).toBeNull()
      }
    }
    expect(readRecord({ ...fresh, schema: 2 })).toBeNull()
    expect(readRecord({ ...fresh, state: 'paused' })).toBeNull()
    fc.assert(fc.property(fc.anything(), (value) => readRecord(value) === null))
  })

  test('of the first layout, which knew no models, leaves models to the route', () => {
    const { models: _models, ...first } = fresh
    expect(readRecord(first)).toEqual({ ...fresh, models: null })
    expect(readRecord({ ...fresh, models: null })).toEqual({ ...fresh, models: null })
  })

  test.each([
    ['a list', []],
    ['an object without deny', { allow: null }],
    ['an object without allow', { deny: [] }],
    ['a name in place of a list', { allow: 'small', deny: [] }],
    ['a list of something else', { allow: null, deny: [1] }],
    ['null in place of deny', { allow: null, deny: null }],
  ])('is refused when its models are %s, since a key with unread rules would be open', (_, value) => {
    expect(readRecord({ ...fresh, models: value })).toBeNull()
  })
})

describe('the outbox', () => {
  test('writes a key at most once a second', () => {
    expect(dueNow([row(0), row(9_000), row(9_001)], 10_000)).toEqual([row(0), row(9_000)])
    expect(nextRoundMs(9_500, 0, 10_000)).toBe(10_500)
    expect(nextRoundMs(0, 0, 10_000)).toBe(10_000)
  })

  test('rests when nothing is left and backs off from 1 s to 60 s while rounds fail', () => {
    expect(nextRoundMs(null, 3, 10_000)).toBeNull()
    expect([1, 2, 3, 6, 7, 1_000].map((failures) => backoffMs(failures))).toEqual([
      1_000, 2_000, 4_000, 32_000, 60_000, 60_000,
    ])
    expect(nextRoundMs(0, 2, 10_000)).toBe(12_000)
  })

  test('the next round is never in the past and never lost while something is left', () => {
    const time = fc.integer({ min: 0, max: 1e12 })
    fc.assert(
      fc.property(time, fc.nat(100), time, (publishedAtMs, failures, nowMs) => {
        const next = nextRoundMs(publishedAtMs, failures, nowMs)
        return next !== null && next >= nowMs
      }),
    )
  })
})

/** Keeps the layout of what is stored from changing unnoticed: KV and Ledgers hold records of this shape. */
test('the stored layout of a record is this', () => {
  const fields: (keyof KeyRecord)[] = [
    'account',
    'createdAtMs',
    'expiresAtMs',
    'hash',
    'id',
    'models',
    'name',
  ]
  const rest: (keyof KeyRecord)[] = ['revokedAtMs', 'schema', 'scopes', 'state', 'version']
  expect(Object.keys(fresh).toSorted()).toEqual([...fields, ...rest])
})
