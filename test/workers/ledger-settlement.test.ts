import { abortAllDurableObjects, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Take } from '../../src/core/limit/messages.ts'
import { keyCounter } from '../../src/core/limit/spec.ts'
import { dayOf, hourOf } from '../../src/core/usage/rollup.ts'
import type { KeyUsage } from '../../src/core/usage/usage-report.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { accepted, openLedger } from './support/objects.ts'
import { Isolate, issued, need, opened, settled, tokenBudget } from './support/sync-messages.ts'

const budget = tokenBudget(100_000)
const counter = keyCounter('k1', 'budget')
const reserved = 1_000
const used = { inputTokens: 100, outputTokens: 200 }
const tokens = used.inputTokens + used.outputTokens
const takes: readonly Take[] = [{ counter, cost: reserved }]
/** What a stored row of the budget may be ahead of what was used. */
const headroom = budget.max / 100

let account: string
let ledger: DurableObjectStub<Ledger>
let isolate: Isolate

beforeEach(async () => {
  ;({ account, ledger } = await openLedger('settling'))
  await ledger.createKey(issued('k1', { limits: [budget] }))
  isolate = new Isolate('isolate-one')
})

/** The object is gone with all it had in memory; what was answered is stored. */
async function kill(): Promise<void> {
  await abortAllDurableObjects()
  ledger = env.LEDGER.getByName(`ledger:${account}:1`)
}

async function reserve(id: string): Promise<void> {
  const reply = await isolate.sync(ledger, { needs: [need(id, takes)] })
  expect(reply.needs).toMatchObject([{ id, takes }])
}

async function open(id: string, deadlineMs = Date.now() + 600_000): Promise<void> {
  const reservation = opened(id, { takes, deadlineMs, inputTokens: 100, outputTokens: 900 })
  const reply = await isolate.sync(ledger, { opened: [reservation] })
  expect(reply.acknowledged).toEqual([id])
}

function settlement(id: string) {
  return settled(id, { takes, costs: [{ counter, cost: tokens }], ...used, microUsd: 7 })
}

async function settle(id: string): Promise<void> {
  const reply = await isolate.sync(ledger, { settled: [settlement(id)] })
  expect(reply.acknowledged).toEqual([id])
}

async function usage(): Promise<KeyUsage> {
  const today = dayOf(hourOf(Date.now()))
  return accepted((await ledger.keyUsage('k1', { firstDay: today - 1, lastDay: today + 1 })) as KeyUsage)
}

/** The Ledger's word after some exchanges of which each was settled as `settlement` says. */
async function expectModel(exchanges: number, { aheadMax = 0 }: { aheadMax?: number } = {}): Promise<void> {
  const { lifetime, limits, days } = await usage()
  const totals = {
    requests: exchanges,
    inputTokens: exchanges * used.inputTokens,
    outputTokens: exchanges * used.outputTokens,
    microUsd: exchanges * 7,
    estimated: 0,
    lost: 0,
  }
  expect(lifetime).toMatchObject(totals)
  expect(days).toMatchObject(exchanges === 0 ? [] : [{ ...totals, model: 'gpt-4o' }])
  expect(limits[0]?.used).toBeGreaterThanOrEqual(exchanges * tokens)
  expect(limits[0]?.used).toBeLessThanOrEqual(exchanges * tokens + aheadMax)
}

