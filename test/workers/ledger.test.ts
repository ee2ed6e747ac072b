import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import { keyRecordName } from '../../src/core/storage-layout.ts'
import { KeyTable } from '../../src/durable/ledger/key-table.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { Outbox } from '../../src/durable/ledger/outbox.ts'
import { accepted, dumpObject, openLedger, replaceKv } from './support/objects.ts'
import { issued } from './support/sync-messages.ts'

let account: string
let ledger: DurableObjectStub<Ledger>

beforeEach(async () => {
  ;({ account, ledger } = await openLedger('account'))
})

afterEach(() => {
  vi.useRealTimers()
})

function projected(id: string): Promise<KeyRecord | null> {
  return env.KEYS.get<KeyRecord>(keyRecordName(account, id), 'json')
}

/** A KV that fails while told to and remembers what was written when. */
class RecordingKv {
  failing = false
  readonly writes: { readonly name: string; readonly version: number; readonly atMs: number }[] = []

  async put(name: string, value: string): Promise<void> {
    if (this.failing) throw new Error('KV PUT failed: 429 Too Many Requests')
    this.writes.push({ name, version: (JSON.parse(value) as KeyRecord).version, atMs: Date.now() })
  }
}

/** Writes by version; each hangs until it is let go. */
function hanging() {
  const writes: { readonly version: number; readonly done: () => void }[] = []
  const kv = {
    put: (_name: string, value: string) =>
      new Promise<void>((resolve) => {
        writes.push({ version: (JSON.parse(value) as KeyRecord).version, done: resolve })
      }),
  } as unknown as KVNamespace
  return { writes, kv }
}

