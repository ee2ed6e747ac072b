import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ModelRules, Route } from '../../src/core/config/types.ts'
import { scanBody } from '../../src/core/llm/body-scan.ts'
import { rewriteBody, type Edit } from '../../src/core/llm/body-splice.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { bytesOf, charsOf, cutAt, joined } from '../support/byte-pieces.ts'
import { eventually } from '../support/eventually.ts'
import {
  inspectAt,
  json,
  llmRoute,
  passed,
  policy,
  refusalOf,
  renames,
  sending,
  sentBytes,
} from './support/inspection.ts'
import { upstreamWith } from '../support/routes.ts'

const unnamed = expect.stringContaining('names no model') as string
const renamed: Edit = (value) => {
  if (typeof value !== 'string') return { refused: 'malformed_request', detail: 'names no model' }
  return value === 'fast' ? 'org/small' : undefined
}

describe('a JSON body', () => {
  const edits = new Map<string, Edit>([['model', renamed]])
  const members = fc.array(
    fc.constantFrom(
      '"model":"fast"',
      String.raw`"mod\u0065l":"fa\u0073t"`,
      '"model": "other"',
      '"stream":true',
      '"stream" : false',
      '"stream_options":{"include_usage":false}',
      '"stream_options":{"x":[1,{}]}',
      '"messages":[{"role":"user","content":"Grüße \\" 世界 {"}]',
      '"n":1',
    ),
    { maxLength: 6 },
  )
  const body = fc.oneof(
    members.map((all) => `{${all.join(', ')}}`),
    // Often enough a body that names a model once, and so passes.
    fc
      .uniqueArray(
        fc.constantFrom('"stream":true', '"stream_options":{"x":[1,{}]}', '"n":1', '"model":"fast"'),
      )
      .filter((all) => all.includes('"model":"fast"'))
      .map((all) => `{${all.join(', ')}}`),
    fc.json(),
  )

  test('is sent as the pure functions make it, its length declared or not, however it is cut', async () => {
    let rewritten = 0
    let refused = 0
    await fc.assert(
      fc.asyncProperty(body, fc.array(fc.nat(), { maxLength: 5 }), async (text, cuts) => {
        const bytes = bytesOf(text)
        const scan = scanBody(bytes)
        const expected = isRefusal(scan) ? scan : rewriteBody(bytes, scan, { edits, askForUsage: true })
        const pieces = cutAt(bytes, cuts)
        const whole = await inspectAt(llmRoute(renames), {
          body: pieces,
          headers: json,
          declared: bytes.length,
        }).outcome
        const undeclared = await inspectAt(llmRoute(renames), { body: pieces, headers: json }).outcome
        if (isRefusal(expected)) {
          refused += 1
          const named = {
            ...expected,
            ...('detail' in expected && expected.detail === 'names no model' && { detail: unnamed }),
          }
          expect(whole).toEqual(named)
          expect(undeclared).toEqual(named)
          return
        }
        const outbound = await passed(whole)
        const other = await passed(undeclared)
        expect(charsOf(await sentBytes(outbound))).toBe(charsOf(expected))
        expect(charsOf(await sentBytes(other))).toBe(charsOf(expected))
        expect(other.sendable.body.kind).toBe('bytes')
        expect(other.llm?.facts()).toEqual(outbound.llm?.facts())
        expect(other.llm?.forecast).toEqual(outbound.llm?.forecast)
        if (charsOf(expected) !== charsOf(bytes)) rewritten += 1
      }),
      { numRuns: 300 },
    )
    expect(Math.min(rewritten, refused)).toBeGreaterThan(20)
  })

  const filler = `"messages":["${'x'.repeat(300_000)}"]`

  test.each([true, false])(
    'over 256 KB flows and is rewritten on its way, declared: %s',
    async (declares) => {
      const text = `{${filler},"model":"fast","stream":true}`
      const outbound = await passed(inspectAt(llmRoute(renames), sending(text, declares)).outcome)
      expect(outbound.sendable.body.kind).toBe('stream')
      const sent = charsOf(await sentBytes(outbound))
      expect(sent).toBe(
        `{${filler},"model":"org/small","stream":true,"stream_options":{"include_usage":true}}`,
      )
      expect(outbound.llm?.facts()).toEqual({
        asked: 'fast',
        model: 'org/small',
        stream: true,
        askedForUsage: true,
        bodyBytes: text.length,
      })
    },
  )

  test.each([
    ['at 256 KiB', 262_144, 'bytes'],
    ['a byte above', 262_145, 'stream'],
  ])('of no declared length is read before it is sent if it ends %s', async (_, length, kind) => {
    const empty = '{"model":"fast","x":""}'
    const text = empty.replace('""', `"${'x'.repeat(length - empty.length)}"`)
    const cuts = [1, 7, 5_000, 262_000]
    const sent = { body: cutAt(bytesOf(text), cuts), headers: json }
    const outbound = await passed(inspectAt(llmRoute(renames), sent).outcome)
    expect(outbound.sendable.body.kind).toBe(kind)
    expect(charsOf(await sentBytes(outbound))).toBe(text.replace('fast', 'org/small'))
    expect(outbound.llm?.facts()).toMatchObject({ asked: 'fast', bodyBytes: length })
  })

  /** More than is read of a body before it goes out. */
  const front = `{"model":"fast","pad":"${'x'.repeat(262_144)}"`

  test('begins to go out before all of it has come', async () => {
    const { readable, writable } = new IdentityTransformStream()
    const writer = writable.getWriter()
    const written = writer.write(bytesOf(front))
    const outbound = await passed(inspectAt(llmRoute(renames), { body: readable, headers: json }).outcome)
    const { body: carried } = outbound.sendable
    if (carried.kind !== 'stream') throw new Error('not a stream')
    const pieces: Uint8Array[] = []
    const sent = (async () => {
      for await (const piece of carried.stream) pieces.push(piece)
    })()
    await written
    const begun = () => charsOf(joined(pieces))
    await eventually(() => begun().length > 262_000)
    expect(begun().slice(0, 30)).toBe(front.replace('fast', 'org/small').slice(0, 30))
    await writer.write(bytesOf(',"messages":[]}'))
    await writer.close()
    await Promise.all([sent, carried.sent])
    expect(begun()).toBe(`${front.replace('fast', 'org/small')},"messages":[]}`)
  })

  test('that flows is not hurt by being asked for its facts on the way', async () => {
    const { readable, writable } = new IdentityTransformStream()
    const writer = writable.getWriter()
    const written = writer.write(bytesOf(front))
    const outbound = await passed(inspectAt(llmRoute(renames), { body: readable, headers: json }).outcome)
    const sent = sentBytes(outbound)
    await written
    expect(outbound.llm?.facts()).toMatchObject({ asked: 'fast', model: 'org/small', stream: false })
    await writer.write(bytesOf(',"stream":true}'))
    await writer.close()
    expect(charsOf(await sent)).toContain('"stream":true')
    expect(outbound.llm?.facts()).toMatchObject({ stream: true, askedForUsage: true })
  })

  test.each([
    ['a second model', `{"model":"small",${filler},"model":"large"}`, 'malformed_request'],
    [
      'a second model in escapes',
      String.raw`{"model":"small",${filler},"mod\u0065l":"large"}`,
      'malformed_request',
    ],
    ['a model that may not be used', `{${filler},"model":"large"}`, 'model_not_allowed'],
    ['no end', `{"model":"small",${filler}`, 'malformed_request'],
    ['more behind its end', `{"model":"small",${filler}}{}`, 'malformed_request'],
    [
      'bytes that are no UTF-8',
      joined([bytesOf(`{${filler},"a":"`), Uint8Array.of(0xc0, 0xaf), bytesOf('"}')]),
      'malformed_request',
    ],
  ])('that flows with %s is cut half-way, so that the call is aborted', async (_, text, refused) => {
    const outbound = await passed(inspectAt(llmRoute(renames), sending(text, false)).outcome)
    expect(outbound.sendable.cut()).toBeNull()
    await expect(sentBytes(outbound)).rejects.toThrow('cut')
    expect(outbound.sendable.cut()).toMatchObject({ refused })
  })

  test.each([
    ['a model that may not be used', '{"model":"large"}', { refused: 'model_not_allowed', model: 'large' }],
    [
      'a model twice',
      '{"model":"small","model":"large"}',
      expect.objectContaining({ refused: 'malformed_request' }),
    ],
    [
      'a model in another case',
      '{"Model":"large"}',
      expect.objectContaining({ refused: 'malformed_request' }),
    ],
    [
      'a model that is no string',
      '{"model":["large"]}',
      expect.objectContaining({ refused: 'malformed_request' }),
    ],
    ['a list', '[{"model":"large"}]', expect.objectContaining({ refused: 'malformed_request' })],
  ])('with %s is refused before the upstream is called', async (_, text, refusal) => {
    expect(await refusalOf(inspectAt(llmRoute(renames), sending(text, true)).outcome)).toEqual(refusal)
  })

  test("is judged by the key's rules as by the route's, under the name the upstream gets", async () => {
    const models: ModelRules = { allow: ['org/*'], deny: [] }
    const alias = inspectAt(llmRoute(renames), sending('{"model":"fast"}', true), { models })
    expect(charsOf(await sentBytes(await passed(alias.outcome)))).toBe('{"model":"org/small"}')
    const other = inspectAt(llmRoute(renames), sending('{"model":"small"}', true), { models })
    expect(await refusalOf(other.outcome)).toEqual({ refused: 'model_not_allowed', model: 'small' })
  })

  test.each([
    ['/v1/chat/completions', '{}', '{"model":"small"}'],
    ['/v1/embeddings', '{"input":"x"}', '{"input":"x","model":"small"}'],
    ['/v1/messages', '{"model":"large"}', '{"model":"small"}'],
    ['/v1/files/f/content', '{"a":1}', '{"a":1}'],
    ['/v1/files/f/content', '{"model":"large"}', '{"model":"small"}'],
  ])('at %s: %s becomes %s where the route overrides the model', async (url, text, expected) => {
    const { outcome } = inspectAt(llmRoute(policy({ override: 'small' })), sending(text, true, { url }))
    expect(charsOf(await sentBytes(await passed(outcome)))).toBe(expected)
  })
})

