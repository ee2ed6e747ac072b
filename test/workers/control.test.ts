import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import type { IssuedKeyView, KeyView, PageView } from '../../src/control/api.ts'
import type { Account } from '../../src/core/key/account.ts'
import { KeyCache } from '../../src/core/key/key-cache.ts'
import { parseKeyText } from '../../src/core/key/key-text.ts'
import type { Awaitable, Outcome } from '../../src/core/outcome.ts'
import { keyRecordName } from '../../src/core/storage-layout.ts'
import { Pools } from '../../src/core/upstream/pools.ts'
import { clock } from '../../src/platform/clock.ts'
import { digest } from '../../src/platform/digest.ts'
import { createKeyAdmin } from '../../src/platform/key-admin.ts'
import { createKeySource } from '../../src/platform/key-source.ts'
import { LedgerLinks } from '../../src/platform/ledger-links.ts'
import { random } from '../../src/platform/random.ts'
import { noShield } from '../../src/platform/shield.ts'
import { RequestLife } from '../../src/gateway/exchange.ts'
import type { KnownKey } from '../../src/ports.ts'
import { routeWith } from '../support/routes.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { controlWith } from './support/control.ts'
import { dumpKv, dumpObject, realAdmin, testRing } from './support/objects.ts'

async function newAccount(): Promise<Account> {
  const made = await controlWith().send('POST', '/accounts', { json: { name: 'acme', region: 'weur' } })
  expect(made.status).toBe(201)
  return made.json()
}

async function newKey(account: string, key: object = { name: 'k' }): Promise<IssuedKeyView> {
  const made = await controlWith().send('POST', `/accounts/${account}/keys`, { json: key })
  expect(made.status).toBe(201)
  return made.json()
}

/** What an isolate that knows nothing yet finds of a key. */
function findAnew(text: string): Awaitable<Outcome<KnownKey>> {
  const cache = new KeyCache()
  const links = new LedgerLinks({ ledgers: env.LEDGER, clock, random, pools: new Pools() }, (record) =>
    cache.override(record),
  )
  const stores = { kv: env.KEYS, links, cache, ring: testRing() }
  const source = createKeySource({ ...stores, shield: noShield, settings: () => null, digest, clock })
  const target = { scheme: 'https', host: 'gateway.test', path: '/', query: '', encodedSlash: false } as const
  const x = new RequestLife(new Request('https://gateway.test/'), target, { clock, random }, () => {})
  return source.find(text, routeWith(), x)
}