describe('a settlement', () => {
  test('gives back what was not used, and is in the usage of the key', async () => {
    await reserve('r1')
    await open('r1')
    expect((await usage()).limits).toMatchObject([{ used: reserved }])
    await settle('r1')
    await expectModel(1)
    const { lifetime, record } = await usage()
    expect(lifetime.lastUsedMs).toBeGreaterThan(Date.now() - 10_000)
    expect(record.id).toBe('k1')
  })

  test('is one charge, said three times one after the other', async () => {
    await reserve('r1')
    await open('r1')
    for (let times = 0; times < 3; times += 1) await settle('r1')
    await expectModel(1)
  })

  test('is one charge, said three times in one message and three times at the same time', async () => {
    await reserve('r1')
    await open('r1')
    const said = [settlement('r1'), settlement('r1'), settlement('r1')]
    const messages = [1, 2, 3].map(() => isolate.message({ settled: said }))
    const replies = await Promise.all(messages.map((message) => ledger.sync(message)))
    expect(replies.at(-1)?.acknowledged).toContain('r1')
    await expectModel(1)
  })

  test('is one charge when two isolates say it', async () => {
    await reserve('r1')
    await open('r1')
    const other = new Isolate('isolate-two')
    await Promise.all([settle('r1'), other.sync(ledger, { settled: [settlement('r1')] })])
    await expectModel(1)
  })

  test('of more than was reserved charges the rest as well', async () => {
    await reserve('r1')
    await open('r1')
    await isolate.sync(ledger, { settled: [settled('r1', { takes, costs: [{ counter, cost: 5_000 }] })] })
    expect((await usage()).limits).toMatchObject([{ used: 5_000 }])
  })

  test('whose opening was lost counts all the same', async () => {
    await reserve('r1')
    await settle('r1')
    await expectModel(1)
  })

  test('says how its numbers were come by', async () => {
    await isolate.sync(ledger, {
      settled: [
        settled('r1', { source: 'estimated', inputTokens: 5 }),
        settled('r2', { microUsd: 3, model: null }),
      ],
    })
    const { lifetime, days } = await usage()
    expect(lifetime).toMatchObject({ requests: 2, estimated: 1, lost: 0, inputTokens: 5, microUsd: 3 })
    expect(days.map(({ model, requests }) => [model, requests])).toEqual([
      [null, 1],
      ['gpt-4o', 1],
    ])
  })

  test('of a deleted account is taken still', async () => {
    await reserve('r1')
    await open('r1')
    await ledger.deleteAccount()
    await settle('r1')
    expect((await usage()).lifetime).toMatchObject({ requests: 1, ...used })
  })

  test('of an isolate whose message was overtaken is not lost: it is acknowledged or said again', async () => {
    await reserve('r1')
    await open('r1')
    const late = isolate.message({ settled: [settlement('r1')] })
    await isolate.sync(ledger)
    const reply = await ledger.sync(late)
    if (!reply.acknowledged.includes('r1')) await settle('r1')
    await expectModel(1)
  })
})

describe('the Ledger is killed', () => {
  test('before the reservation', async () => {
    await kill()
    await reserve('r1')
    await open('r1')
    await settle('r1')
    await expectModel(1, { aheadMax: headroom })
  })

  test('after the reservation was granted', async () => {
    await reserve('r1')
    await kill()
    await open('r1')
    await settle('r1')
    await expectModel(1, { aheadMax: headroom + reserved })
  })

  test('after the reservation was opened, when the last byte was sent', async () => {
    await reserve('r1')
    await open('r1')
    await kill()
    await settle('r1')
    await expectModel(1, { aheadMax: headroom + reserved })
  })

  test('while it settles', async () => {
    await reserve('r1')
    await open('r1')
    const message = isolate.message({ settled: [settlement('r1')] })
    await Promise.allSettled([ledger.sync(message), kill()])
    await settle('r1')
    await expectModel(1, { aheadMax: headroom + reserved })
  })

  test('while it settles, between two of its rows', async () => {
    await reserve('r1')
    await open('r1')
    const before = await isolate.sync(ledger)
    await runInDurableObject(ledger, (instance, { storage: { sql } }) => {
      sql.exec(`CREATE TRIGGER full BEFORE INSERT ON usage_keys BEGIN SELECT RAISE(ABORT, 'full'); END`)
      const message = isolate.message({ settled: [settlement('r1')] })
      expect(() => instance.sync(message)).toThrow(/full/)
      sql.exec('DROP TRIGGER full')
    })
    await expectModel(0, { aheadMax: headroom + reserved })
    expect((await isolate.sync(ledger)).boot).not.toBe(before.boot)
    await settle('r1')
    await expectModel(1, { aheadMax: headroom + reserved })
  })

  test('before the settlement is acknowledged', async () => {
    await reserve('r1')
    await open('r1')
    await ledger.sync(isolate.message({ settled: [settlement('r1')] }))
    await kill()
    await settle('r1')
    await settle('r1')
    await expectModel(1, { aheadMax: headroom + reserved })
  })

  test('again and again: 30 exchanges are 30 charges', async () => {
    for (let exchange = 0; exchange < 30; exchange += 1) {
      const id = `r${exchange}`
      await reserve(id)
      if (exchange % 4 === 0) await kill()
      await open(id)
      if (exchange % 4 === 1) await kill()
      if (exchange % 4 === 2)
        await Promise.allSettled([ledger.sync(isolate.message({ settled: [settlement(id)] })), kill()])
      await settle(id)
      if (exchange % 4 === 3) await kill()
    }
    const { lifetime, limits } = await usage()
    expect(lifetime).toMatchObject({
      requests: 30,
      inputTokens: 3_000,
      outputTokens: 6_000,
      microUsd: 210,
      lost: 0,
    })
    expect(limits[0]?.used).toBeGreaterThanOrEqual(30 * tokens)
    expect(limits[0]?.used).toBeLessThanOrEqual(30 * (reserved + headroom))
  })
})

