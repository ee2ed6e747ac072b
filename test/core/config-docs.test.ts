import { describe, expect, it } from 'vitest'
import {
  cacheProfiles,
  defaultBodyBytesMax,
  defaultConcurrency,
  defaultCors,
  defaultGateway,
  defaultHealth,
  defaultHedgeShare,
  defaultKeySources,
  defaultResend,
  defaultRetries,
  defaultLlmCache,
  defaultRoute,
  defaultSecretPlace,
  defaultStreams,
  defaultTimeouts,
} from '../../src/core/config/defaults.ts'
import { type InvalidConfig, parseConfig } from '../../src/core/config/parse.ts'
import { limitFieldNames } from '../../src/core/limit/kinds/limit-form.ts'
import { limitKind } from '../../src/core/limit/kinds/kinds.ts'
import { limitKindNames } from '../../src/core/limit/spec.ts'
import { chooseModel } from '../../src/core/llm/model-policy.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import type { DialectName, Route, Target } from '../../src/core/config/types.ts'
import schema from '../../docs/sluice.schema.json' with { type: 'json' }
import page from '../../docs/configuration.md?raw'
import { sampleDocument, withRoute, withTarget } from './config-samples.ts'

/** The cells of the table rows between two lines of the page, code marks taken off. */
function rowsBetween(from: string, to: string): readonly string[][] {
  const start = page.indexOf(from)
  const section = page.slice(start, page.indexOf(to, start + from.length))
  expect(start, from).toBeGreaterThan(0)
  const rows = section.split('\n').filter((line) => line.startsWith('| `'))
  return rows.map((line) =>
    line
      .slice(1, -1)
      .split(/ \| /)
      .map((cell) => cell.trim().replace(/^(`+) ?(.*?) ?\1$/, '$2')),
  )
}

function defaultsBetween(from: string, to: string): Record<string, unknown> {
  const rows = rowsBetween(from, to)
  return Object.fromEntries(rows.map(([name = '', value = '']) => [name, wordOrJson(value)]))
}

function parsedRoute(document: unknown): Route {
  const parsed = parseConfig(document)
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  return parsed.routes[0]!
}

function targetOf(dialect: DialectName): Target {
  const draft = withTarget({ dialect })
  Object.assign(draft.routes[0]!, { dialect: 'http' })
  return parsedRoute(draft).upstream.targets[0]!
}

function wordOrJson(cell: string): unknown {
  return /^["[{\dtfn]/.test(cell) && !cell.startsWith('the ') ? JSON.parse(cell) : cell
}

describe('the page on configuration says of', () => {
  it('the gateway what holds by default', () => {
    const { logSample, keyGraceMs, ...others } = defaultGateway
    expect(defaultsBetween('### `gateway`', '### `upstreams`')).toEqual({
      ...others,
      'log.sample': logSample,
      keyGraceSeconds: keyGraceMs / 1000,
    })
  })

  it('targets and bodies what holds by default in each dialect', () => {
    const rows = rowsBetween("By the target's dialect", '### `routes`')
    const dialects = ['openai', 'anthropic', 'http'] as const
    const said = rows.map(([name, ...cells]) => [name, cells.map((cell) => JSON.parse(cell) as unknown)])
    expect(Object.fromEntries(said)).toEqual({
      'secret.header': dialects.map((dialect) => defaultSecretPlace[dialect].header),
      'secret.prefix': dialects.map((dialect) => defaultSecretPlace[dialect].prefix),
      'timeouts.firstByteMs': dialects.map((dialect) => defaultTimeouts[dialect].firstByteMs),
      'timeouts.firstContentMs': dialects.map((dialect) => defaultTimeouts[dialect].firstContentMs),
      'timeouts.idleMs': dialects.map((dialect) => defaultTimeouts[dialect].idleMs),
      'timeouts.totalMs': dialects.map((dialect) => defaultTimeouts[dialect].totalMs),
      includeUsage: dialects.map((dialect) => targetOf(dialect).includeUsage),
      bodyBytesMax: dialects.map((dialect) => defaultBodyBytesMax[dialect]),
    })
  })

  it('routes what holds by default, and every setting', () => {
    const said = defaultsBetween('### `routes`', 'Header edits never')
    expect(Object.keys(said)).toEqual(Object.keys(schema.$defs.route.properties))
    expect(said).toMatchObject({ ...defaultRoute, keySources: defaultKeySources, methods: [], cors: null })
  })

  it('CORS what holds by default, and every setting', () => {
    const said = defaultsBetween('Each `cors`', 'Each `resend`')
    expect(said).toEqual({ origins: 'required', ...defaultCors })
  })

  it('targets every setting', () => {
    const said = defaultsBetween('Each of `targets`', "By the target's dialect")
    expect(Object.keys(said)).toEqual(Object.keys(schema.$defs.target.properties))
  })

  it('upstreams what holds by default, and every setting', () => {
    const said = defaultsBetween('### `upstreams`', 'What each does')
    expect(Object.keys(said)).toEqual(Object.keys(schema.$defs.upstream.properties))
    expect(said).toMatchObject({ choose: 'ordered', hedgeShare: defaultHedgeShare })
  })

  it.each([
    ['retries', 'Each `health`', defaultRetries, schema.$defs.retries.properties],
    ['health', 'Each `concurrency`', defaultHealth, schema.$defs.health.properties],
    ['concurrency', 'Each of `targets`', defaultConcurrency, schema.$defs.concurrency.properties],
  ])('%s what holds by default, and every setting', (name, to, defaults, properties) => {
    const said = defaultsBetween(`Each \`${name}\``, to)
    const bySchema = Object.entries(properties as Record<string, { readonly default: unknown }>)
    expect(said).toEqual(defaults)
    expect(Object.fromEntries(bySchema.map(([setting, rule]) => [setting, rule.default]))).toEqual(defaults)
  })

  it('sending again what holds by default, and every setting', () => {
    const said = defaultsBetween('Each `resend`', 'Each `streams`')
    const { bufferBytes: ofLlm, ...others } = defaultResend.openai
    expect(said).toEqual({ ...others, bufferBytes: 'by dialect' })
    expect([ofLlm, defaultResend.anthropic.bufferBytes, defaultResend.http.bufferBytes]).toEqual([
      262_144, 262_144, 0,
    ])
    expect(Object.keys(schema.$defs.resend.properties)).toEqual(Object.keys(said))
  })

  it('streams what holds by default, and every setting', () => {
    expect(defaultsBetween('Each `streams`', '### Caches')).toEqual(defaultStreams)
    expect(Object.keys(schema.$defs.streams.properties)).toEqual(Object.keys(defaultStreams))
  })

  it('caches what holds by default in each profile, and every setting', () => {
    const rows = rowsBetween('Each `cache`', 'Each `llmCache`')
    for (const [at, profile] of (['safe', 'full'] as const).entries()) {
      const said = rows.map(([name = '', ...cells]) => [name, JSON.parse(cells[at] ?? '') as unknown])
      expect(Object.fromEntries(said)).toEqual(cacheProfiles[profile])
    }
    expect(Object.keys(schema.$defs.cache.properties)).toEqual(Object.keys(cacheProfiles.safe))
  })

  it('caches of models what holds by default, and every setting', () => {
    expect(defaultsBetween('Each `llmCache`', '### Models')).toEqual(defaultLlmCache)
    expect(Object.keys(schema.$defs.llmCache.properties)).toEqual(Object.keys(defaultLlmCache))
  })

  it('models what holds by default, and every setting', () => {
    const said = defaultsBetween('### Models', '### Prices and usage')
    expect(said).toEqual(parsedRoute(sampleDocument()).models)
    expect(Object.keys(said)).toEqual(Object.keys(schema.$defs.models.properties))
  })

  it('prices what holds by default, and every setting', () => {
    const said = defaultsBetween('### Prices and usage', '### Limits')
    expect(said).toEqual({ input: 'required', cachedInput: null, cacheWrite: null, output: 'required' })
    expect(Object.keys(said)).toEqual(Object.keys(schema.$defs.price.properties))
  })

  it('limits every setting, and the defaults that no kind has otherwise', () => {
    const said = defaultsBetween('### Limits', '## How problems')
    expect(Object.keys(said)).toEqual([...limitFieldNames(null), 'per'])
    const kinds = limitKindNames.map(limitKind)
    for (const { defaults } of kinds) expect(defaults.reserve).toBe(said['reserve'])
    const periods = kinds.flatMap(({ fields }) => fields.periodSeconds?.fallback ?? [])
    expect(new Set(periods)).toEqual(new Set([60]))
    expect(said).toMatchObject({ per: 'key', periodSeconds: 'rates: `60`', burst: 'max' })
  })

  it('problems what they look like', () => {
    const draft = withTarget({ secret: 'x'.repeat(51) })
    Object.assign(draft, { gatway: {}, upstreams: { openai: draft.upstreams['llm'] } })
    draft.routes = [
      { id: 'chat', path: '/v1/chat', upstream: 'opnai' },
      { id: 'a', path: '/a', upstream: 'openai' },
    ]
    const twice = withRoute({ id: 'chat' }, 1)
    const problems = [draft, twice].flatMap((document) => (parseConfig(document) as InvalidConfig).problems)
    const said = rowsBetween('## How problems', 'What looks like').map(([path, expected, found]) => ({
      path,
      expected,
      found,
    }))
    expect(said).toEqual(problems)
  })
})

