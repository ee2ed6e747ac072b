import { describe, expect, it } from 'vitest'
import { compileConfig } from '../../src/core/config/compile.ts'
import { parseConfig } from '../../src/core/config/parse.ts'
import type { Snapshot } from '../../src/core/config/snapshot.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { matchRoute } from '../../src/core/route/route-index.ts'
import { documentConfigSource } from '../../src/platform/config-source.ts'
import bundled from '../../sluice.config.json' with { type: 'json' }
import { sampleDocument, withRoute } from './config-samples.ts'
import { asTarget } from './route-samples.ts'

function compiled(document: unknown): Snapshot {
  const config = parseConfig(document)
  if ('problems' in config) throw new Error(JSON.stringify(config.problems))
  return compileConfig(config, 7)
}

function unfrozen(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return []
  const here = Object.isFrozen(value) ? [] : [path]
  return [...here, ...Object.entries(value).flatMap(([name, child]) => unfrozen(child, `${path}.${name}`))]
}

describe('a snapshot', () => {
  it('is frozen all the way down', () => {
    expect(unfrozen(compiled(bundled), '$')).toEqual([])
  })

  it('carries its version and settings', () => {
    const snapshot = compiled({ ...sampleDocument(), gateway: { name: 'edge', log: { sample: 0 } } })
    expect(snapshot.version).toBe(7)
    expect(snapshot.settings).toEqual({
      name: 'edge',
      clientAddress: 'cloudflare',
      serverTiming: true,
      logSample: 0,
      keyGraceMs: 60_000,
    })
  })

  it('has header edits in lower case and data-only model names', () => {
    const headers = { request: { set: { 'X-A': 'b' }, remove: ['X-C'] } }
    const [route] = compiled(withRoute({ headers, models: { aliases: { toString: 'm' } } })).routes
    expect(route?.requestHeaders).toEqual({ remove: ['x-c'], set: { 'x-a': 'b' } })
    expect(Object.entries(route?.models.aliases ?? {})).toEqual([['toString', 'm']])
  })

  it.each([
    ['POST', '/v1/chat/completions', 'openai-chat-completions'],
    ['GET', '/v1/chat/completions', 'openai-rest'],
    ['POST', '/v1/responses', 'openai-responses'],
    ['POST', '/v1/embeddings', 'openai-embeddings'],
    ['GET', '/v1/models', 'openai-models'],
    ['GET', '/v1/models/org%2Fname', 'openai-model'],
    ['DELETE', '/v1/models/ft:x', 'openai-model'],
    ['POST', '/v1/files', 'openai-rest'],
    ['POST', '/v1/messages', 'anthropic-messages'],
    ['POST', '/v1/messages/count_tokens', 'anthropic-count-tokens'],
    ['GET', '/v1/messages/batches/b/results', 'anthropic-messages-rest'],
    ['PUT', '/http/a/b', 'example'],
  ])('of the bundled document answers %s %s by %s', (method, path, id) => {
    expect(matchRoute(compiled(bundled).index, asTarget(path), method)).toMatchObject({ route: { id } })
  })

  it('of the bundled document asks for a key on every route', () => {
    expect(new Set(compiled(bundled).routes.map(({ auth }) => auth))).toEqual(new Set(['required']))
  })
})

describe('a configuration source', () => {
  it('has the bundled document in force when there is no other', () => {
    const source = documentConfigSource(bundled)
    expect(source.problems).toEqual([])
    expect(source.snapshot()).toMatchObject({ version: 0, routes: { length: bundled.routes.length } })
    expect(source.snapshot()).toBe(source.snapshot())
  })

  it.each([
    ['a document', sampleDocument()],
    ['its JSON text', JSON.stringify(sampleDocument())],
  ])('has %s from the environment in force instead', (_, override) => {
    expect(documentConfigSource(bundled, override).snapshot()).toMatchObject({ routes: { length: 2 } })
  })

  it.each([
    ['a document with problems', { version: 2 }, '$.upstreams'],
    ['null', null, '$'],
    ['text that is no JSON', '{"version": sk-123', '$'],
    ['empty text', '', '$'],
    ['more than 1 MiB of text', `"${'x'.repeat(1_048_576)}"`, '$'],
  ])('answers `misconfigured` for %s, not with the bundled document', (_, override, path) => {
    const source = documentConfigSource(bundled, override)
    expect(isRefusal(source.snapshot()) && source.snapshot()).toEqual({ refused: 'misconfigured' })
    expect(source.problems.map((problem) => problem.path)).toContain(path)
    expect(JSON.stringify(source.problems)).not.toContain('sk-123')
  })
})
