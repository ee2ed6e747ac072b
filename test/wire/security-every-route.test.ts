import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import adminApi from '../../docs/openapi-admin.json' with { type: 'json' }
import type { Route } from '../../src/core/config/types.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { buildRouteIndex, matchRoute } from '../../src/core/route/route-index.ts'
import { badCredentials, type BadCredential } from '../support/bad-credentials.ts'
import { expectRefusal } from '../support/dialect-errors.ts'
import { inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { RawConnection, type RawAnswer, type RawRequest } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest
let bad: readonly BadCredential[]

/** A route for every setting that has to do with who may use it, and for every kind of host and path. */
const featured = [
  { id: 'by-query', path: '/by-query/*', upstream: 'example', keyQuery: 'key' },
  { id: 'bearer-only', path: '/bearer-only/*', upstream: 'example', keySources: ['authorization'] },
  { id: 'x-api-key-only', path: '/x-api-key-only/*', upstream: 'anthropic', keySources: ['x-api-key'] },
  { id: 'pages', path: '/pages/*', upstream: 'example', cors: { origins: ['https://app.example.com'] } },
  { id: 'sockets', path: '/sockets/*', upstream: 'example', websocket: true },
  { id: 'slashes', path: '/slashes/{name}', upstream: 'example', encodedSlash: true },
  { id: 'one-host', host: 'api.example.com', path: '/any/*', upstream: 'example' },
  { id: 'many-hosts', host: '*.example.com', path: '/any/*', upstream: 'openai' },
  { id: 'params', path: '/of/{customer}/bills/*', upstream: 'example', rewrite: '/{customer}/*' },
  { id: 'with-secret', path: '/with-secret', upstream: 'secretive' },
  { id: 'based', path: '/based/*', upstream: 'based', rewrite: '/*' },
  { id: 'plain-errors', path: '/plain-errors/*', upstream: 'openai', dialect: 'http' },
  { id: 'optional', path: '/optional/*', upstream: 'example', auth: 'optional', keyQuery: 'key' },
  { id: 'open', path: '/open/*', upstream: 'example', auth: 'none' },
  { id: 'everything', path: '/*', upstream: 'example' },
]

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('*', (x) => x.send(wholeAnswer(200, {}, 'let in')))
  const target = { origin: up.url, secret: { secret: 'OPENAI_API_KEY', header: 'x-billing' } }
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    upstreams: {
      secretive: { dialect: 'http', targets: [target] },
      based: { dialect: 'http', targets: [{ origin: `${up.url}/base` }] },
    },
    routes: featured,
  })
  bad = await badCredentials(gateway)
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

const everyMethod = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Where a credential may be put: those places that routes can take, and others that some gateways take. */
const places = {
  authorization: (text: string) => ({ authorization: `Bearer ${text}` }),
  'x-api-key': (text: string) => ({ 'x-api-key': text }),
  'api-key': (text: string) => ({ 'api-key': text }),
  'x-goog-api-key': (text: string) => ({ 'x-goog-api-key': text }),
  cookie: (text: string) => ({ cookie: `key=${text}` }),
  basic: (text: string) => ({ authorization: `Basic ${btoa(`${text}:`)}` }),
} as const

interface Attempt extends RawRequest {
  readonly name: string
  readonly method: string
  readonly route: Route
  /** Whether the credential is one of ours, in a place where the route looks. */
  readonly seen: boolean
}

function addressOf({ host, path }: Route): { readonly path: string; readonly host: string } {
  const concrete = path.replaceAll(/\{\w+\}/g, 'x').replace(/\*$/, 'x/y')
  return { path: concrete, host: host === '*' ? 'gateway.test' : host.replace('*', 'eu') }
}

/** One route, one method, every bad credential in every place, and a good one where the route does not look. */
function attemptsOn(route: Route, method: string): Attempt[] {
  const { path, host } = addressOf(route)
  const good = { name: 'good', text: gateway.key, ours: true }
  const inHeaders = Object.entries(places).flatMap(([place, headersOf]) => {
    const taken = route.keySources.some((source) => source === place)
    return (taken ? bad : [...bad, good]).map(({ name, text, ours }) => {
      const headers = { host, ...headersOf(text) }
      return { route, method, path, headers, name: `${name} in ${place}`, seen: taken && ours }
    })
  })
  const inQuery = ['key', '%6Bey', 'api_key'].flatMap((parameter) => {
    const taken = route.keyQuery !== null && parameter !== 'api_key'
    return (taken ? bad : [...bad, good]).map(({ name, text, ours }) => {
      const target = `${path}?a=1&${parameter}=${encodeURIComponent(text)}`
      const headers = { host }
      return { route, method, path: target, headers, name: `${name} in ?${parameter}=`, seen: taken && ours }
    })
  })
  const all = [
    { route, method, path, headers: { host }, name: 'none', seen: false },
    ...inHeaders,
    ...inQuery,
  ]
  // Who may come without a key is not refused for a credential of another system.
  return route.auth === 'optional' ? all.filter(({ seen }) => seen) : all
}

/** The route that the gateway would take, by its own index. */
function matchedRoute({ path, headers, method }: Attempt): Route | null {
  const index = buildRouteIndex(gateway.configuration.routes)
  const target = { scheme: 'http', host: headers?.['host'] ?? '', query: '', encodedSlash: false } as const
  const match = matchRoute(index, { ...target, path: path.split('?')[0] ?? '' }, method)
  return !isRefusal(match) && match.kind === 'route' ? match.route : null
}