describe('keys of a Ledger', () => {
  test('a new key is there at once and in KV after the alarm, its version inside the value', async () => {
    const record = accepted(await ledger.createKey(issued('new')))
    expect(record).toEqual({
      schema: 1,
      account,
      version: 1,
      state: 'active',
      revokedAtMs: null,
      ...issued('new'),
    })
    expect(await ledger.getKey('new')).toEqual(record)
    await vi.waitFor(async () => expect(await projected('new')).toEqual(record))
  })

  test('a revoked key stays, one version on, and KV follows', async () => {
    await ledger.createKey(issued('gone'))
    await vi.waitFor(async () => expect(await projected('gone')).toMatchObject({ version: 1 }))
    const revoked = accepted(await ledger.revokeKey('gone'))
    expect(revoked).toMatchObject({ version: 2, state: 'revoked', revokedAtMs: expect.any(Number) })
    expect(await ledger.revokeKey('gone')).toEqual(revoked)
    expect(await ledger.getKey('gone')).toEqual(revoked)
    await vi.waitFor(async () => expect(await projected('gone')).toEqual(revoked), { timeout: 3_000 })
  })

  test('an id is never used twice', async () => {
    await ledger.createKey(issued('once'))
    expect(await ledger.createKey({ ...issued('once'), hash: 'another' })).toEqual({ refused: 'id_taken' })
    expect(await ledger.getKey('once')).toMatchObject({ hash: 'hash-of-once' })
  })

  test('are listed in pages by id', async () => {
    for (const id of ['c', 'a', 'e', 'b', 'd']) await ledger.createKey(issued(id))
    const seen: string[] = []
    let after: string | null = null
    do {
      const page: { items: readonly { id: string }[]; next: string | null } = accepted(
        await ledger.listKeys({ after, itemsMax: 2 }),
      )
      seen.push(...page.items.map(({ id }) => id))
      after = page.next
    } while (after !== null)
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  test('all survive a restart', async () => {
    const record = accepted(await ledger.createKey(issued('kept')))
    await evictDurableObject(ledger)
    expect(await ledger.getKey('kept')).toEqual(record)
  })

  test('fields of a newer Worker are no trouble', async () => {
    const newer = { ...issued('skew'), later: { deep: true } }
    expect(await ledger.createKey(newer)).toMatchObject({ id: 'skew', version: 1 })
    const newerAccount = { id: account, region: 'weur' as const, generation: 1, later: 1 }
    const opened = await ledger.open(newerAccount)
    expect(opened).toEqual({ id: account, region: 'weur', generation: 1, state: 'active' })
  })
})

describe('the outbox', () => {
  test('a KV that fails loses nothing: the alarm is set again, later each time, and never throws', async () => {
    const kv = new RecordingKv()
    kv.failing = true
    await replaceKv(ledger, kv)
    await ledger.createKey(issued('late'))
    const delaysMs: number[] = []
    for (let round = 0; round < 4; round += 1) {
      delaysMs.push(
        await runInDurableObject(ledger, async (instance, state) => {
          await state.storage.deleteAlarm()
          await instance.alarm()
          return ((await state.storage.getAlarm()) ?? 0) - Date.now()
        }),
      )
    }
    for (const [index, delayMs] of delaysMs.entries()) {
      expect(delayMs).toBeGreaterThan((delaysMs[index - 1] ?? 0) + 400)
    }
    expect(kv.writes).toEqual([])
    kv.failing = false
    expect(await runDurableObjectAlarm(ledger)).toBe(true)
    expect(kv.writes).toEqual([expect.objectContaining({ version: 1 })])
    expect(await runInDurableObject(ledger, (_, state) => state.storage.getAlarm())).toBeNull()
  })

  test('what was not written before a restart is written after it', async () => {
    const kv = new RecordingKv()
    kv.failing = true
    await replaceKv(ledger, kv)
    const record = accepted(await ledger.createKey(issued('survivor')))
    await runDurableObjectAlarm(ledger)
    await evictDurableObject(ledger)
    await vi.waitFor(async () => expect(await projected('survivor')).toEqual(record), { timeout: 5_000 })
  })

  test('writes each version of a key in order and at most once a second', async () => {
    const kv = new RecordingKv()
    await replaceKv(ledger, kv)
    await ledger.createKey(issued('busy'))
    await vi.waitFor(() => expect(kv.writes).toHaveLength(1))
    await ledger.revokeKey('busy')
    await vi.waitFor(() => expect(kv.writes).toHaveLength(2), { timeout: 3_000 })
    expect(kv.writes.map(({ version }) => version)).toEqual([1, 2])
    const [first, second] = kv.writes
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(1_000)
  })

  test('120 keys are written in rounds of at most 50, each once', async () => {
    const kv = new RecordingKv()
    kv.failing = true
    await replaceKv(ledger, kv)
    for (let made = 0; made < 120; made += 1) await ledger.createKey(issued(`many${made}`))
    kv.failing = false
    await runDurableObjectAlarm(ledger)
    expect(kv.writes.length).toBeLessThanOrEqual(50)
    await vi.waitFor(() => expect(kv.writes).toHaveLength(120), { timeout: 5_000 })
    expect(new Set(kv.writes.map(({ name }) => name)).size).toBe(120)
  })

  test('a change made while KV is being written is written as well', async () => {
    const versions: number[] = []
    await replaceKv(ledger, {
      put: async (_name: string, value: string) => {
        versions.push((JSON.parse(value) as KeyRecord).version)
        if (versions.length === 1) await scheduler.wait(300)
      },
    })
    await ledger.createKey(issued('racing'))
    await vi.waitFor(() => expect(versions).toEqual([1]))
    await ledger.revokeKey('racing')
    await vi.waitFor(() => expect(versions).toEqual([1, 2]), { timeout: 4_000 })
  })
})

describe('a KV that does not answer', () => {
  test('holds up an alarm for 10 s and no longer: the round has failed, and is tried again', async () => {
    const { writes, kv } = hanging()
    await ledger.createKey(issued('late'))
    await vi.waitFor(async () => expect(await projected('late')).not.toBeNull())
    await replaceKv(ledger, kv)
    await scheduler.wait(1_000)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const nextMs = await runInDurableObject(ledger, async (instance, { storage }) => {
      await instance.updateKey('late', { name: 'another' })
      await storage.deleteAlarm()
      const ended = vi.fn<() => void>()
      const alarm = instance.alarm().then(ended)
      await vi.advanceTimersByTimeAsync(9_900)
      expect([writes.length, ended.mock.calls.length]).toEqual([1, 0])
      await vi.advanceTimersByTimeAsync(200)
      await alarm
      return (await storage.getAlarm()) ?? 0
    })
    expect(nextMs - Date.now()).toBeGreaterThan(500)
  })

  test('in time, but puts the old record in the place of a newer one later, gets the newer one again', async () => {
    await ledger.createKey(issued('busy'))
    await vi.waitFor(async () => expect(await projected('busy')).not.toBeNull())
    await runInDurableObject(ledger, async (instance, { storage }) => {
      const { writes, kv } = hanging()
      const keys = new KeyTable(storage.sql)
      const overtaken = vi.fn<() => void>()
      const outbox = new Outbox(keys, overtaken, 20)
      await instance.updateKey('busy', { name: 'two' })
      await storage.deleteAlarm()
      await scheduler.wait(1_000)
      await outbox.round(kv, account)
      await instance.updateKey('busy', { name: 'three' })
      await storage.deleteAlarm()
      const round = outbox.round(kv, account)
      writes[1]?.done()
      await round
      expect([writes.map(({ version }) => version), outbox.waits()]).toEqual([[2, 3], false])
      writes[0]?.done()
      await vi.waitFor(() => expect(overtaken).toHaveBeenCalledOnce())
      expect(keys.unpublished(9)).toMatchObject([{ id: 'busy', version: 3 }])
    })
  })
})

describe('a deleted account', () => {
  test('is a tombstone: every key revoked, here and in KV, none made, none brought back', async () => {
    await ledger.createKey(issued('one'))
    await ledger.createKey(issued('two'))
    expect(await ledger.deleteAccount()).toMatchObject({ id: account, state: 'deleted' })
    await evictDurableObject(ledger)
    expect(await ledger.createKey(issued('three'))).toEqual({ refused: 'account_deleted' })
    expect(await ledger.open({ id: account, region: 'weur', generation: 1 })).toMatchObject({
      state: 'deleted',
    })
    expect(await ledger.deleteAccount()).toMatchObject({ state: 'deleted' })
    for (const id of ['one', 'two']) {
      expect(await ledger.getKey(id)).toMatchObject({ state: 'revoked', version: 2 })
      await vi.waitFor(
        async () => expect(await projected(id)).toMatchObject({ state: 'revoked', version: 2 }),
        {
          timeout: 3_000,
        },
      )
    }
  })
})

test('a Ledger that nobody opened knows nothing, takes nothing and stays empty', async () => {
  const stranger = env.LEDGER.getByName('ledger:nobody0000:1')
  const unknown = { refused: 'account_unknown' }
  expect(await stranger.createKey(issued('x'))).toEqual(unknown)
  expect(await stranger.getKey('x')).toEqual(unknown)
  expect(await stranger.listKeys({ after: null, itemsMax: 10 })).toEqual(unknown)
  expect(await stranger.revokeKey('x')).toEqual(unknown)
  expect(await stranger.deleteAccount()).toEqual(unknown)
  expect(await dumpObject(stranger)).toBe('[]')
})