test('a path is known for what it takes by the name the upstream has for it', async () => {
  const rewritten = { path: '/chat', rewrite: '/v1/chat/completions', ...policy({ override: 'small' }) }
  const { outcome } = inspectAt(llmRoute(rewritten), sending('{"stream":true}', true, { url: '/chat' }))
  expect(charsOf(await sentBytes(await passed(outcome)))).toBe(
    '{"stream":true,"model":"small","stream_options":{"include_usage":true}}',
  )
})

const usage = (says: Route['streams']['usage']) => ({ streams: { ...llmRoute().streams, usage: says } })

describe('usage is asked for', () => {
  const streaming = '{"stream":true}'
  const asking = '{"stream":true,"stream_options":{"include_usage":true}}'
  const without = {
    upstream: upstreamWith([{ ...llmRoute().upstream.targets[0]!, includeUsage: false }]),
  }

  test.each<[string, string, Partial<Route>, string, string, boolean]>([
    ['in a stream of chat', '/v1/chat/completions', {}, streaming, asking, true],
    ['in a stream of completions', '/v1/completions', {}, streaming, asking, true],
    ['where it is passed too', '/v1/chat/completions', usage('pass'), streaming, asking, true],
    ['not where it is never to be', '/v1/chat/completions', usage('never'), streaming, streaming, false],
    ['not where the target does not know it', '/v1/chat/completions', without, streaming, streaming, false],
    ['not where nothing streams', '/v1/chat/completions', {}, '{"stream":false}', '{"stream":false}', false],
    ['not where the client asks itself', '/v1/chat/completions', {}, asking, asking, false],
    ['not in the Responses format', '/v1/responses', {}, streaming, streaming, false],
    [
      'not on an Anthropic route',
      '/v1/chat/completions',
      { dialect: 'anthropic' },
      streaming,
      streaming,
      false,
    ],
  ])('%s', async (_, url, changes, text, expected, asks) => {
    const outbound = await passed(inspectAt(llmRoute(changes), sending(text, true, { url })).outcome)
    expect(charsOf(await sentBytes(outbound))).toBe(expected)
    expect(outbound.llm?.facts()).toMatchObject({ stream: text !== '{"stream":false}', askedForUsage: asks })
  })
})

