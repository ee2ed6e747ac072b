import { Buffer } from 'node:buffer'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RequestRecord } from '../../src/core/record.ts'
import { eventually, inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { pathSpellings } from '../support/path-spellings.ts'
import { RawConnection, type RawAnswer } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

/** Each route has a base of its own upstream, so that what was forwarded says which one was taken. */
const kinds = {
  literal: { path: '/literal/exact', under: '/literal', forwarded: /^\/b-literal\/literal\/exact$/ },
  parameter: { path: '/of/{id}', under: '/of', forwarded: /^\/b-parameter\/of\/[^/]+$/ },
  wildcard: { path: '/wild/*', under: '/wild', forwarded: /^\/b-wildcard\/deep\// },
  everything: { path: '/*', under: '', forwarded: /^\/b-everything\// },
} as const

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('*', (x) => x.send(wholeAnswer(200, {}, 'let in')))
  const names = [...Object.keys(kinds), 'closed']
  const upstreams = names.map((name) => [
    name,
    { dialect: 'http', targets: [{ origin: `${up.url}/b-${name}` }] },
  ])
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    upstreams: Object.fromEntries(upstreams) as Record<string, unknown>,
    routes: [
      { id: 'literal', path: kinds.literal.path, upstream: 'literal', auth: 'none' },
      { id: 'parameter', path: kinds.parameter.path, upstream: 'parameter', auth: 'none' },
      { id: 'wildcard', path: kinds.wildcard.path, upstream: 'wildcard', auth: 'none', rewrite: '/deep/*' },
      { id: 'everything', path: '/*', upstream: 'everything', auth: 'none' },
      { id: 'closed', path: '/closed/*', upstream: 'closed' },
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

beforeEach(() => up.forget())

/** One request written by hand, so that nothing on the way mends its target. */
async function ask(target: string, lines: readonly string[] = []): Promise<RawAnswer> {
  const connection = await RawConnection.open(gateway)
  const head = [`GET ${target} HTTP/1.1`, 'host: gateway.test', ...lines, '', '']
  connection.write(Buffer.from(head.join('\r\n'), 'latin1'))
  try {
    return await connection.expect().answer()
  } finally {
    connection.destroy()
  }
}

/** A path with every coding taken off that anybody behind the gateway might take off, backslashes turned. */
function asTheMostLenientReads(path: string): string {
  let seen = path
  for (let round = 0; round < 4; round += 1) {
    seen = seen.replaceAll(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
  }
  return seen.replaceAll('\\', '/')
}

/** What became of a spelling. */
interface Outcome {
  readonly answer: RawAnswer
  readonly record: RequestRecord | undefined
  /** Paths of the requests that reached the upstream for it. */
  readonly forwarded: readonly string[]
}

/** What is wrong with what became of a spelling, or null. */
function faultOf({ answer, record, forwarded }: Outcome): string | null {
  const [path] = forwarded
  if (answer.status !== 200) {
    if (path !== undefined) return 'refused and yet forwarded'
    return [400, 401, 404].includes(answer.status) ? null : 'neither served nor refused'
  }
  if (path === undefined) return record?.route === null ? null : 'served by nobody'
  return forwarded.length > 1 ? 'forwarded twice' : faultOfPath(path, record?.route ?? null)
}

function faultOfPath(path: string, route: string | null): string | null {
  const kind = Object.entries(kinds).find(([name]) => name === route)?.[1]
  if (kind?.forwarded.test(path) !== true) return `routed to ${route}, forwarded elsewhere`
  if (new URL(path, 'http://up.test').pathname !== path) return 'a URL parser would read another path'
  const lenient = asTheMostLenientReads(path)
  if (/(?:^|\/)\.{1,2}(?:\/|;|$)|\/\//.test(lenient)) return 'a dot segment or an empty one got through'
  return /[^ -~\u0080-\uffff]/.test(lenient) ? 'a control character got through' : null
}

async function faultsIn(spellings: readonly string[]): Promise<string[]> {
  const answers = await inParallel(spellings, 8, (spelling) => ask(spelling))
  const served = up.requests().map((request) => request.field('x-request-id'))
  await eventually(() => {
    const recorded = new Set(gateway.records().map(({ id }) => id))
    return served.every((id) => id !== null && recorded.has(id))
  })
  const records = new Map(gateway.records().map((record) => [record.id, record]))
  return answers.flatMap((answer, at) => {
    const id = answer.field('x-request-id') ?? ''
    const requests = up.requests().filter((request) => request.field('x-request-id') === id)
    const forwarded = requests.map(({ target }) => target.split('?')[0] ?? '')
    const fault = faultOf({ answer, record: records.get(id), forwarded })
    return fault === null ? [] : `${spellings[at]}: ${fault}; ${answer.status} ${forwarded.join(' ')}`
  })
}

describe('C14: a path in whatever spelling', () => {
  it.each(Object.entries(kinds))(
    'C14: is matched, authorised and forwarded as one and the same, or refused: %s route',
    async (_kind, { under }) => {
      const spellings = pathSpellings(under === '' ? '/any' : under, '/closed')
      expect(new Set(spellings).size).toBeGreaterThan(200)
      expect(await faultsIn(spellings)).toEqual([])
      expect(up.requests().length).toBeGreaterThan(5)
      // No key was sent: what needs one was not reached, however it was spelled.
      expect(up.requests().filter(({ target }) => target.startsWith('/b-closed'))).toEqual([])
    },
  )

  it('C14: reaches what needs a key with the key alone, in every spelling that is not refused', async () => {
    for (const spelling of ['/closed/x', '/%63losed/x', '/closed/%78']) {
      expect((await ask(spelling)).status).toBe(401)
      expect((await ask(spelling, [`authorization: Bearer ${gateway.key}`])).status).toBe(200)
    }
    expect(up.requests().map(({ target }) => target)).toEqual(
      Array.from({ length: 3 }, () => '/b-closed/closed/x'),
    )
  })
})

const adminPaths = ['/_sluice', '/_sluice/v1/accounts']

describe('C14: the admin API', () => {
  const spellings = adminPaths.flatMap((path) =>
    ['/wild', '/of', '/any'].flatMap((under) => pathSpellings(under, path)),
  )

  it.each([
    ['no credential', () => []],
    ['a client’s key', () => [`authorization: Bearer ${gateway.key}`, `x-api-key: ${gateway.key}`]],
  ] as const)('C14: shows nothing by any spelling, with %s', async (_what, lines) => {
    expect(new Set(spellings).size).toBeGreaterThan(500)
    const answers = await inParallel(spellings, 8, (spelling) => ask(spelling, lines()))
    for (const answer of answers) {
      expect([200, 400, 401, 404]).toContain(answer.status)
      expect(answer.text).not.toContain(gateway.account)
    }
  })

  it('C14: and its token go to no upstream by any spelling, although a route takes every path', async () => {
    const token = gateway.canaries['SLUICE_OPERATOR_TOKEN'] ?? ''
    const answers = await inParallel(spellings, 8, (spelling) =>
      ask(spelling, [`authorization: Bearer ${token}`]),
    )
    expect(answers.filter(({ text }) => text.includes(gateway.account)).length).toBeGreaterThan(0)
    for (const { target } of up.requests()) {
      const path = asTheMostLenientReads(target.split('?')[0] ?? '').replace(/^\/b-everything/, '')
      expect(path).not.toMatch(/^\/+_sluice(?:\/|$)/)
    }
  })
})

describe('C15: a route', () => {
  const strangers = [
    '/wildadmin',
    '/wild%2fadmin',
    '/wild%2Fx/y',
    '/wild;/x',
    '/wild.',
    '/wild',
    '/Wild/x',
    '/of/',
    '/of/a/b',
    '/literal/exact/',
    '/literal/exactly',
  ]

  it.each(strangers)('C15: does not take %s, which only begins like it', async (path) => {
    const answer = await ask(path)
    const [forwarded] = up.requests()
    if (answer.status === 200) expect(forwarded?.target).toBe(`/b-everything${path}`)
    else expect([answer.status, forwarded]).toEqual([400, undefined])
  })

  it.each([
    '/wild/../x',
    '/wild/%2e%2e/x',
    '/wild/a/../../../x',
    '/wild/..%2fx',
    '/wild/..%5cx',
    '/wild//../x',
    '/of/..',
    '/of/%2e%2e',
    '/of/..%2f..%2fx',
    '/of/.',
  ])('C15: with a base path is not left by %s', async (path) => {
    expect((await ask(path)).status).toBe(400)
    expect(up.requests()).toEqual([])
  })

  it('C15: puts a value into its rewrite as one segment, whatever stands in it', async () => {
    for (const value of ['a%3Fb', 'a%23b', 'a@b', 'a:1', 'evil.test%23', '%25', 'a%20b', '%C3%BC']) {
      up.forget()
      expect((await ask(`/of/${value}`)).status).toBe(200)
      expect(up.requests().map(({ target }) => target)).toEqual([`/b-parameter/of/${value}`])
    }
  })
})

describe('C10: a Host', () => {
  const hosts = [
    'gw/_sluice/v1/accounts?',
    'gw/_sluice/v1/accounts#',
    'gw/closed/x?',
    'gateway.test/closed/x#',
    'gw\\_sluice',
    'user@gw',
    'user:pass@gateway.test',
    'gw?x',
    'gw%2f_sluice',
    'gw%00',
    '[::1]x',
    '[::ffff:127.0.0.1',
    'gw:1:2',
    'gw:-1',
    'gw:1e3',
    '..',
    'a..b',
    '.gw',
    'gw,gw',
    'gw;x',
    "gw'",
    'gw"',
    'gw|x',
    `${'a'.repeat(300)}.test`,
  ]

  it.each(hosts)('C10: %s is refused, chooses no path and opens nothing', async (host) => {
    for (const target of ['/', '/wild/x', '/_sluice/v1/accounts']) {
      const connection = await RawConnection.open(gateway)
      const token = gateway.canaries['SLUICE_OPERATOR_TOKEN'] ?? ''
      connection.write(`GET ${target} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\n\r\n`)
      const answer = await connection.expect().answer()
      connection.destroy()
      expect(answer.status).toBe(400)
      expect(answer.text).not.toContain(gateway.account)
    }
    expect(up.connections()).toBe(0)
  })

  it('C10: of one spelling is taken for its other one: case, a dot at the end, the scheme’s own port', async () => {
    for (const host of ['GATEWAY.test', 'gateway.test.', 'gateway.test:80', '127.0.0.1', '[::1]:8080']) {
      const connection = await RawConnection.open(gateway)
      connection.write(`GET /wild/x HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
      expect((await connection.expect().answer()).status).toBe(200)
      connection.destroy()
    }
    const told = up.requests().map((request) => request.field('x-forwarded-host'))
    expect(told).toEqual(['gateway.test', 'gateway.test', 'gateway.test', '127.0.0.1', '[::1]:8080'])
  })
})