it('the prices that the page shows are good ones', () => {
  const example = /```json\n(.*?)```/s.exec(page.slice(page.indexOf('### Prices and usage')))?.[1] ?? ''
  const document = { ...sampleDocument(), ...(JSON.parse(example) as object) }
  expect(parseConfig(document)).toMatchObject({ prices: { 'gpt-4o*': { output: 10_000_000 } } })
})

it('the limits that the page shows are good ones', () => {
  const example = /```json\n(.*?)```/s.exec(page.slice(page.indexOf('### Limits')))?.[1] ?? ''
  const { limits } = parsedRoute(withRoute(JSON.parse(example) as Record<string, unknown>))
  expect(limits.map(({ per, spec }) => [per, spec.name, spec.max])).toEqual([
    ['key', 'route-request-rate', 600],
    ['key', 'five-hours', 1_000_000],
    ['account', 'route-money-budget', 250_000_000],
  ])
})

it('the rules on models that the page on LLM traffic shows are good ones and do what it says', async () => {
  const { default: llm } = await import('../../docs/llm.md?raw')
  const example = /```json\n(.*?)```/s.exec(llm)?.[1] ?? ''
  const { models: route } = parsedRoute(withRoute(JSON.parse(example) as Record<string, unknown>))
  const passes = (model: string) => !isRefusal(chooseModel(model, { route, key: null }))
  const asked = ['fast', 'gpt-4o', 'gpt-4o-audio-preview', 'gpt-5']
  expect(asked.map(passes)).toEqual([true, true, false, false])
})

