import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/core/config/parse.ts'
import type { DialectName, Route } from '../../src/core/config/types.ts'
import { anthropic } from '../../src/core/dialect/anthropic.ts'
import type { Dialect } from '../../src/core/dialect/dialect.ts'
import { http } from '../../src/core/dialect/http.ts'
import { openai } from '../../src/core/dialect/openai.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { describeRefusal } from '../../src/core/refusal.ts'
import { buildRouteIndex, matchRoute } from '../../src/core/route/route-index.ts'
import bundled from '../../sluice.config.json' with { type: 'json' }
import document from '../../docs/openapi.json' with { type: 'json' }
import { asTarget } from './route-samples.ts'

const { default: refusals } = await import('../../src/core/refusal.ts?raw')

type Json = Readonly<Record<string, unknown>>

const anyMethod = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
const methods = new Set(anyMethod.map((method) => method.toLowerCase()))
const dialects: Readonly<Record<DialectName, Dialect>> = { openai, anthropic, http }
const responseNames: Readonly<Record<DialectName, string>> = {
  openai: 'OpenAi',
  anthropic: 'Anthropic',
  http: 'Http',
}

function routesOf(config: unknown): readonly Route[] {
  const parsed = parseConfig(config)
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  return parsed.routes
}

const routes = routesOf(bundled)

/** Method, path pattern and operation of everything the document describes. */
const described = Object.entries(document.paths as Record<string, Json>).flatMap(([path, item]) => {
  const wildcard = item['x-sluice-wildcard'] as string | undefined
  const pattern = wildcard === undefined ? path : path.replace(new RegExp(`/\\{${wildcard}\\}$`), '/*')
  return Object.entries(item)
    .filter(([name]) => methods.has(name))
    .map(([name, operation]) => ({ method: name.toUpperCase(), path, pattern, operation: operation as Json }))
})

/** Whether the gateway answers a path of its own without a key. */
function isOpen(path: string): boolean {
  return path === '/' || path === '/health'
}

function resolve(reference: string): Json {
  const steps = reference.replace(/^#\//, '').split('/')
  return steps.reduce((at, step) => at[step] as Json, document as Json)
}

function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, child]) =>
    name === '$ref' ? [String(child)] : referencesIn(child),
  )
}

describe('the OpenAPI document', () => {
  it('describes every configured route and method, the gateway’s own paths, and nothing else', () => {
    const configured = routes.flatMap((route) =>
      (route.methods.length === 0 ? anyMethod : route.methods).map((method) => `${method} ${route.path}`),
    )
    const all = [...configured, 'GET /', 'GET /health', 'GET /stats', 'GET /v1/usage'].toSorted()
    expect(described.map(({ method, pattern }) => `${method} ${pattern}`).toSorted()).toEqual(all)
  })

  it.each(described)(
    'is right about which route answers $method $path',
    ({ method, path, pattern, operation }) => {
      const match = matchRoute(buildRouteIndex(routes), asTarget(path.replaceAll(/\{\w+\}/g, 'x')), method)
      if (isRefusal(match) || match.kind === 'builtin') {
        expect(match).toMatchObject({ builtin: operation['operationId'] })
        expect(operation['security']).toEqual(isOpen(path) ? [] : undefined)
        return
      }
      expect(match.route.path).toBe(pattern)
      expect(operation['operationId']).toMatch(new RegExp(`^${match.route.id}(-${method.toLowerCase()})?$`))
      expect(operation).not.toHaveProperty('security')
      const name = responseNames[match.route.dialect]
      expect(operation['responses']).toMatchObject({
        '2XX': { headers: { [dialects[match.route.dialect].requestIdHeader]: expect.any(Object) } },
        '4XX': { $ref: `#/components/responses/${name}Refused` },
        '5XX': { $ref: `#/components/responses/${name}Failed` },
      })
    },
  )

  it('names each path parameter that stands in a path, and no other', () => {
    for (const [path, item] of Object.entries(document.paths as Record<string, Json>)) {
      const declared = ((item['parameters'] ?? []) as { name: string; in: string; required: boolean }[]).map(
        (parameter) => (parameter.in === 'path' && parameter.required ? parameter.name : 'wrong'),
      )
      expect(declared, path).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name))
    }
  })

  it('has operation ids that differ and references that lead somewhere', () => {
    const ids = described.map(({ operation }) => operation['operationId'])
    expect(new Set(ids).size).toBe(ids.length)
    const references = referencesIn(document)
    expect(references.length).toBeGreaterThan(20)
    for (const reference of references) expect(resolve(reference), reference).toBeTypeOf('object')
  })

  it.each(Object.values(dialects))('describes the errors of the $name dialect as they are', (dialect) => {
    const limited = describeRefusal({ refused: 'limit_reached', violated: ['rpm'], waitMs: 1, standings: [] })
    const facts = describeRefusal({ refused: 'key_missing' })
    const { contentType, body } = dialect.errorBody(facts, 'id')
    const response = resolve(`#/components/responses/${responseNames[dialect.name]}Refused`)
    const content = response['content'] as Record<string, { schema: { $ref: string } }>
    expect(Object.keys(content)).toEqual([contentType])
    expect(Object.keys(response['headers'] as Json)).toEqual([dialect.requestIdHeader])
    const schema = resolve(content[contentType]!.schema.$ref)
    expectShape(schema, JSON.parse(body) as Json, 'required')
    expectShape(schema, JSON.parse(dialect.errorBody(limited, 'id').body) as Json, 'all')
  })

  it('lists the codes that the gateway answers with, and no other', () => {
    const catalogue = [...refusals.matchAll(/readonly refused: '(\w+)'/g)].map(([, code]) => code)
    expect(catalogue).toContain('no_route')
    expect(document.components.schemas.Code.enum).toEqual(catalogue)
  })
})

/** The members are exactly those that are required, or all that are described. */
function expectShape(schema: Json, value: Json, members: 'required' | 'all'): void {
  const properties = schema['properties'] as Record<string, Json>
  const expected = members === 'all' ? Object.keys(properties) : (schema['required'] as string[])
  expect(Object.keys(value).toSorted()).toEqual(expected.toSorted())
  for (const [name, child] of Object.entries(value)) {
    const rule = properties[name] ?? {}
    if (rule['properties'] !== undefined) expectShape(rule, child as Json, members)
    if (rule['type'] === 'string') expect(child).toBeTypeOf('string')
  }
}
