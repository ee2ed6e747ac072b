import { beforeAll, expect, test } from 'vitest'
import page from '../../docs/openapi-admin.json' with { type: 'json' }
import { regions } from '../../src/core/key/account.ts'
import { controlWith } from './support/control.ts'
import { accepted, realAdmin } from './support/objects.ts'

const methods = ['get', 'put', 'post', 'patch', 'delete']
const documented = Object.entries(page.paths).map(([path, operations]) => ({ path, operations }))
let account: string
let key: string

beforeAll(async () => {
  const admin = realAdmin()
  account = accepted(await admin.createAccount({ name: 'acme', region: 'weur' })).id
  const wish = { name: 'k', scopes: [], models: null, limits: [], strict: false, expiresAtMs: null }
  key = accepted(await admin.createKey(account, wish)).record.id
})

test.each(documented)('$path takes the documented methods and no others', async ({ path, operations }) => {
  for (const method of methods) {
    const url = path.replace('{account}', account).replace('{key}', key)
    const response = await controlWith().send(method.toUpperCase(), url)
    const body: { code?: string } = await response.json()
    if (method in operations) {
      expect([405, 404], `${method} ${path}`).not.toContain(response.status)
      const { responses } = operations[method as keyof typeof operations] as { responses: object }
      expect(Object.keys(responses), `${method} ${path}`).toContain(String(response.status))
    } else {
      expect([response.status, body.code], `${method} ${path}`).toEqual([405, 'method_not_allowed'])
      const allowed = (response.headers.get('allow') ?? '').toLowerCase().split(', ')
      expect(allowed).toEqual(methods.filter((name) => name in operations))
    }
  }
})

test('documented objects have exactly the fields that are sent', async () => {
  const { send } = controlWith()
  const { Account, Key, AccountLimits, Config } = page.components.schemas
  const answers: [string, { readonly required: readonly string[] }][] = [
    [`/accounts/${account}`, Account],
    [`/accounts/${account}/keys/${key}`, Key],
    [`/accounts/${account}/limits`, AccountLimits],
    ['/config', Config],
  ]
  for (const [path, schema] of answers) {
    const body: object = await (await send('GET', path)).json()
    expect(Object.keys(body).toSorted(), path).toEqual([...schema.required].toSorted())
  }
  expect(Account.properties.region.enum).toEqual(regions)
})
