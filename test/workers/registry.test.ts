import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Registry } from '../../src/durable/registry.ts'
import { accepted } from './support/objects.ts'

let registry: DurableObjectStub<Registry>
let made = 0

beforeEach(() => {
  made += 1
  registry = env.REGISTRY.getByName(`registry-${made}`)
})

const account = (id: string) => ({ id, name: `account ${id}`, region: 'weur' as const, generation: 1 })

describe('accounts', () => {
  test('are made once for each id and survive a restart', async () => {
    const first = accepted(await registry.createAccount(account('a')))
    expect(first).toEqual({
      ...account('a'),
      state: 'active',
      createdAtMs: expect.any(Number),
      deletedAtMs: null,
    })
    expect(await registry.createAccount({ ...account('a'), name: 'thief' })).toEqual({ refused: 'id_taken' })
    await evictDurableObject(registry)
    expect(await registry.getAccount('a')).toEqual(first)
  })

  test('are listed in pages by id', async () => {
    for (const id of ['c', 'a', 'b']) await registry.createAccount(account(id))
    const first = await registry.listAccounts({ after: null, itemsMax: 2 })
    expect([first.items.map(({ id }) => id), first.next]).toEqual([['a', 'b'], 'b'])
    const last = await registry.listAccounts({ after: first.next, itemsMax: 2 })
    expect([last.items.map(({ id }) => id), last.next]).toEqual([['c'], null])
  })

  test('that are deleted stay listed as deleted, since when is not changed again', async () => {
    await registry.createAccount(account('a'))
    const deleted = accepted(await registry.deleteAccount('a'))
    expect(deleted).toMatchObject({ state: 'deleted', deletedAtMs: expect.any(Number) })
    expect(await registry.deleteAccount('a')).toEqual(deleted)
    expect(await registry.createAccount(account('a'))).toEqual({ refused: 'id_taken' })
    expect(await registry.deleteAccount('nobody')).toEqual({ refused: 'account_unknown' })
    expect(await registry.getAccount('nobody')).toEqual({ refused: 'account_unknown' })
  })
})

test('configurations are noted once each, with the time they were first seen', async () => {
  const [first] = await registry.noteConfig(0, 'aa')
  await registry.noteConfig(1, 'bb')
  const seen = await registry.noteConfig(0, 'aa')
  expect(seen).toHaveLength(2)
  expect(seen).toContainEqual(first)
  expect(seen.map(({ sha256 }) => sha256).toSorted()).toEqual(['aa', 'bb'])
})
