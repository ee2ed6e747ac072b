import { runInDurableObject } from 'cloudflare:test'
import { beforeEach, describe, expect, test } from 'vitest'
import type { SyncRequest } from '../../src/core/limit/messages.ts'
import { keyCounter } from '../../src/core/limit/spec.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { accepted, openLedger } from './support/objects.ts'
import { Isolate, issued, limit, need } from './support/sync-messages.ts'

let ledger: DurableObjectStub<Ledger>
let isolate: Isolate

const rpm = limit({ durability: 'default' })
const ofKey = keyCounter('k1', 'rpm')

beforeEach(async () => {
  ;({ ledger } = await openLedger('talking'))
  isolate = new Isolate('isolate-one')
})

describe('messages that make no sense', () => {
  const wrong: readonly (readonly [string, unknown])[] = [
    ['nothing', undefined],
    ['null', null],
    ['text', 'sync'],
    ['a list', []],
    [
      'another version',
      { v: 2, isolate: 'x', seq: 1, replyWithinMs: 1_000, needs: [{ id: 'n', key: 'k1' }] },
    ],
    ['no isolate', { v: 1, seq: 1, replyWithinMs: 1_000, needs: [{ id: 'n', key: 'k1' }] }],
    ['a seq that is no number', { v: 1, isolate: 'x', seq: 'one', replyWithinMs: 1 }],
    ['a negative seq', { v: 1, isolate: 'x', seq: -1, replyWithinMs: 1 }],
    [
      'lists that are none',
      { v: 1, isolate: 'x', seq: 1, replyWithinMs: 1, holdings: 5, needs: 'n', opened: {} },
    ],
    [
      'parts that are none',
      {
        v: 1,
        isolate: 'x',
        seq: 1,
        replyWithinMs: 1_000,
        acked: 'yes',
        holdings: [null, {}, { counter: 'key:k1:rpm', spec: { name: 'rpm' } }],
        needs: [
          null,
          { id: 7 },
          { id: 'twice', takes: [1, 2].map(() => ({ counter: 'key:k1:rpm', cost: 30 })) },
          { id: 'n', takes: [{ counter: 'key:k1:rpm', cost: -5 }] },
        ],
        opened: [null, {}, { id: 'o', takes: [{}] }],
        settled: [null, {}, { id: 's', takes: [], deadlineMs: 'soon' }],
        keys: [1, null, { id: 'k1' }],
      },
    ],
  ]

  test.each(wrong)('%s: a reply without permits, and news as ever', async (_, message) => {
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    const reply = await ledger.sync(message as SyncRequest)
    expect(reply).toMatchObject({ v: 1, grants: [], needs: [], acknowledged: [], keys: [] })
    expect(reply.account).toMatchObject({ state: 'active' })
    expect((await ledger.keyStanding('k1')) as object).toMatchObject({ limits: [{ left: 50 }] })
  })

  test('fields of a newer Worker are no trouble', async () => {
    await ledger.createKey(issued('k1', { limits: [rpm] }))
    const newer = {
      ...isolate.message({ needs: [need('n', [{ counter: ofKey, cost: 1 }])] }),
      shards: [{ deep: true }],
    }
    expect((await ledger.sync(newer)).needs).toMatchObject([
      { id: 'n', takes: [{ counter: ofKey, cost: 1 }] },
    ])
  })

  test('a key that a first Worker makes has no limits', async () => {
    const { limits: _limits, strict: _strict, ...first } = issued('k1')
    const record = accepted(await ledger.createKey(first as Parameters<Ledger['createKey']>[0]))
    expect(record).toMatchObject({ limits: [], strict: false })
  })

  test('a change that is none leaves the key as it was', async () => {
    const record = accepted(await ledger.createKey(issued('k1')))
    const wrongChange = { limits: [{ kind: 'none' }] } as unknown as Parameters<Ledger['updateKey']>[1]
    await runInDurableObject(ledger, (instance) =>
      expect(instance.updateKey('k1', wrongChange)).rejects.toThrow(/record/),
    )
    const more = { state: 'revoked', hash: 'x', version: 9 } as Parameters<Ledger['updateKey']>[1]
    expect(await ledger.updateKey('k1', more)).toEqual(record)
    expect(await ledger.getKey('k1')).toEqual(record)
  })
})