async function answersTo(attempts: readonly RawRequest[]): Promise<RawAnswer[]> {
  const connection = await RawConnection.open(gateway)
  const answers: RawAnswer[] = []
  for (let at = 0; at < attempts.length; at += 50) {
    const burst = attempts.slice(at, at + 50).map((attempt) => connection.request(attempt))
    for (const live of burst) answers.push(await live.answer())
  }
  connection.destroy()
  return answers
}

/** What is wrong with the answer to an attempt, or null. */
function faultOf(attempt: Attempt, answer: RawAnswer): string | null {
  try {
    const code = attempt.seen ? 'key_invalid' : 'key_missing'
    if (attempt.method === 'HEAD') expect(answer.status).toBe(401)
    else expectRefusal(answer, attempt.route.dialect, { status: 401, code })
    return null
  } catch (error) {
    const { route, method, name } = attempt
    return `${route.id} ${method} ${name}: ${answer.status} ${answer.text.slice(0, 200)} ${String(error)}`
  }
}

describe('C16: every route of the configuration × every method it takes × every bad credential in every place', () => {
  it('C16: is 401 in the dialect of the route, and no upstream is contacted', async () => {
    const routes = gateway.configuration.routes.filter(({ auth }) => auth !== 'none')
    const cells = routes.flatMap((route) => {
      const named = route.methods.includes('GET') ? [...route.methods, 'HEAD'] : route.methods
      return (named.length === 0 ? everyMethod : named).map((method) => ({ route, method }))
    })
    up.forget()
    const faults = await inParallel(cells, 4, async ({ route, method }) => {
      const attempts = attemptsOn(route, method)
      expect(attempts.length).toBeGreaterThan(20)
      expect(matchedRoute(attempts[0] as Attempt)?.id).toBe(route.id)
      const answers = await answersTo(attempts)
      return attempts.map((attempt, at) => faultOf(attempt, answers[at] as RawAnswer))
    })
    expect(faults.flat().filter((fault) => fault !== null)).toEqual([])
    expect(faults.flat().length).toBeGreaterThan(8_000)
    expect(up.connections()).toBe(0)
    expect(up.requests()).toEqual([])
  })

  it('C16: and with a method that the route does not take, 401 or 405, and no upstream is contacted', async () => {
    up.forget()
    const routes = gateway.configuration.routes.filter(({ auth }) => auth === 'required')
    const attempts = routes.flatMap((route) =>
      [...everyMethod, 'TRACE', 'SEARCH']
        .filter((method) => !route.methods.includes(method))
        .flatMap((method) => [
          { method, path: addressOf(route).path, headers: places['x-api-key']('slc_x') },
        ]),
    )
    const statuses = new Set((await answersTo(attempts)).map(({ status }) => status))
    expect(statuses).toEqual(new Set([401, 405]))
    expect(up.connections()).toBe(0)
  })

  it('C16: a good key opens each of them, so that the refusals above mean something', async () => {
    for (const route of gateway.configuration.routes) {
      const { path, host } = addressOf(route)
      const place = route.keySources.includes('authorization') ? 'authorization' : 'x-api-key'
      const method = route.methods[0] ?? 'GET'
      const headers = { host, 'content-type': 'application/json', ...places[place](gateway.key) }
      const body = method === 'POST' ? { body: '{"model":"m","messages":[]}' } : {}
      const [answer] = await answersTo([{ method, path, headers, ...body }])
      expect([route.id, answer?.status]).toEqual([route.id, 200])
    }
  })

  it('C16: the project’s own routes all ask for a key', () => {
    const added = new Set(featured.map(({ id }) => id))
    const own = gateway.configuration.routes.filter(({ id }) => !added.has(id))
    expect(own.length).toBeGreaterThan(9)
    for (const { id, auth } of own) expect([id, auth]).toEqual([id, 'required'])
  })
})

describe('C16: every path and method of the admin API', () => {
  const operations = Object.entries(adminApi.paths).flatMap(([path, item]) =>
    Object.keys(item)
      .filter((method) => everyMethod.includes(method.toUpperCase()))
      .map((method) => ({ path: path.replaceAll(/\{\w+\}/g, 'aaaaaaaaaa'), method: method.toUpperCase() })),
  )

  it('C16: asks for the operator’s token, and takes neither a client’s key nor anything like the token', async () => {
    expect(operations.length).toBeGreaterThan(8)
    up.forget()
    const token = gateway.canaries['SLUICE_OPERATOR_TOKEN'] ?? ''
    const almost = [
      '',
      'undefined',
      'null',
      gateway.key,
      token.slice(0, -1),
      `${token}x`,
      token.toUpperCase(),
    ]
    const headers = [
      {},
      ...[...almost, ...bad.map(({ text }) => text).filter((text) => text !== token)].map(
        places.authorization,
      ),
      { 'x-api-key': token },
      { cookie: `token=${token}` },
      { authorization: `Basic ${btoa(`operator:${token}`)}` },
    ]
    const attempts = operations.flatMap(({ path, method }) =>
      headers.map((each) => ({ method, path: adminPath(path), headers: each })),
    )
    const queried = operations.map(({ path, method }) => ({
      method,
      path: `${adminPath(path)}?token=${token}&access_token=${token}`,
    }))
    const answers = await answersTo([...attempts, ...queried])
    for (const answer of answers) {
      expect(answer.status).toBe(401)
      expect(answer.text).not.toContain(gateway.account)
    }
    expect(up.connections()).toBe(0)
  })
})

function adminPath(path: string): string {
  return path.startsWith('/_sluice') ? path : `/_sluice/v1${path}`
}
