import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { dayOf, hourOf, hoursKeptDays, noUsage } from '../../src/core/usage/rollup.ts'
import type { AccountUsage, KeyUsage } from '../../src/core/usage/usage-report.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { accepted, openLedger } from './support/objects.ts'
import { Isolate, issued, limit, need, settled } from './support/sync-messages.ts'

let ledger: DurableObjectStub<Ledger>
let isolate: Isolate

beforeEach(async () => {
  ;({ ledger } = await openLedger('usageof'))
  await ledger.createKey(issued('k1'))
  isolate = new Isolate('isolate-one')
})

async function usage(): Promise<KeyUsage> {
  const today = dayOf(hourOf(Date.now()))
  return accepted((await ledger.keyUsage('k1', { firstDay: today - 1, lastDay: today + 1 })) as KeyUsage)
}

function counters(): Promise<string[]> {
  return runInDurableObject(ledger, (_, { storage: { sql } }) =>
    sql
      .exec<{ counter: string }>(`SELECT counter FROM permits WHERE counter <> 'key:k1:rpm'`)
      .toArray()
      .map(({ counter }) => counter),
  )
}

describe('what was settled', () => {
  test('is known by its id until an hour after its deadline, then swept', async () => {
    const deadlineMs = Date.now() - 3_600_000 + 100
    await isolate.sync(ledger, { settled: [settled('old', { deadlineMs, inputTokens: 1 })] })
    await isolate.sync(ledger, { settled: [settled('new', { inputTokens: 1 })] })
    await scheduler.wait(150)
    await runInDurableObject(ledger, (instance) => instance.alarm())
    const ids = await runInDurableObject(ledger, (_, state) =>
      state.storage.sql.exec<{ id: string }>('SELECT id FROM reservations').toArray(),
    )
    expect(ids).toEqual([{ id: 'new' }])
    expect((await usage()).lifetime).toMatchObject({ requests: 2 })
  })

  test('becomes days after 40 days, and is reported all the same', async () => {
    const today = dayOf(hourOf(Date.now()))
    await isolate.sync(ledger, { settled: [settled('now', { inputTokens: 1 })] })
    await runInDurableObject(ledger, (_, { storage: { sql } }) => {
      for (const [day, route] of [
        [today - hoursKeptDays, 'a'],
        [today - hoursKeptDays - 1, 'a'],
        [today - hoursKeptDays - 1, 'b'],
      ]) {
        for (const hour of [0, 5, 23]) {
          sql.exec(
            `INSERT INTO usage_hours (key, hour, model, route, requests, input_tokens, output_tokens, micro_usd, estimated, lost)
             VALUES ('k1', ?, 'gpt-4o', ?, 1, 10, 0, 0, 0, 0)`,
            Number(day) * 24 + hour,
            String(route),
          )
        }
      }
    })
    const range = { firstDay: today - 100, lastDay: today }
    const before = accepted((await ledger.keyUsage('k1', range)) as KeyUsage)
    await evictDurableObject(ledger)
    await runInDurableObject(ledger, (instance) => instance.alarm())
    await runInDurableObject(ledger, (instance) => instance.alarm())
    const after = accepted((await ledger.keyUsage('k1', range)) as KeyUsage)
    expect(after.days).toEqual(before.days)
    expect(after.days.map(({ requests, inputTokens }) => [requests, inputTokens])).toEqual([
      [1, 1],
      [3, 30],
      [6, 60],
    ])
    const rows = await runInDurableObject(ledger, (_, { storage: { sql } }) => [
      sql.exec('SELECT * FROM usage_days').toArray().length,
      sql.exec('SELECT * FROM usage_hours').toArray().length,
    ])
    expect(rows).toEqual([2, 4])
  })

  test('keeps at most 100 models apart in an hour', async () => {
    const made = Array.from({ length: 150 }, (_, at) =>
      settled(`r${at}`, { model: `model-${at}`, inputTokens: 1 }),
    )
    await isolate.sync(ledger, { settled: made })
    await isolate.sync(ledger, { settled: [settled('again', { model: 'model-7', inputTokens: 1 })] })
    const { days, lifetime } = await usage()
    expect(days).toHaveLength(101)
    expect(days.find(({ model }) => model === '(other)')).toMatchObject({ requests: 50 })
    expect(days.find(({ model }) => model === 'model-7')).toMatchObject({ requests: 2 })
    expect(lifetime).toMatchObject({ requests: 151, inputTokens: 151 })
  })

  test('is summed for the whole account by day and key', async () => {
    const today = dayOf(hourOf(Date.now()))
    await isolate.sync(ledger, {
      settled: [settled('a', { inputTokens: 1 }), settled('b', { key: 'k2', inputTokens: 2, model: 'x' })],
    })
    const report = await ledger.accountUsage({ firstDay: today - 1, lastDay: today + 1 })
    expect(report).toMatchObject({
      days: [
        { key: 'k1', inputTokens: 1 },
        { key: 'k2', inputTokens: 2 },
      ],
      total: { requests: 2, inputTokens: 3 },
      limits: [],
      truncated: false,
    })
  })

  test('of more keys and days than a report tells is summed whole, and no day of it is told in part', async () => {
    const today = dayOf(hourOf(Date.now()))
    await isolate.sync(ledger, { settled: [settled('a', { inputTokens: 1 })] })
    await runInDurableObject(ledger, (_, { storage: { sql } }) => {
      for (const [table, time, day] of [
        ['usage_hours', 'hour', (today - 1) * 24],
        ['usage_days', 'day', today - 60],
      ]) {
        sql.exec(
          `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
           INSERT INTO ${table} (key, ${time}, model, route, requests, input_tokens, output_tokens, micro_usd, estimated, lost)
           SELECT 'key' || i, ${day}, 'm', 'r', 1, 10, 0, 0, 0, 0 FROM n`,
        )
      }
    })
    const all = { firstDay: today - 100, lastDay: today }
    const report = accepted((await ledger.accountUsage(all)) as AccountUsage)
    expect(report.total).toMatchObject({ requests: 6_001, inputTokens: 60_001 })
    expect([report.days.length, report.truncated]).toEqual([3_001, true])
    const latest = accepted((await ledger.accountUsage({ ...all, firstDay: today - 1 })) as AccountUsage)
    expect([latest.total.requests, latest.days.length, latest.truncated]).toEqual([3_001, 3_001, false])
    const none = accepted((await ledger.accountUsage({ firstDay: 1, lastDay: 2 })) as AccountUsage)
    expect(none).toEqual({ days: [], total: noUsage, limits: [], truncated: false })
  })
})

