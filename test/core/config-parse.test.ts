import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type InvalidConfig, parseConfig, type ParsedConfig } from '../../src/core/config/parse.ts'
import type { Route } from '../../src/core/config/types.ts'
import bundled from '../../sluice.config.json' with { type: 'json' }
import { badCases, goodCases } from './config-cases.ts'
import { sampleDocument, withRoute, withTarget } from './config-samples.ts'

function problemsOf(document: unknown): InvalidConfig['problems'] {
  const config = parseConfig(document)
  return 'problems' in config ? config.problems : []
}

function parsed(document: unknown): ParsedConfig {
  const config = parseConfig(document)
  if ('problems' in config) throw new Error(JSON.stringify(config.problems))
  return config
}

function firstRoute(document: unknown): Route {
  return parsed(document).routes[0]!
}

describe('a document', () => {
  it.each(badCases)('with %s has that one problem', (_, document, path) => {
    const problems = problemsOf(document)
    expect(problems).toEqual([
      { path, expected: expect.stringMatching(/./), found: expect.stringMatching(/./) },
    ])
  })

  it.each(goodCases)('with %s has none', (_, document) => {
    expect(problemsOf(document)).toEqual([])
  })

  it('has all its problems reported at once', () => {
    const draft = withTarget({ origin: 'ftp://x', timeouts: { idleMs: -1 } })
    draft['extra'] = 1
    draft.routes.push({ id: 'x', path: '/x', upstream: 'pain' }, { id: 'chat', path: 'y', upstream: 'plain' })
    expect(problemsOf(draft).map(({ path }) => path)).toEqual([
      '$.extra',
      '$.upstreams.llm.targets[0].timeouts.idleMs',
      '$.upstreams.llm.targets[0].origin',
      '$.routes[2].upstream',
      '$.routes[3].path',
    ])
  })

  it('beyond 500 problems has the others counted', () => {
    const draft = { ...sampleDocument(), routes: Array.from({ length: 600 }, () => 1) }
    expect(problemsOf(draft)).toHaveLength(501)
    expect(problemsOf(draft).at(-1)?.found).toBe('100 more than are listed here')
  })

  it.each([
    ['20,001 routes', { ...sampleDocument(), routes: Array.from({ length: 20_001 }) }, '$.routes'],
    [
      '1,001 upstreams',
      {
        ...sampleDocument(),
        upstreams: Object.fromEntries(Array.from({ length: 1_001 }, (_, at) => [`u${at}`, 1])),
        routes: [],
      },
      '$.upstreams',
    ],
  ])('of %s is refused without reading them', (_, document, path) => {
    expect(problemsOf(document).map((problem) => problem.path)).toEqual([path])
  })

  it.each([
    ['gatewai', 'gateway'],
    ['upstream', 'upstreams'],
    ['route', 'routes'],
  ])('with the slip %s is asked whether it means %s', (slip, meant) => {
    const [problem] = problemsOf({ ...sampleDocument(), [slip]: {} })
    expect(problem?.expected).toBe(`\`${meant}\`; did you mean that?`)
  })

  it.each(['__proto__', 'constructor', 'prototype'])(
    'with %s anywhere is refused and changes no object',
    (name) => {
      const texts = [
        `{"version":1,"upstreams":{},"routes":[],"${name}":{"polluted":1}}`,
        `{"version":1,"upstreams":{"${name}":{"polluted":1}},"routes":[]}`,
        JSON.stringify(withRoute({ models: { aliases: { xx: 'y' } } })).replace('"xx"', `"${name}"`),
        JSON.stringify(withRoute({ headers: { request: { set: { xx: 'y' } } } })).replace(
          '"xx"',
          `"${name}"`,
        ),
      ]
      for (const text of texts) {
        const found = problemsOf(JSON.parse(text)).map((problem) => problem.found)
        expect(found).toEqual([`the reserved name ${name}`])
      }
      expect(Reflect.get({}, 'polluted')).toBeUndefined()
    },
  )

  it('of any JSON never makes the parser throw, and is either used or has problems', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => void parseConfig(value)),
      { numRuns: 2_000 },
    )
    const paths = fc.constantFrom('version', 'gateway', 'upstreams', 'routes')
    fc.assert(
      fc.property(paths, fc.jsonValue(), (name, value) => {
        const config = parseConfig({ ...structuredClone(bundled), [name]: value })
        if ('problems' in config) expect(config.problems.length).toBeGreaterThan(0)
      }),
      { numRuns: 2_000 },
    )
    const routeFields = Object.keys(firstRoute(sampleDocument()))
    fc.assert(
      fc.property(fc.constantFrom(...routeFields, 'headers'), fc.jsonValue(), (name, value) => {
        parseConfig(withRoute({ [name]: value }))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('a problem never shows', () => {
  const secret = 'sk-abcDEF123456789012345678901234567890'

  it.each([
    ['a secret by value', withTarget({ secret })],
    ['a value as the name of a secret', withTarget({ secret: { secret } })],
    ['a short value in the place of a name', withTarget({ secret: { secret: 'hunter-sk-abcDEF' } })],
    ['a password in an origin', withTarget({ origin: `https://user:${secret}@x.example` })],
    ['a key in the query of an origin', withTarget({ origin: `https://x.example/?key=${secret}` })],
    ['a secret in a prefix', withTarget({ secret: { secret: 'A', prefix: `Bearer ${secret}\n` } })],
    ['a header value', withRoute({ headers: { request: { set: { authorization: `Bearer ${secret}\n` } } } })],
    ['a setting named like one', { ...sampleDocument(), [secret]: 1 }],
    ['a value of an unknown setting', { ...sampleDocument(), api_key: secret }],
    ['an id', withRoute({ id: `${secret}/` })],
    ['a path', withRoute({ path: `/${secret}/..` })],
    ['an upstream', withRoute({ upstream: secret })],
  ])('%s', (_, document) => {
    const text = JSON.stringify(problemsOf(document))
    expect(text.length).toBeGreaterThan(10)
    expect(text).not.toContain('sk-abcDEF')
  })

  it.each([
    'https://user:hunter2@x.example',
    'https://hunter2@x.example/a',
    'https://x.example/?pin=hunter2',
  ])('what a URL carries beside its address: %s', (origin) => {
    const [problem] = problemsOf(withTarget({ origin }))
    expect(problem?.found).toContain('x.example')
    expect(problem?.found).not.toContain('hunter2')
  })

  it('more than about 60 characters of a value', () => {
    const [problem] = problemsOf(withRoute({ auth: 'no '.repeat(1_000) }))
    expect(problem?.found.length).toBeLessThan(70)
  })
})

describe('what is left out', () => {
  it('has the defaults of the dialect', () => {
    expect(firstRoute(sampleDocument())).toMatchObject({
      host: '*',
      auth: 'required',
      dialect: 'openai',
      bodyBytesMax: 33_554_432,
      upstream: {
        targets: [
          {
            id: 'llm/0',
            secret: { secret: 'LLM_KEY', header: 'authorization', prefix: 'Bearer ' },
            timeouts: { firstByteMs: 300_000, idleMs: 60_000, totalMs: 600_000 },
          },
        ],
      },
    })
    expect(parsed(sampleDocument()).routes[1]).toMatchObject({
      methods: [],
      bodyBytesMax: 104_857_600,
      upstream: {
        targets: [
          { origin: 'http://127.0.0.1:8080', basePath: '/base', secret: null, timeouts: { totalMs: 60_000 } },
        ],
      },
    })
  })

  it.each([
    ['openai', {}, 'authorization', 'Bearer '],
    ['anthropic', {}, 'x-api-key', ''],
    ['http', {}, 'authorization', 'Bearer '],
    ['openai', { header: 'X-Key' }, 'x-key', ''],
    ['anthropic', { header: 'authorization', prefix: 'Bearer ' }, 'authorization', 'Bearer '],
  ])('in the secret of an %s target with %j goes to %s with prefix %j', (dialect, fields, header, prefix) => {
    const draft = withTarget({ dialect, secret: { secret: 'A', ...fields } })
    Object.assign(draft.routes[0]!, { dialect: 'http' })
    expect(firstRoute(draft).upstream.targets[0]?.secret).toEqual({ secret: 'A', header, prefix })
  })

  it('about models, streams and bodies leaves models alone, stops upstreams, strips what it asked for', () => {
    expect(firstRoute(sampleDocument())).toMatchObject({
      models: { aliases: {}, override: null, allow: null, deny: [] },
      streams: { onLeave: 'abort', usage: 'strip', keepAlive: false },
      opaqueBodies: 'refuse',
    })
    expect(firstRoute(withRoute({ models: { allow: [] }, streams: { usage: 'pass' } }))).toMatchObject({
      models: { aliases: {}, override: null, allow: [], deny: [] },
      streams: { onLeave: 'abort', usage: 'pass', keepAlive: false },
    })
    expect(parsed(sampleDocument()).prices).toEqual({})
  })

  it.each([
    ['openai', {}, true],
    ['anthropic', {}, false],
    ['http', {}, false],
    ['openai', { includeUsage: false }, false],
    ['http', { includeUsage: true }, true],
  ])('of an %s target with %j says whether usage may be asked for: %s', (dialect, fields, includeUsage) => {
    const draft = withTarget({ dialect, ...fields })
    Object.assign(draft.routes[0]!, { dialect: 'http' })
    expect(firstRoute(draft).upstream.targets[0]?.includeUsage).toBe(includeUsage)
  })

  it('in the timeouts of a target comes from its upstream, then from its dialect', () => {
    const draft = withTarget({ timeouts: { idleMs: 1 } })
    Object.assign(draft.upstreams['llm']!, { timeouts: { idleMs: 2, totalMs: 400_000 } })
    expect(firstRoute(draft).upstream.targets[0]?.timeouts).toEqual({
      firstByteMs: 300_000,
      firstContentMs: null,
      idleMs: 1,
      totalMs: 400_000,
    })
  })
})

it('prices are read to the last decimal, in millionths of what the document says', () => {
  const price = { input: 0.0375, cachedInput: 0.000_001, cacheWrite: 10_000, output: 3 }
  expect(parsed({ ...sampleDocument(), prices: { 'm*': price } }).prices).toEqual({
    'm*': { input: 37_500, cachedInput: 1, cacheWrite: 10_000_000_000, output: 3_000_000 },
  })
  const plain = parsed({ ...sampleDocument(), prices: { m: { input: 1, output: 2, cacheWrite: null } } })
  expect(plain.prices['m']).toEqual({
    input: 1_000_000,
    cachedInput: null,
    cacheWrite: null,
    output: 2_000_000,
  })
})