const form = (model: string, more = '') =>
  `--B0\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n${'\u0000x'.repeat(200)}\r\n` +
  `--B0\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n${more}--B0--\r\n`

describe('a form', () => {
  const type = { 'content-type': 'multipart/form-data; boundary=B0' }

  test.each([true, false])(
    'has its model renamed, and all else as it was, declared: %s',
    async (declares) => {
      const sent = sending(form('fast'), declares, { headers: type, url: '/v1/audio/transcriptions' })
      const outbound = await passed(inspectAt(llmRoute(renames), sent).outcome)
      expect(charsOf(await sentBytes(outbound))).toBe(form('org/small'))
      const bodyBytes = form('fast').length
      expect(outbound.llm?.facts()).toMatchObject({
        asked: 'fast',
        model: 'org/small',
        stream: false,
        bodyBytes,
      })
    },
  )

  const second = '--B0\r\nContent-Disposition: form-data; name="model"\r\n\r\nlarge\r\n'

  test.each([
    ['a model that may not be used', form('large'), 'model_not_allowed'],
    ['a second model', form('small', second), 'malformed_request'],
    ['no end', form('small').slice(0, -6), 'malformed_request'],
  ])('with %s is cut', async (_, text, refused) => {
    const outbound = await passed(
      inspectAt(llmRoute(renames), sending(text, true, { headers: type })).outcome,
    )
    await expect(sentBytes(outbound)).rejects.toThrow('cut')
    expect(outbound.sendable.cut()).toMatchObject({ refused })
  })

  test('whose boundary can be read in two ways is refused at once', async () => {
    const headers = { 'content-type': 'multipart/form-data; boundary=B0; boundary=B1' }
    const { outcome } = inspectAt(llmRoute(), sending(form('small'), true, { headers }))
    expect(await refusalOf(outcome)).toMatchObject({ refused: 'malformed_request' })
  })
})
