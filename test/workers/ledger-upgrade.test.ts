import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, expect, test } from 'vitest'
import { toldForMs } from '../../src/core/key/change-log.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { accepted, dumpObject } from './support/objects.ts'
import { Isolate, issued, limit, need, settled } from './support/sync-messages.ts'

/** What the first release made. */
const firstDdl = [
  `CREATE TABLE IF NOT EXISTS account (
    id TEXT PRIMARY KEY,
    region TEXT NOT NULL,
    generation INTEGER NOT NULL,
    state TEXT NOT NULL
  ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    record TEXT NOT NULL,
    published_version INTEGER NOT NULL DEFAULT 0,
    published_at INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS outbox ON keys (published_at) WHERE version > published_version',
  `CREATE INDEX IF NOT EXISTS active ON keys (id) WHERE state = 'active'`,
]

let account: string
let ledger: DurableObjectStub<Ledger>
let accountsMade = 0

function firstRecord(id: string, version: number) {
  const { limits: _limits, strict: _strict, ...key } = issued(id)
  return { schema: 1, account, version, state: 'active', revokedAtMs: null, ...key }
}

beforeEach(async () => {
  accountsMade += 1
  account = `upgraded${String(accountsMade).padStart(3, '0')}`
  ledger = env.LEDGER.getByName(`ledger:${account}:1`)
  const longAgoMs = Date.now() - toldForMs - 1
  const rows = [
    { id: 'old', version: 1, published: 1, publishedAtMs: longAgoMs },
    { id: 'fresh', version: 2, published: 2, publishedAtMs: Date.now() - 1_000 },
    { id: 'waiting', version: 2, published: 1, publishedAtMs: longAgoMs },
  ]
  await runInDurableObject(ledger, (_, { storage: { sql } }) => {
    for (const statement of firstDdl) sql.exec(statement)
    sql.exec(`INSERT INTO account VALUES (?, 'weur', 1, 'active')`, account)
    for (const { id, version, published, publishedAtMs } of rows) {
      const record = JSON.stringify(firstRecord(id, version))
      sql.exec(
        `INSERT INTO keys VALUES (?, ?, 'active', ?, ?, ?)`,
        id,
        version,
        record,
        published,
        publishedAtMs,
      )
    }
  })
  await evictDurableObject(ledger)
})

test('keys of the first release go on, with no limits', async () => {
  const record = { ...firstRecord('old', 1), limits: [], strict: false }
  expect(await ledger.findKey('old')).toEqual({ found: 'key', record })
  expect(await ledger.limits()).toEqual([])
  const rpm = limit()
  expect(await ledger.updateKey('old', { limits: [rpm] })).toEqual({ ...record, version: 2, limits: [rpm] })
  expect(await ledger.createKey(issued('new'))).toMatchObject({ id: 'new', version: 1 })
  const { items } = accepted(await ledger.listKeys({ after: null, itemsMax: 10 }))
  expect(items.map(({ id }) => id)).toEqual(['fresh', 'new', 'old', 'waiting'])
})

test('isolates are told of what the first release changed in the last 24 hours', async () => {
  const { account: news } = await new Isolate('one').sync(ledger, { sequence: null })
  expect(news?.changed?.map(({ id }) => id).toSorted()).toEqual(['fresh', 'waiting'])
  expect(news?.sequence).toBeGreaterThan(0)
})

test('limits, reservations and usage work as in a new Ledger', async () => {
  const rpm = limit({ durability: 'default' })
  await ledger.updateKey('old', { limits: [rpm] })
  const reply = await new Isolate('one').sync(ledger, {
    needs: [need('n', [], 'old')],
    settled: [settled('r', { key: 'old', inputTokens: 3 })],
  })
  expect(reply.needs).toMatchObject([{ takes: [{ cost: 1 }] }])
  expect(reply.acknowledged).toEqual(['r'])
  expect(await ledger.keyStanding('old')).toMatchObject({
    lifetime: { inputTokens: 3 },
    limits: [{ used: 1 }],
  })
})

test('a second start writes nothing', async () => {
  const before = await dumpObject(ledger)
  await evictDurableObject(ledger)
  expect(await dumpObject(ledger)).toBe(before)
})

test('the outbox of the first release is carried on', async () => {
  await ledger.revokeKey('old')
  await expect
    .poll(() => env.KEYS.get(`key:${account}:waiting`, 'json'), { timeout: 3_000 })
    .toMatchObject({ version: 2 })
  expect(await env.KEYS.get(`key:${account}:old`, 'json')).toMatchObject({ version: 2, state: 'revoked' })
})
