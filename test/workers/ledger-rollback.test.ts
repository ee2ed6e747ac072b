import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import { keyCounter, type LimitSpec } from '../../src/core/limit/spec.ts'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import { keyRecordName } from '../../src/core/storage-layout.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { accepted, openLedger } from './support/objects.ts'
import { Isolate, issued, limit, need } from './support/sync-messages.ts'

/** What a version after this one may write, before it is rolled back. */
const later = { ...limit({ name: 'later' }), kind: 'of-a-later-version' }
const rpm = limit()

let account: string
let ledger: DurableObjectStub<Ledger>
let isolate: Isolate

beforeEach(async () => {
  ;({ account, ledger } = await openLedger('rolledback'))
  await ledger.createKey(issued('good', { limits: [rpm] }))
  await ledger.createKey(issued('odd', { limits: [rpm] }))
  await ledger.setLimits([limit({ name: 'all' })])
  isolate = new Isolate('isolate-one')
})

/** Puts what a later version wrote into the rows, and starts the Ledger anew. */
async function rollBack({ key, limits }: { key?: object | string; limits?: unknown }): Promise<void> {
  await runInDurableObject(ledger, (_, { storage: { sql } }) => {
    if (key !== undefined) {
      const { record } = sql.exec<{ record: string }>(`SELECT record FROM keys WHERE id = 'odd'`).one()
      const text = typeof key === 'string' ? key : JSON.stringify({ ...JSON.parse(record), ...key })
      sql.exec(`UPDATE keys SET record = ? WHERE id = 'odd'`, text)
    }
    if (limits !== undefined) sql.exec('UPDATE account_terms SET limits = ?', JSON.stringify(limits))
  })
  await evictDurableObject(ledger)
}

async function stored(id: string): Promise<object> {
  return runInDurableObject(ledger, (_, { storage: { sql } }) => {
    const { record } = sql.exec<{ record: string }>('SELECT record FROM keys WHERE id = ?', id).one()
    return JSON.parse(record) as object
  })
}

async function storedLimits(): Promise<unknown> {
  return runInDurableObject(ledger, (_, { storage: { sql } }) =>
    JSON.parse(sql.exec<{ limits: string }>('SELECT limits FROM account_terms').one().limits),
  )
}

describe.each<[string, { key: object | string; shown: readonly LimitSpec[] }]>([
  ['a limit of a kind that is not known', { key: { limits: [rpm, later] }, shown: [rpm] }],
  ['another layout', { key: { schema: 2 }, shown: [rpm] }],
  ['fields of other types', { key: { scopes: 'all', models: 7, limits: { rpm } }, shown: [] }],
  ['no JSON', { key: '{"schema":1,', shown: [] }],
])('a key whose record has %s', (_, { key, shown }) => {
  beforeEach(() => rollBack({ key }))

  test('is unknown to isolates and gets nothing, and others go on', async () => {
    const counter = keyCounter('odd', 'rpm')
    const reply = await isolate.sync(ledger, {
      sequence: null,
      keys: ['good', 'odd'],
      needs: [need('a', [], 'odd'), need('b', [{ counter, cost: 1 }]), need('c', [], 'good')],
    })
    expect(reply.keys).toMatchObject([
      { id: 'good', record: { id: 'good', limits: [rpm] } },
      { id: 'odd', record: null },
    ])
    expect(reply.account).toMatchObject({ state: 'active', limits: [{ name: 'all' }], changed: null })
    const granted = new Map(reply.needs.map(({ id, takes }) => [id, takes]))
    expect([granted.get('a'), granted.get('b')]).toEqual([null, null])
    expect(granted.get('c')).toHaveLength(2)
  })

  test('is shown as far as it can be read, and listed', async () => {
    expect(await ledger.getKey('odd')).toMatchObject({
      id: 'odd',
      version: 1,
      state: 'active',
      limits: shown,
    })
    const first = accepted(await ledger.listKeys({ after: null, itemsMax: 1 }))
    const second = accepted(await ledger.listKeys({ after: first.next, itemsMax: 1 }))
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(['good', 'odd'])
    expect(second.next).toBeNull()
    expect(await ledger.keyStanding('odd')).toMatchObject({ record: { id: 'odd' } })
  })

  test('can be revoked, and stays revoked for the version that wrote it', async () => {
    const before = typeof key === 'string' ? {} : await stored('odd')
    const revoked = { version: 2, state: 'revoked', revokedAtMs: expect.any(Number) as number }
    expect(await ledger.revokeKey('odd')).toMatchObject({ id: 'odd', ...revoked })
    expect(await ledger.revokeKey('odd')).toMatchObject({ version: 2 })
    expect(await stored('odd')).toEqual({ ...before, id: 'odd', ...revoked })
    await expect
      .poll(() => env.KEYS.get(keyRecordName(account, 'odd'), 'json'), { timeout: 4_000 })
      .toMatchObject(revoked)
  })

  test('is revoked with its account', async () => {
    expect(await ledger.deleteAccount()).toMatchObject({ state: 'deleted' })
    expect(await stored('odd')).toMatchObject({ version: 2, state: 'revoked' })
    expect(await stored('good')).toMatchObject({ version: 2, state: 'revoked' })
  })

  test('does not hold up the alarm', async () => {
    await runInDurableObject(ledger, (instance) => instance.alarm())
    await ledger.updateKey('good', { name: 'another' })
    await expect
      .poll(() => env.KEYS.get(keyRecordName(account, 'good'), 'json'), { timeout: 4_000 })
      .toMatchObject({ name: 'another' })
  })
})