describe('a reservation that nobody settles', () => {
  const lostOnce = { requests: 1, inputTokens: 100, outputTokens: 900, estimated: 0, lost: 1 }

  test('is charged as it stands at its deadline, by an alarm that may go off twice', async () => {
    await reserve('r1')
    await open('r1', Date.now() + 50)
    await scheduler.wait(60)
    await runInDurableObject(ledger, (instance) => instance.alarm())
    await runInDurableObject(ledger, (instance) => instance.alarm())
    expect((await usage()).lifetime).toMatchObject(lostOnce)
    expect((await usage()).limits).toMatchObject([{ used: reserved }])
  })

  test('is charged by the alarm that was set when it was opened, although the Ledger died between', async () => {
    await reserve('r1')
    const deadlineMs = Date.now() + 500
    await open('r1', deadlineMs)
    await kill()
    const alarmMs = await runInDurableObject(ledger, (_, state) => state.storage.getAlarm())
    expect(alarmMs).toBeLessThanOrEqual(deadlineMs)
    await expect
      .poll(async () => (await usage()).lifetime, { timeout: 4_000, interval: 200 })
      .toMatchObject(lostOnce)
  })

  test('has its real numbers when they come late, and those only', async () => {
    await reserve('r1')
    await open('r1', Date.now() + 50)
    await scheduler.wait(60)
    await runInDurableObject(ledger, (instance) => instance.alarm())
    await settle('r1')
    await settle('r1')
    await expectModel(1)
  })

  test('waits when it cannot be written, and holds up nothing else', async () => {
    await reserve('r1')
    await open('r1', Date.now() + 50)
    await ledger.updateKey('k1', { name: 'another' })
    await scheduler.wait(60)
    const nextMs = await runInDurableObject(ledger, async (instance, { storage }) => {
      storage.sql.exec(
        `CREATE TRIGGER full BEFORE INSERT ON usage_keys BEGIN SELECT RAISE(ABORT, 'full'); END`,
      )
      await instance.alarm()
      await instance.alarm()
      storage.sql.exec('DROP TRIGGER full')
      return ((await storage.getAlarm()) ?? 0) - Date.now()
    })
    expect(nextMs).toBeGreaterThan(0)
    await expect
      .poll(() => env.KEYS.get(`key:${account}:k1`, 'json'), { timeout: 4_000 })
      .toMatchObject({ name: 'another' })
    await runInDurableObject(ledger, (instance) => instance.alarm())
    expect((await usage()).lifetime).toMatchObject(lostOnce)
  })

  test('an alarm that is late serves the outbox as well, and sets the next one for what is left', async () => {
    await reserve('r1')
    const deadlineMs = Date.now() + 3_600_000
    await open('r1', deadlineMs)
    await ledger.updateKey('k1', { name: 'another' })
    await expect
      .poll(async () => await runInDurableObject(ledger, (_, state) => state.storage.getAlarm()), {
        timeout: 5_000,
      })
      .toBe(deadlineMs)
    expect(await env.KEYS.get(`key:${account}:k1`, 'json')).toMatchObject({ name: 'another' })
  })
})

test('a Ledger that was left alone for some seconds knows exactly what was used, whatever becomes of it', async () => {
  await reserve('r1')
  await open('r1')
  await settle('r1')
  await scheduler.wait(5_500)
  await kill()
  await expectModel(1)
}, 15_000)
