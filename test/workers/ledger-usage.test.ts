import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import { dayOf, hourOf, hoursKeptDays } from '../../src/core/usage/rollup.ts'
import type { KeyUsage } from '../../src/core/usage/usage-report.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { accepted } from './support/objects.ts'
import { Isolate, issued, settled } from './support/sync-messages.ts'

let ledger: DurableObjectStub<Ledger>
let isolate: Isolate
let accountsMade = 0

beforeEach(async () => {
  accountsMade += 1
  const account = `using${String(accountsMade).padStart(5, '0')}`
  ledger = env.LEDGER.getByName(`ledger:${account}:1`)
  await ledger.open({ id: account, region: 'weur', generation: 1 })
  await ledger.createKey(issued('k1'))
  isolate = new Isolate('isolate-one')
})

async function usage(): Promise<KeyUsage> {
  const today = dayOf(hourOf(Date.now()))
  return accepted((await ledger.keyUsage('k1', { firstDay: today - 1, lastDay: today + 1 })) as KeyUsage)
}

describe('what was settled', () => {
  test('is known by its id until an hour after its deadline, then swept', async () => {
    await isolate.sync(ledger, { settled: [settled('old', { deadlineMs: Date.now() - 3_600_000 + 100 })] })
    await isolate.sync(ledger, { settled: [settled('new')] })
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
    })
  })
})