describe('a key with a limit that cannot be read', () => {
  beforeEach(() => rollBack({ key: { limits: [later], of: 'a later version' } }))

  test('loses nothing when something else is changed, and goes on being refused', async () => {
    expect(await ledger.updateKey('odd', { name: 'another' })).toMatchObject({ name: 'another', version: 2 })
    expect(await stored('odd')).toMatchObject({ name: 'another', limits: [later], of: 'a later version' })
    const { keys } = await isolate.sync(ledger, { keys: ['odd'] })
    expect(keys).toEqual([{ id: 'odd', record: null }])
  })

  test.each([[[]], [[rpm]]])('is let in again once it is given the limits %j', async (limits) => {
    const changed: KeyRecord = accepted(await ledger.updateKey('odd', { limits }))
    expect(changed).toMatchObject({ version: 2, limits })
    const { keys } = await isolate.sync(ledger, { keys: ['odd'] })
    expect(keys).toEqual([{ id: 'odd', record: changed }])
  })

  test('stays out of it once it is revoked', async () => {
    await ledger.revokeKey('odd')
    expect(await ledger.updateKey('odd', { limits: [] })).toMatchObject({ version: 2, state: 'revoked' })
  })
})

test('what a later version wrote beside a record that can be read is kept when it is changed', async () => {
  await rollBack({ key: { paused: true } })
  await ledger.updateKey('odd', { name: 'another' })
  expect(await stored('odd')).toMatchObject({ name: 'another', version: 2, paused: true })
})

describe('limits of an account of which one cannot be read', () => {
  const all = limit({ name: 'all' })
  beforeEach(() => rollBack({ limits: [later, all] }))

  test('hold as far as they can be read, and are kept', async () => {
    expect(await ledger.limits()).toEqual([all])
    await ledger.updateKey('good', { name: 'another' })
    expect(await storedLimits()).toEqual([later, all])
    const { account: news, needs } = await isolate.sync(ledger, { needs: [need('a', [], 'good')] })
    expect(news?.limits).toEqual([all])
    expect(news?.changed?.map(({ name }) => name)).toEqual(['key odd', 'another'])
    expect(needs).toMatchObject([{ takes: [{ cost: 1 }, { cost: 1 }] }])
  })

  test('are replaced by those that are set, even if these are all that could be read', async () => {
    expect(await ledger.setLimits([all])).toEqual([all])
    expect(await storedLimits()).toEqual([all])
  })
})

test('account limits that are no list hold for nobody and stop nothing', async () => {
  await rollBack({ limits: { version: 2 } })
  expect(await ledger.limits()).toEqual([])
  expect(await ledger.revokeKey('good')).toMatchObject({ state: 'revoked' })
  expect(await storedLimits()).toEqual({ version: 2 })
})
