import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { judgeKey } from '../../src/core/key/judge.ts'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import type { LimitSpec } from '../../src/core/limit/spec.ts'
import { backoffMs, dueNow, nextRoundMs } from '../../src/core/key/outbox.ts'
import { changeRecord, newRecord, readRecord, revokeRecord } from '../../src/core/key/record-life.ts'

const limit: LimitSpec = {
  name: 'five-hours',
  kind: 'token-window',
  max: 1_000_000,
  periodMs: 18_000_000,
  burst: null,
  calendar: null,
  durability: 'strict',
  onFailure: 'closed',
  reserve: 'auto',
}
const models = { allow: ['small', 'org/*'], deny: ['org/secret'] }
const issued = {
  id: 'id',
  hash: 'ab',
  name: 'n',
  scopes: ['s'],
  models,
  limits: [limit],
  strict: true,
  expiresAtMs: 2_000,
  createdAtMs: 1_000,
}
const fresh = newRecord('account', issued)
/** Fields that records of the first layouts do not have. */
const added = new Set(['models', 'limits', 'strict'])
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
    const holder = { kind: 'key', account: 'account', keyId: 'id', scopes: ['s'], models, limits: [limit] }
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
      // Records of the first layouts lack some fields; that is read below.
      const wrong = added.has(field) ? [{}, Number.NaN, 'x'] : [undefined, {}, true, Number.NaN]
      for (const value of wrong) {
        expect(readRecord({ ...fresh, [field]: value }), `${field} ${typeof value}`).toBeNull()
      }
    }
    expect(readRecord({ ...fresh, schema: 2 })).toBeNull()
    expect(readRecord({ ...fresh, state: 'paused' })).toBeNull()
    fc.assert(fc.property(fc.anything(), (value) => readRecord(value) === null))
  })

  test('of the first layouts, which knew less, leaves models to the route and has no limits', () => {
    const { models: _models, limits: _limits, strict: _strict, ...first } = fresh
    expect(readRecord(first)).toEqual({ ...fresh, models: null, limits: [], strict: false })
    expect(readRecord({ ...fresh, models: null })).toEqual({ ...fresh, models: null })
  })

  test('grows by a version with each change, and by none where nothing changes', () => {
    const changed = changeRecord(fresh, { name: 'm', limits: [], expiresAtMs: null })
    expect(changed).toEqual({ ...fresh, version: 2, name: 'm', limits: [], expiresAtMs: null })
    expect(changeRecord(fresh, { name: fresh.name, limits: [{ ...limit }] })).toBe(fresh)
    expect(changeRecord(fresh, {})).toBe(fresh)
  })

  test('is not changed any more once it is revoked', () => {
    const revoked = revokeRecord(fresh, 1_500)
    expect(changeRecord(revoked, { name: 'm' })).toBe(revoked)
  })

  test.each([
    ['null', null],
    ['an object', {}],
    ['a kind of its own', [{ ...limit, kind: 'rpm' }]],
    ['a maximum of 0', [{ ...limit, max: 0 }]],
    ['a maximum of half a token', [{ ...limit, max: 0.5 }]],
    ['no period', [{ ...limit, periodMs: undefined }]],
    ['another calendar', [{ ...limit, calendar: 'week' }]],
    ['a number for a name', [{ ...limit, name: 1 }]],
    ['another failure', [limit, { ...limit, onFailure: 'pass' }]],
  ])(
    'is refused when its limits are or have %s, since a key with unread limits would be open',
    (_, value) => {
      expect(readRecord({ ...fresh, limits: value })).toBeNull()
    },
  )

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
    'limits',
    'models',
    'name',
  ]
  const rest: (keyof KeyRecord)[] = ['revokedAtMs', 'schema', 'scopes', 'state', 'strict', 'version']
  expect(Object.keys(fresh).toSorted()).toEqual([...fields, ...rest])
})