describe('counters of limits that nobody has used for nine weeks', () => {
  const rpm = limit({ durability: 'default' })
  const dayMs = 86_400_000

  beforeEach(async () => {
    await ledger.updateKey('k1', { limits: [rpm] })
    const alarmMs = () => runInDurableObject(ledger, (_, { storage }) => storage.getAlarm())
    await expect.poll(alarmMs, { timeout: 4_000 }).toBeNull()
    await runInDurableObject(ledger, (_, { storage: { sql } }) => {
      for (const [counter, weeks] of [
        ['key:gone:rpm', 10],
        ['key:kept:rpm', 8],
      ]) {
        sql.exec(`INSERT INTO permits VALUES (?, '{}', ?)`, counter, Date.now() - Number(weeks) * 7 * dayMs)
      }
    })
    await evictDurableObject(ledger)
  })

  afterEach(() => {
    vi.useRealTimers()
  })

  test('are forgotten when the Ledger rests, with no alarm set for it', async () => {
    await isolate.sync(ledger, { needs: [need('n', [], 'k1')] })
    expect(await counters()).toEqual(['key:gone:rpm', 'key:kept:rpm'])
    await expect.poll(counters, { timeout: 8_000, interval: 500 }).toEqual(['key:kept:rpm'])
    expect(await runInDurableObject(ledger, (_, { storage }) => storage.getAlarm())).toBeNull()
  }, 12_000)

  test('are forgotten once a day in a Ledger that never rests', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    await isolate.sync(ledger, { needs: [need('n1', [], 'k1')] })
    vi.setSystemTime(Date.now() + dayMs)
    await isolate.sync(ledger, { needs: [need('n2', [], 'k1')] })
    expect(await counters()).toEqual(['key:kept:rpm'])
    vi.setSystemTime(Date.now() + 5 * dayMs)
    await isolate.sync(ledger, { needs: [need('n3', [], 'k1')] })
    expect(await counters()).toEqual(['key:kept:rpm'])
    vi.setSystemTime(Date.now() + 2 * dayMs)
    await isolate.sync(ledger, { needs: [need('n4', [], 'k1')] })
    expect(await counters()).toEqual([])
  })
})
