import { describe, expect, test } from 'vitest'
import type { ModelPolicy, ModelRules } from '../../src/core/config/types.ts'
import { bytesOf, charsOf } from '../support/byte-pieces.ts'
import { routeWith } from '../support/routes.ts'
import {
  bodyOf,
  inspectAt,
  json,
  llmRoute,
  paramsOf,
  passed,
  policy,
  refusalOf,
  renames,
  sending,
  sentBytes,
  type Sent,
} from './support/inspection.ts'

describe('a plain route', () => {
  const route = routeWith({ dialect: 'http', bodyBytesMax: 200_000, keyQuery: 'key', ...renames })
  const body = '{"model":"large","model":"fast"'

  test.each([0, 10, 100_000])(
    'passes a body of %i declared bytes on, unread and with no promise',
    async (length) => {
      const { outcome, x } = inspectAt(route, { body: [new Uint8Array(length).fill(7)], declared: length })
      expect(outcome).not.toBeInstanceOf(Promise)
      const outbound = await passed(outcome)
      expect(outbound.llm).toBeNull()
      expect(await sentBytes(outbound)).toEqual(new Uint8Array(length).fill(7))
      if (length === 10) expect(outbound.sendable.body).toMatchObject({ stream: x.request.body, sent: null })
    },
  )

  test('passes one of unknown length on, and its query without the key', async () => {
    const { outcome } = inspectAt(route, {
      ...sending(body, false),
      url: '/v1/chat/completions?model=large&key=k&model=x',
    })
    expect(outcome).not.toBeInstanceOf(Promise)
    const outbound = await passed(outcome)
    expect(outbound.query).toBe('?model=large&model=x')
    expect(charsOf(await sentBytes(outbound))).toBe(body)
  })

  test('cuts one of unknown length past the limit, and says so', async () => {
    const { outcome } = inspectAt(route, { body: Array.from({ length: 4 }, () => new Uint8Array(65_536)) })
    const outbound = await passed(outcome)
    await expect(sentBytes(outbound)).rejects.toThrow('cut')
    expect(outbound.sendable.cut()).toEqual({ refused: 'body_too_large', bytesMax: 200_000 })
  })
})

describe('an LLM route', () => {
  test.each(['GET', 'HEAD', 'DELETE'])('needs no promise for %s without a body', (method) => {
    const { outcome } = inspectAt(llmRoute(renames), { method, url: '/v1/models?limit=2' })
    expect(outcome).toMatchObject({ query: '?limit=2', sendable: { body: { kind: 'none' } } })
  })

  test.each(['GET', 'HEAD', 'DELETE'])(
    'never puts an override in place of the model that %s names',
    (method) => {
      const route = llmRoute(policy({ override: 'other', aliases: { fast: 'org/small' } }))
      const { outcome } = inspectAt(route, { method, url: '/v1/chat/completions?model=mine' })
      expect(outcome).toMatchObject({ query: '?model=mine' })
      const aliased = inspectAt(route, { method, url: '/v1/chat/completions?model=fast' }).outcome
      expect(aliased).toMatchObject({ query: '?model=org%2Fsmall' })
    },
  )

  test('puts an override in place of the model that the query of a POST names', async () => {
    const sent = { ...sending('{}', true), url: '/v1/chat/completions?model=mine' }
    const outbound = await passed(inspectAt(llmRoute(policy({ override: 'other' })), sent).outcome)
    expect(outbound.query).toBe('?model=other')
  })

  test.each([
    ['a body that names none', '/v1/chat/completions', 'malformed_request'],
    ['a batch', '/v1/messages/batches', 'body_not_readable'],
  ])('where only some models are allowed, refuses %s', async (_, url, refused) => {
    const route = llmRoute({ path: '/v1/*', ...policy({ allow: ['small'] }) })
    const { outcome } = inspectAt(route, { ...sending('{"stream":false}', true), url })
    expect(await refusalOf(outcome)).toMatchObject({ refused })
  })

  test.each([true, false])('refuses a body over its limit, declared: %s', async (declares) => {
    const { outcome } = inspectAt(
      llmRoute({ bodyBytesMax: 100 }),
      sending(`{"a":"${'x'.repeat(100)}"}`, declares),
    )
    expect(await refusalOf(outcome)).toEqual({ refused: 'body_too_large', bytesMax: 100 })
  })
})

