import { abortAllDurableObjects, evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import type { SyncReply, SyncRequest } from '../../src/core/limit/messages.ts'
import { accountCounter, keyCounter, routeCounter } from '../../src/core/limit/spec.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { accepted, dumpObject, openLedger } from './support/objects.ts'
import { holding, Isolate, issued, limit, need } from './support/sync-messages.ts'

let account: string
let ledger: DurableObjectStub<Ledger>
let isolate: Isolate

beforeEach(async () => {
  ;({ account, ledger } = await openLedger('syncing'))
  isolate = new Isolate('isolate-one')
})

const rpm = limit({ durability: 'default' })
const ofKey = keyCounter('k1', 'rpm')

function sync(change: Partial<SyncRequest> = {}): Promise<SyncReply> {
  return isolate.sync(ledger, change)
}

describe('permits', () => {
  test('200 requests that wait at the same time get exactly the 50 there are', async () => {
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    const isolates = Array.from({ length: 200 }, (_, at) => new Isolate(`isolate-${at}`))
    const replies = await Promise.all(
      isolates.map((each, at) =>
        ledger.sync(each.message({ needs: [need(`need-${at}`, [{ counter: ofKey, cost: 1 }])] })),
      ),
    )
    const answers = replies.flatMap(({ needs }) => needs)
    expect(answers).toHaveLength(200)
    expect(answers.filter(({ takes }) => takes !== null)).toHaveLength(50)
    for (const { takes, violated, waitMs } of answers) {
      if (takes === null) expect([violated, waitMs]).toEqual([[ofKey], expect.any(Number)])
    }
  })

  test('are taken from all limits of a request or from none', async () => {
    await ledger.setLimits([limit({ name: 'all', max: 3, burst: 3, durability: 'default' })])
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    const both = [
      { counter: ofKey, cost: 1 },
      { counter: accountCounter('all'), cost: 1 },
    ]
    const reply = await sync({
      holdings: [holding('k1', rpm)],
      needs: Array.from({ length: 10 }, (_, at) => need(`n${at}`, both)),
    })
    const granted = reply.needs.filter(({ takes }) => takes !== null)
    expect(granted.map(({ id }) => id)).toEqual(['n0', 'n1', 'n2'])
    expect(reply.grants.find(({ counter }) => counter === ofKey)).toMatchObject({ left: 47 })
    expect(reply.needs.at(-1)).toMatchObject({ takes: null, violated: [accountCounter('all')] })
  })

  test('are leased to an isolate that will use them', async () => {
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    const reply = await sync({ holdings: [holding('k1', rpm, { perSecond: 4, want: 10 })] })
    const [grant] = reply.grants
    expect(grant).toMatchObject({ counter: ofKey, spec: rpm })
    expect(grant?.permits).toBeGreaterThan(0)
    expect(grant?.ttlMs).toBeGreaterThan(0)
    expect((grant?.left ?? 0) + (grant?.permits ?? 0)).toBe(50)
  })

  test("the Ledger's word on a limit counts, not the isolate's", async () => {
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    const claimed = limit({ max: 1_000_000, burst: 1_000_000, durability: 'default' })
    const reply = await sync({
      holdings: [holding('k1', claimed)],
      needs: [need('n', [{ counter: ofKey, cost: 51 }])],
    })
    expect(reply.needs).toMatchObject([{ takes: null, waitMs: null }])
    expect(reply.grants).toMatchObject([{ spec: rpm, left: 50 }])
  })

  test('of a route are counted by the limit that the message says', async () => {
    const counter = routeCounter('chat', 'k1', 'rpm')
    const spec = limit({ max: 2, burst: 2, durability: 'default' })
    const reply = await sync({
      holdings: [{ ...holding('k1', spec), counter }],
      needs: ['a', 'b', 'c'].map((id) => need(id, [{ counter, cost: 1 }])),
    })
    expect(reply.needs.map(({ takes }) => takes !== null)).toEqual([true, true, false])
  })

  test('a lowered limit holds from the next message on', async () => {
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    await sync({ needs: [need('before', [{ counter: ofKey, cost: 1 }])] })
    const lower = limit({ max: 5, burst: 5, durability: 'default' })
    await ledger.updateKey('k1', { limits: [lower] })
    const reply = await sync({
      holdings: [holding('k1', lower)],
      needs: [need('after', [{ counter: ofKey, cost: 6 }])],
    })
    expect(reply.needs).toMatchObject([{ takes: null }])
    expect(reply.grants).toMatchObject([{ spec: lower, left: 4 }])
  })

  test('cost no row while enough is left', async () => {
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    await expect.poll(() => env.KEYS.get(`key:${account}:k1`)).not.toBeNull()
    const before = await dumpObject(ledger)
    const reply = await sync({ needs: [need('n', [{ counter: ofKey, cost: 1 }])] })
    expect(reply.needs).toMatchObject([{ takes: [{ cost: 1 }] }])
    expect(await dumpObject(ledger)).toBe(before)
  })

  test('a message that was overtaken by another brings none', async () => {
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    const late = isolate.message({ needs: [need('late', [{ counter: ofKey, cost: 1 }])] })
    await sync()
    expect(await ledger.sync(late)).toMatchObject({ grants: [], needs: [], account: { state: 'active' } })
  })
})

describe('a key whose record the isolate does not have', () => {
  test('gets a permit of each limit on requests, its own and its account’s, and its record, in one reply', async () => {
    const tokens = limit({ name: 'tpm', kind: 'token-rate' })
    const slots = limit({ name: 'slots', kind: 'concurrent-requests', max: 3, periodMs: null, burst: null })
    const all = limit({ name: 'all', durability: 'default' })
    await ledger.setLimits([all])
    await ledger.createKey(issued('k1', { limits: [rpm, tokens, slots] }))
    const reply = await sync({ needs: [need('cold', [], 'k1')], keys: ['k1', 'k2'], sequence: null })
    expect(reply.needs).toEqual([
      {
        id: 'cold',
        takes: [ofKey, keyCounter('k1', 'slots'), accountCounter('all')].map((counter) => ({
          counter,
          cost: 1,
        })),
        violated: [],
        waitMs: expect.any(Number),
        limits: [
          { counter: ofKey, spec: rpm, level: 'key' },
          { counter: keyCounter('k1', 'slots'), spec: slots, level: 'key' },
          { counter: accountCounter('all'), spec: all, level: 'account' },
        ],
      },
    ])
    expect(reply.keys).toEqual([
      { id: 'k1', record: accepted(await ledger.getKey('k1')) },
      { id: 'k2', record: null },
    ])
  })

  test.each([
    ['revoked', async () => void (await ledger.revokeKey('k1'))],
    ['expired', async () => void (await ledger.updateKey('k1', { expiresAtMs: Date.now() - 1 }))],
    ['of a deleted account', async () => void (await ledger.deleteAccount())],
  ])('gets nothing when it is %s', async (_, end) => {
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    await end()
    const takes = [{ counter: ofKey, cost: 1 }]
    const reply = await sync({ needs: [need('cold', [], 'k1'), need('warm', takes), need('none', [], 'k9')] })
    const nothing = { takes: null, waitMs: null, limits: [], violated: [] }
    expect(reply.needs.toSorted((a, b) => a.id.localeCompare(b.id))).toEqual([
      { id: 'cold', ...nothing },
      { id: 'none', ...nothing },
      { id: 'warm', ...nothing },
    ])
    expect((await ledger.keyStanding('k1')) as object).toMatchObject({ limits: [{ used: 0, left: 50 }] })
  })

  test('is granted in a message that says all an old one did, and no more', async () => {
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    const older = { v: 1, isolate: 'old', seq: 1, replyWithinMs: 1_000, needs: [{ id: 'n', key: 'k1' }] }
    const reply = await ledger.sync(older as unknown as SyncRequest)
    expect(reply.needs).toMatchObject([{ id: 'n', takes: [{ counter: ofKey, cost: 1 }] }])
  })
})

describe('news of the account', () => {
  test('come with every reply, and grow with each change', async () => {
    const first = await sync({ sequence: null })
    expect(first.account).toMatchObject({
      state: 'active',
      limits: [],
      changed: [],
      configEpoch: 0,
      purgeEpoch: 0,
    })
    const sequences = [first.account?.sequence ?? Number.NaN]
    const changes: (() => Promise<unknown>)[] = [
      () => ledger.createKey(issued('k1')),
      () => ledger.updateKey('k1', { name: 'another' }),
      () => ledger.setLimits([rpm]),
      () => ledger.revokeKey('k1'),
      () => ledger.deleteAccount(),
    ]
    for (const change of changes) {
      await change()
      const { account: news } = await sync({ sequence: null })
      sequences.push(news?.sequence ?? Number.NaN)
    }
    for (const [at, sequence] of sequences.entries()) {
      expect(sequence).toBeGreaterThan(sequences[at - 1] ?? -1)
    }
    expect((await sync({ sequence: null })).account).toMatchObject({ state: 'deleted', limits: [rpm] })
  })

  test('bring the new record of a key that was changed since, and of no other', async () => {
    await ledger.createKey(issued('k1'))
    await ledger.createKey(issued('k2'))
    const known = (await sync()).account?.sequence ?? null
    expect((await sync({ sequence: known })).account?.changed).toEqual([])
    const changed = accepted(await ledger.updateKey('k2', { limits: [rpm], strict: true }))
    expect(changed).toMatchObject({ version: 2, strict: true, limits: [rpm], hash: 'hash-of-k2' })
    expect((await sync({ sequence: known })).account?.changed).toEqual([changed])
    const revoked = accepted(await ledger.revokeKey('k2'))
    expect((await sync({ sequence: known })).account?.changed).toEqual([revoked])
  })

  test('say nothing new when a change changes nothing', async () => {
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    await ledger.setLimits([rpm])
    await ledger.revokeKey('k1')
    const before = await sync()
    const record = accepted(await ledger.getKey('k1'))
    await ledger.setLimits([rpm])
    await ledger.revokeKey('k1')
    expect(await ledger.updateKey('k1', { name: 'too late' })).toEqual(record)
    expect((await sync()).account?.sequence).toBe(before.account?.sequence)
  })

  test('beyond 200 changed keys each has to be asked for', async () => {
    for (let made = 0; made < 200; made += 1) await ledger.createKey(issued(`many${made}`))
    expect((await sync({ sequence: null })).account?.changed).toHaveLength(200)
    const known = (await sync()).account?.sequence ?? null
    await ledger.createKey(issued('last'))
    expect((await sync({ sequence: null })).account?.changed).toBeNull()
    expect((await sync({ sequence: 0 })).account?.changed).toBeNull()
    expect((await sync({ sequence: known })).account?.changed).toMatchObject([{ id: 'last' }])
  })

  test('an isolate that knows more than the Ledger has to ask for every key', async () => {
    await ledger.createKey(issued('k1'))
    expect((await sync({ sequence: 1_000 })).account?.changed).toBeNull()
  })

  test('survive a restart', async () => {
    await ledger.setLimits([rpm])
    const created = accepted(await ledger.createKey(issued('k1')))
    const before = await sync({ sequence: null })
    await evictDurableObject(ledger)
    const after = await sync({ sequence: null })
    expect(after.boot).not.toBe(before.boot)
    expect(after.account).toEqual({ ...before.account, changed: [created] })
  })
})

test('a Ledger that nobody opened answers that there is no account, and stays empty', async () => {
  const stranger = env.LEDGER.getByName('ledger:nobody0001:1')
  const message = isolate.message({ needs: [need('n', [], 'k1')], keys: ['k1'], sequence: null })
  expect(await stranger.sync(message)).toEqual({
    v: 1,
    boot: expect.any(String),
    seq: 1,
    grants: [],
    needs: [{ id: 'n', takes: null, violated: [], waitMs: null, limits: [] }],
    acknowledged: [],
    account: null,
    keys: [],
  })
  const unknown = { refused: 'account_unknown' }
  expect(await stranger.limits()).toEqual(unknown)
  expect(await stranger.setLimits([])).toEqual(unknown)
  expect(await stranger.updateKey('k1', {})).toEqual(unknown)
  expect(await stranger.keyStanding('k1')).toEqual(unknown)
  expect(await stranger.keyUsage('k1', { firstDay: 0, lastDay: 1 })).toEqual(unknown)
  expect(await stranger.accountUsage({ firstDay: 0, lastDay: 1 })).toEqual(unknown)
  expect(await dumpObject(stranger)).toBe('[]')
})

test('strict: permits granted before an abort are not granted again after it', async () => {
  const strict = limit({
    kind: 'token-budget',
    name: 'budget',
    max: 1_000,
    periodMs: null,
    burst: null,
    calendar: 'month',
  })
  await ledger.createKey(issued('k1', { limits: [strict] }))
  const counter = keyCounter('k1', 'budget')
  let granted = 0
  for (let life = 0; life < 3; life += 1) {
    const one = new Isolate(`isolate-of-life-${life}`)
    for (let asked = 0; asked < 60; asked += 1) {
      const reply = await one.sync(ledger, { needs: [need(`n${asked}`, [{ counter, cost: 10 }])] })
      if (reply.needs.some(({ takes }) => takes !== null)) granted += 10
    }
    await abortAllDurableObjects()
    ledger = env.LEDGER.getByName(`ledger:${account}:1`)
  }
  expect(granted).toBeGreaterThan(700)
  expect(granted).toBeLessThanOrEqual(1_000)
})