describe('the life of an account and its keys', () => {
  test('create, list, get, revoke, delete', async () => {
    const { send } = controlWith()
    const account = await newAccount()
    expect(account).toEqual({
      id: expect.stringMatching(/^[0-9a-z]{10}$/),
      name: 'acme',
      region: 'weur',
      generation: 1,
      state: 'active',
      createdAtMs: expect.any(Number),
      deletedAtMs: null,
    })
    const expiresAtMs = Date.now() + 60_000
    const issued = await newKey(account.id, {
      name: 'ci',
      scopes: ['chat', 'embed:read'],
      models: { allow: ['small', 'org/*'] },
      expiresAtMs,
    })
    const { key: text, ...view } = issued
    expect(parseKeyText(text)).toMatchObject({ ring: 'test', account: account.id, id: view.id })
    expect(view).toMatchObject({ account: account.id, name: 'ci', state: 'active', version: 1, expiresAtMs })
    expect(view.models).toEqual({ allow: ['small', 'org/*'], deny: [] })

    const got = await send('GET', `/accounts/${account.id}/keys/${view.id}`)
    expect(await got.json()).toEqual(view)
    const listed = await send('GET', `/accounts/${account.id}/keys`)
    expect(await listed.json()).toEqual({ items: [view], next: null })

    const revoked = await send('DELETE', `/accounts/${account.id}/keys/${view.id}`)
    expect(await revoked.json()).toMatchObject({ state: 'revoked', version: 2 })
    const deleted = await send('DELETE', `/accounts/${account.id}`)
    expect(await deleted.json()).toMatchObject({ id: account.id, state: 'deleted' })
    const refused = await send('POST', `/accounts/${account.id}/keys`, { json: { name: 'late' } })
    expect([refused.status, await refused.json()]).toMatchObject([409, { code: 'account_deleted' }])
    const again = await send('GET', `/accounts/${account.id}`)
    expect(await again.json()).toMatchObject({ state: 'deleted' })
  })

  test('a new key works at once, before KV knows it, and a revoked one stops in a new isolate', async () => {
    const account = await newAccount()
    const { key: text, id } = await newKey(account.id)
    expect(await findAnew(text)).toMatchObject({ record: { state: 'active', id } })
    await controlWith().send('DELETE', `/accounts/${account.id}/keys/${id}`)
    await vi.waitFor(
      async () => expect(await findAnew(text)).toMatchObject({ record: { state: 'revoked' } }),
      { timeout: 4_000 },
    )
  })

  test('the text of a key is told once and kept nowhere: not in KV, Ledger, Registry or any other answer', async () => {
    const account = await newAccount()
    const { key: text, id } = await newKey(account.id)
    const hash = await vi.waitFor(async () => {
      const record = await env.KEYS.get<{ hash: string }>(keyRecordName(account.id, id), 'json')
      if (record === null) throw new Error('not yet')
      return record.hash
    })
    const { send } = controlWith()
    const answers = await Promise.all(
      [
        '/accounts',
        `/accounts/${account.id}`,
        `/accounts/${account.id}/keys`,
        `/accounts/${account.id}/keys/${id}`,
      ].map(async (path) => (await send('GET', path)).text()),
    )
    const ledger = await dumpObject(env.LEDGER.getByName(`ledger:${account.id}:1`))
    const registry = await dumpObject(env.REGISTRY.getByName('registry'))
    const kv = await dumpKv()
    expect([ledger.includes(hash), kv.includes(hash), registry.includes(account.id)]).toEqual([
      true,
      true,
      true,
    ])
    const { secret = '', mac = '' } = parseKeyText(text) ?? {}
    for (const kept of [ledger, registry, kv, ...answers]) {
      for (const piece of [text, secret, mac]) expect(kept).not.toContain(piece)
    }
    for (const answer of answers) expect(answer).not.toContain(hash)
  })

  test('keys are listed in pages', async () => {
    const account = await newAccount()
    const ids = new Set<string>()
    for (let made = 0; made < 5; made += 1) ids.add((await newKey(account.id)).id)
    const seen: string[] = []
    let after = ''
    for (;;) {
      const response = await controlWith().send('GET', `/accounts/${account.id}/keys?limit=2${after}`)
      const page: PageView<KeyView> = await response.json()
      seen.push(...page.items.map(({ id }) => id))
      if (page.next === null) break
      after = `&after=${page.next}`
    }
    expect(seen).toEqual([...ids].toSorted())
  })

  test('a Ledger whose opening was lost is opened by the next operation', async () => {
    const registry = env.REGISTRY.getByName('registry')
    await registry.createAccount({ id: 'lostopen00', name: 'x', region: 'oc', generation: 1 })
    expect(await newKey('lostopen00')).toMatchObject({ account: 'lostopen00' })
    await registry.createAccount({ id: 'lostopen01', name: 'x', region: 'oc', generation: 1 })
    expect(await realAdmin().deleteAccount('lostopen01')).toMatchObject({ state: 'deleted' })
    expect(
      await realAdmin().createKey('lostopen01', {
        name: 'x',
        scopes: [],
        models: null,
        limits: [],
        strict: false,
        expiresAtMs: null,
      }),
    ).toEqual({
      refused: 'account_deleted',
    })
  })

  test('an account that the Registry does not know makes no Ledger', async () => {
    const { send } = controlWith()
    const namespace = { getByName: () => expect.unreachable('a Ledger was made') }
    const admin = createKeyAdmin({
      ledgers: namespace as unknown as typeof env.LEDGER,
      registry: env.REGISTRY,
      ring: testRing(),
      digest,
      random,
      clock,
    })
    expect(await admin.getKey('nobody0000', 'nobody0000')).toEqual({ refused: 'account_unknown' })
    const response = await send('GET', '/accounts/nobody0000/keys')
    expect([response.status, await response.json()]).toMatchObject([404, { code: 'account_unknown' }])
  })
})

describe('when something is missing', () => {
  test('without a ring no key is issued and the operator is told', async () => {
    const account = await newAccount()
    const { send } = controlWith({ admin: realAdmin(null) })
    const refused = await send('POST', `/accounts/${account.id}/keys`, { json: { name: 'k' } })
    expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'keys_not_configured' }])
    const listed = await send('GET', `/accounts/${account.id}/keys`)
    expect(await listed.json()).toEqual({ items: [], next: null })
  })

  test.each(['throws', 'hangs'])('a Registry that %s is 503 with Retry-After', async (how) => {
    const answer = (): Promise<never> =>
      how === 'throws' ? Promise.reject(new Error('overloaded')) : new Promise(() => {})
    const registry = {
      getByName: () => ({ getAccount: answer, createAccount: answer, listAccounts: answer }),
    }
    const fakeClock = new FakeClock()
    const admin = createKeyAdmin({
      ledgers: env.LEDGER,
      registry: registry as unknown as typeof env.REGISTRY,
      ring: testRing(),
      digest,
      random,
      clock: fakeClock,
    })
    const { send } = controlWith({ admin })
    const { value, tookMs } = await fakeClock.until(send('GET', '/accounts'))
    expect([value.status, value.headers.get('retry-after')]).toEqual([503, '1'])
    expect(tookMs).toBe(how === 'throws' ? 0 : 10_000)
  })

  test('the configuration in force is told with those seen before, or why it is not', async () => {
    const seen = [{ version: 0, sha256: 'ab'.repeat(32), firstSeenAtMs: expect.any(Number) }]
    const told = await controlWith().send('GET', '/config')
    expect(await told.json()).toEqual({ version: 0, sha256: 'ab'.repeat(32), routes: 7, seen })
    const none = await controlWith({ config: () => null }).send('GET', '/config')
    expect(none.status).toBe(503)
  })
})