describe('a body that cannot be read', () => {
  const kinds: readonly [Record<string, string>, string][] = [
    [{ ...json, 'content-encoding': 'gzip' }, 'a body with a content-encoding'],
    [
      { 'content-type': 'multipart/form-data; boundary=B', 'content-encoding': 'br' },
      'a body with a content-encoding',
    ],
    [{ 'content-type': 'application/json; charset=utf-16' }, 'JSON in another charset'],
    [{ 'content-type': 'application/json; charset="latin1"' }, 'JSON in another charset'],
    [{ 'content-type': 'text/plain' }, 'a body of another content-type'],
    [{ 'content-type': 'application/x-www-form-urlencoded' }, 'a body of another content-type'],
    [{ 'content-type': 'application/json, text/plain' }, 'a body of another content-type'],
    [{ 'content-type': 'application/jsonx' }, 'a body of another content-type'],
    [{ 'content-type': '' }, 'a body of another content-type'],
    [{}, 'a body without a content-type'],
  ]
  const bytes = Uint8Array.of(0x1f, 0x8b, 0x00, 0xff)
  const sent = (headers: Record<string, string>): Sent => ({ body: [bytes], headers, declared: 4 })

  test.each(kinds)('by %j is refused as %s', async (headers, found) => {
    const { outcome } = inspectAt(llmRoute(), sent(headers))
    expect(await refusalOf(outcome)).toEqual({ refused: 'body_not_readable', found })
  })

  test.each(kinds)(
    'by %j passes untouched where the route says so and no rule could be evaded',
    async (headers) => {
      const { outcome } = inspectAt(llmRoute({ opaqueBodies: 'pass' }), sent(headers))
      const outbound = await passed(outcome)
      expect(await sentBytes(outbound)).toEqual(bytes)
      expect(outbound.llm?.facts()).toMatchObject({ asked: null, model: null, stream: false })
    },
  )

  const names: [string, Partial<ModelPolicy>, ModelRules | null][] = [
    ['an alias', { aliases: { a: 'b' } }, null],
    ['an override', { override: 'a' }, null],
    ['a list of the route', { allow: ['a'] }, null],
    ['a list of denied models', { deny: ['a'] }, null],
    ['a list of the key', {}, { allow: ['a'], deny: [] }],
    ['a list of models denied to the key', {}, { allow: null, deny: ['a'] }],
  ]

  test.each(names)('never passes where there is %s', async (_, says, models) => {
    const route = llmRoute({ opaqueBodies: 'pass', ...policy(says) })
    for (const [headers, found] of kinds) {
      const { outcome } = inspectAt(route, sent(headers), { models })
      expect(await refusalOf(outcome)).toEqual({ refused: 'body_not_readable', found })
    }
  })

  test.each([
    'application/json',
    'APPLICATION/JSON ; Charset=UTF-8',
    'application/vnd.api+json',
    'application/json;charset=us-ascii',
  ])('is not one of type %s', async (type) => {
    const { outcome } = inspectAt(
      llmRoute(renames),
      sending('{"model":"fast"}', true, { headers: { 'content-type': type } }),
    )
    expect(charsOf(await sentBytes(await passed(outcome)))).toBe('{"model":"org/small"}')
  })
})

describe('a model in path or query', () => {
  const route = llmRoute({ path: '/v1/models/{model}', encodedSlash: true, ...renames })
  const get = (url: string, models: ModelRules | null = null) =>
    inspectAt(route, { method: 'GET', url }, { models })

  test.each([
    ['/v1/models/fast', '', { model: 'org%2Fsmall' }],
    ['/v1/models/other', '', { model: 'other' }],
    ['/v1/models/org%2Fsmall?x=1', '?x=1', { model: 'org%2Fsmall' }],
    ['/v1/models/x?model=fast&y=1', '?model=org%2Fsmall&y=1', { model: 'x' }],
  ])('%s is forwarded under the name the upstream has', async (url, query, params) => {
    const { outcome } = get(url)
    expect(outcome).not.toBeInstanceOf(Promise)
    const outbound = await passed(outcome)
    expect([outbound.query, paramsOf(outbound)]).toEqual([query, params])
  })

  test.each([
    ['/v1/models/fast', 'fast', 'org/small'],
    ['/v1/models/other', 'other', 'other'],
    ['/v1/models/fast?model=other', 'fast', 'org/small'],
  ])('%s is on record as it was asked for and as it was sent', async (url, asked, model) => {
    expect((await passed(get(url).outcome)).llm?.facts()).toMatchObject({ asked, model })
  })

  test.each([
    ['/v1/models/large', 'model_not_allowed'],
    ['/v1/models/%6Carge', 'model_not_allowed'],
    ['/v1/models/x?model=large', 'model_not_allowed'],
    ['/v1/models/x?model=a&model=large', 'malformed_request'],
    ['/v1/models/x?Model=large', 'malformed_request'],
    ['/v1/models/x?model[]=large', 'malformed_request'],
    ['/v1/models/x?a=1;model=large', 'malformed_request'],
  ])('%s is refused', async (url, refused) => {
    expect(await refusalOf(get(url).outcome)).toMatchObject({ refused })
  })

  test('is judged by the rules of the key as well', async () => {
    const models: ModelRules = { allow: ['org/*'], deny: [] }
    expect(await refusalOf(get('/v1/models/fast', models).outcome)).toBe('passed')
    expect(await refusalOf(get('/v1/models/other', models).outcome)).toMatchObject({
      refused: 'model_not_allowed',
    })
  })
})

test('a stream of this file behaves like one from the network: it can be read into a buffer', async () => {
  const reader = bodyOf([bytesOf('ab'), bytesOf('c')]).getReader({ mode: 'byob' })
  const { value } = await reader.readAtLeast(3, new Uint8Array(3))
  expect(charsOf(value ?? new Uint8Array(0))).toBe('abc')
})
