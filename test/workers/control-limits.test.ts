import { beforeEach, describe, expect, test } from 'vitest'
import type { IssuedKeyView, KeyView, LimitsView } from '../../src/control/api.ts'
import type { Account } from '../../src/core/key/account.ts'
import { controlWith } from './support/control.ts'

const { send } = controlWith()
let account: string

beforeEach(async () => {
  const made = await send('POST', '/accounts', { json: { name: 'acme', region: 'weur' } })
  account = (await made.json<Account>()).id
})

function put(id: string, json: object): Promise<Response> {
  return send('PUT', `/accounts/${id}/limits`, { json })
}

async function newKey(key: object = {}): Promise<IssuedKeyView> {
  const made = await send('POST', `/accounts/${account}/keys`, { json: { name: 'k', ...key } })
  expect(made.status).toBe(201)
  return made.json()
}

async function patched(
  id: string,
  json: object,
): Promise<[status: number, body: KeyView & { code?: string }]> {
  const response = await send('PATCH', `/accounts/${account}/keys/${id}`, { json })
  return [response.status, await response.json()]
}

const fiveHours = { kind: 'token-window', max: 1_000_000, periodSeconds: 18_000 }
const told = { ...fiveHours, name: 'token-window', onFailure: 'closed', reserve: 'auto' }
const minute = { kind: 'request-rate', name: 'rpm', max: 60, burst: 10, durability: 'strict' }

describe('a key', () => {
  test('is made without limits and not strict, unless it is said', async () => {
    expect(await newKey()).toMatchObject({ limits: [], strict: false })
    const key = await newKey({ limits: [fiveHours, minute], strict: true })
    const limits = [told, { ...minute, periodSeconds: 60, onFailure: 'coast' }]
    expect(key).toMatchObject({ limits, strict: true })
    const got = await send('GET', `/accounts/${account}/keys/${key.id}`)
    expect(await got.json()).toMatchObject({ limits, strict: true })
  })

  test('is changed in what is said and stays in what is not, one version on', async () => {
    const { key: _text, ...key } = await newKey({ scopes: ['chat'], models: { allow: ['small'] } })
    const [status, limited] = await patched(key.id, { limits: [fiveHours] })
    expect([status, limited]).toEqual([200, { ...key, version: 2, limits: [told] }])
    const expiresAtMs = Date.now() + 60_000
    const [, other] = await patched(key.id, {
      name: 'n',
      scopes: [],
      models: null,
      strict: true,
      expiresAtMs,
    })
    expect(other).toEqual({
      ...limited,
      version: 3,
      name: 'n',
      scopes: [],
      models: null,
      strict: true,
      expiresAtMs,
    })
    const [, open] = await patched(key.id, { expiresAtMs: null, limits: [] })
    expect(open).toMatchObject({ version: 4, expiresAtMs: null, limits: [], strict: true })
  })

  test('is the same after a change to what it is, read back in the form in which it was told', async () => {
    const key = await newKey({ limits: [fiveHours, minute] })
    expect(await patched(key.id, { limits: key.limits, name: key.name })).toMatchObject([200, { version: 1 }])
    expect(await patched(key.id, {})).toMatchObject([200, { version: 1 }])
  })

  test('is not changed once it is revoked, nor where it does not exist', async () => {
    const key = await newKey()
    await send('DELETE', `/accounts/${account}/keys/${key.id}`)
    expect(await patched(key.id, { name: 'n' })).toMatchObject([409, { code: 'key_revoked' }])
    const got = await send('GET', `/accounts/${account}/keys/${key.id}`)
    expect(await got.json()).toMatchObject({ name: 'k', state: 'revoked', version: 2 })
    expect(await patched('0000000000', { name: 'n' })).toMatchObject([404, { code: 'key_unknown' }])
    expect(await patched('UPPERCASE1', { name: 'n' })).toMatchObject([404, { code: 'not_found' }])
  })
})

describe('the limits of an account', () => {
  test('are none at first, then those that were set last', async () => {
    const none = await send('GET', `/accounts/${account}/limits`)
    expect(await none.json()).toEqual({ limits: [] })
    const budget = { kind: 'money-budget', name: 'month', maxUsd: 12.5, calendar: 'month' }
    const set = await put(account, { limits: [fiveHours, budget] })
    const limits = [
      { ...told, name: 'account-token-window' },
      { ...budget, onFailure: 'closed', reserve: 'auto' },
    ]
    expect([set.status, await set.json()]).toEqual([200, { limits }])
    const got = await send('GET', `/accounts/${account}/limits`)
    const view = await got.json<LimitsView>()
    expect(view).toEqual({ limits })
    const again = await put(account, view)
    expect(await again.json()).toEqual({ limits })
    await put(account, { limits: [] })
    const gone = await send('GET', `/accounts/${account}/limits`)
    expect(await gone.json()).toEqual({ limits: [] })
  })

  test('are not those of another, or of one that is not there or deleted', async () => {
    expect((await put('0000000000', { limits: [] })).status).toBe(404)
    expect((await send('GET', '/accounts/0000000000/limits')).status).toBe(404)
    expect((await put('UPPERCASE1', { limits: [] })).status).toBe(404)
    await send('DELETE', `/accounts/${account}`)
    const deleted = await put(account, { limits: [fiveHours] })
    expect([deleted.status, await deleted.json()]).toMatchObject([409, { code: 'account_deleted' }])
  })
})