it('the first example of the page is a good document', () => {
  const example = /```json\n(.*?)```/s.exec(page)?.[1] ?? ''
  expect(parseConfig(JSON.parse(example))).toMatchObject({ routes: { length: 3 } })
  expect(parseConfig(sampleDocument())).toMatchObject({ routes: { length: 2 } })
})

it('the schema names the defaults that the code has', () => {
  const { gateway, route, cors, streams } = schema.$defs
  expect(gateway.properties.name.default).toBe(defaultGateway.name)
  expect(gateway.properties.clientAddress.default).toBe(defaultGateway.clientAddress)
  expect(gateway.properties.serverTiming.default).toBe(defaultGateway.serverTiming)
  expect(gateway.properties.log.properties.sample.default).toBe(defaultGateway.logSample)
  expect(route.properties).toMatchObject({
    host: { default: defaultRoute.host },
    auth: { default: defaultRoute.auth },
    keySources: { default: defaultKeySources },
    bodyMs: { default: defaultRoute.bodyMs },
    websocket: { default: defaultRoute.websocket },
    encodedSlash: { default: defaultRoute.encodedSlash },
    opaqueBodies: { default: defaultRoute.opaqueBodies },
  })
  expect(gateway.properties.keyGraceSeconds.default).toBe(defaultGateway.keyGraceMs / 1000)
  const { onLeave, usage, keepAlive, onRevoke } = streams.properties
  const said = [onLeave.default, usage.default, keepAlive.default, onRevoke.default]
  expect(said).toEqual(Object.values(defaultStreams))
  expect(cors.properties.allowHeaders.default).toEqual(defaultCors.allowHeaders)
  expect(cors.properties.exposeHeaders.default).toEqual(defaultCors.exposeHeaders)
  expect(cors.properties.credentials.default).toBe(defaultCors.credentials)
  expect(cors.properties.maxAgeSeconds.default).toBe(defaultCors.maxAgeSeconds)
})
