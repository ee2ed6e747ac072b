import { describe, expect, it } from 'vitest'
import type { Route, SecretReference } from '../../src/core/config/types.ts'
import { dialectOf } from '../../src/core/dialect/dialect.ts'
import { upstreamHeaders } from '../../src/core/http/request-headers.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { routeWith } from '../support/routes.ts'

interface Said {
  readonly route?: Partial<Route>
  readonly secret?: SecretReference
}

function sent(
  client: Readonly<Record<string, string>>,
  { route = {}, secret }: Said,
): Record<string, string> {
  const full = routeWith(route)
  const words = {
    requestId: 'rid',
    name: 'gw',
    clientAddress: null,
    host: 'api.test',
    scheme: 'https',
    acceptEncoding: client['accept-encoding'] ?? null,
    websocket: false,
  }
  const policy = {
    route: full,
    dialect: dialectOf(full.dialect),
    secret: secret === undefined ? null : { reference: secret, value: 'the-secret' },
  }
  const headers = upstreamHeaders(new Headers({ ...client }), policy, words)
  if (isRefusal(headers)) throw new Error(headers.refused)
  return Object.fromEntries(headers)
}

const secretIn = (header: string): Said => ({ secret: { secret: 'K', header, prefix: '' } })
const edits = (remove: readonly string[], set: Readonly<Record<string, string>>): Said => ({
  route: { requestHeaders: { remove, set } },
})

describe('headers to an upstream', () => {
  it.each([
    { client: 'x_billing_token', said: secretIn('x-billing-token'), stands: 'x-billing-token' },
    { client: 'x.billing.token', said: secretIn('x-billing-token'), stands: 'x-billing-token' },
    { client: 'x-billing-token', said: secretIn('x_billing_token'), stands: 'x_billing_token' },
    { client: 'x_tenant', said: edits([], { 'x-tenant': 'ours' }), stands: 'x-tenant' },
    { client: 'x-tenant', said: edits([], { x_tenant: 'ours' }), stands: 'x_tenant' },
    { client: 'x_private', said: edits(['x-private'], {}), stands: null },
    { client: 'accept_encoding', said: { route: { dialect: 'openai' } } as Said, stands: 'accept-encoding' },
    { client: 'accept.encoding', said: {}, stands: null },
  ])(
    'C5: no alias stands beside what the route sets, removes or the secret is carried in: $client',
    ({ client, said, stands }) => {
      const headers = sent({ [client]: 'from the client' }, said)
      expect(Object.values(headers)).not.toContain('from the client')
      if (stands !== null) expect(headers[stands]).toBeDefined()
    },
  )

  it('C5: a header that only looks a little alike passes', () => {
    const client = { 'x-tenant-name': 'a', x_tenants: 'b', 'accept-encodings': 'c' }
    expect(sent(client, edits(['x-tenant'], {}))).toMatchObject(client)
  })

  it.each(['via', 'accept-encoding'])('C6: a key in Via or Accept-Encoding goes no further: %s', (name) => {
    const headers = sent({ [name]: 'gzip, slc_k1_abc' }, {})
    expect(JSON.stringify(headers)).not.toContain('slc_')
    expect(headers['via']).toBe('1.1 gw')
  })
})
