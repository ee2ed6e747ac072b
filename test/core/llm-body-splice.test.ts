import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scanBody, watchedKeys } from '../../src/core/llm/body-scan.ts'
import { type BodyEdits, spliceBody } from '../../src/core/llm/body-splice.ts'
import type { JsonValue } from '../../src/core/llm/json-value.ts'
import { isRefusal } from '../../src/core/outcome.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const watched = watchedKeys(['temperature', 'metadata'])

function spliced(text: string, edits: Partial<BodyEdits>): string {
  const bytes = encoder.encode(text)
  const scan = scanBody(bytes, watched)
  if (isRefusal(scan)) throw new Error(JSON.stringify(scan))
  return decoder.decode(spliceBody(bytes, scan, { set: new Map(), askForUsage: false, ...edits }))
}

function set(values: Record<string, JsonValue>): Partial<BodyEdits> {
  return { set: new Map(Object.entries(values)) }
}

describe('setting values', () => {
  it.each<[string, string, Record<string, JsonValue>, string]>([
    ['in place', '{ "model" : "a" , "x":1 }', { model: 'b"' }, '{ "model" : "b\\"" , "x":1 }'],
    [
      'at the end',
      '{"x":1 }\n',
      { model: 'b', temperature: 0.5 },
      '{"x":1 ,"model":"b","temperature":0.5}\n',
    ],
    ['in an empty object', '{ }', { model: 'b', n: 1 }, '{ "model":"b","n":1}'],
    ['of any type', '{"metadata":[1]}', { metadata: { a: [null] } }, '{"metadata":{"a":[null]}}'],
    ['a clamped count', '{"max_tokens":1000000,"n":1}', { max_tokens: 100 }, '{"max_tokens":100,"n":1}'],
    ['out of order', '{"n":1,"model":"a"}', { model: 'b', n: 2 }, '{"n":2,"model":"b"}'],
    [
      'equal ones as they were spelled',
      '{"m\\u006fdel":"\\u0061","n":1e0}',
      { model: 'a', n: 1 },
      '{"m\\u006fdel":"\\u0061","n":1e0}',
    ],
  ])('%s', (_, text, values, wanted) => {
    expect(spliced(text, set(values))).toBe(wanted)
  })

  it('leaves every byte outside the edited values as it was', () => {
    const space = fc.constantFrom('', '', ' ', '\n\t', '  ')
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
    )
    const member = fc.record({ key: fc.string(), value, before: space, middle: space, after: space })
    const edited = fc.record({
      model: fc.option(fc.constantFrom('a', 'gpt-x', '模型')),
      wanted: fc.constantFrom('b', 'größer'),
    })
    fc.assert(
      fc.property(
        fc.array(member, { maxLength: 5 }),
        fc.nat(5),
        edited,
        space,
        (members, place, { model, wanted }, end) => {
          const others = members
            .filter(
              ({ key }) =>
                !/^(model|stream|stream_options|max_tokens|n|user|temperature|metadata)$/i.test(key),
            )
            .map(
              ({ key, value: own, before, middle, after }) =>
                `${before}${JSON.stringify(key)}${middle}:${JSON.stringify(own)}${after}`,
            )
          const withModel = (text: string | null): string => {
            const all = others.toSpliced(
              place,
              0,
              ...(text === null ? [] : [` "model":\t${JSON.stringify(text)} `]),
            )
            return `{${all.join(',')}${end}}`
          }
          const added = `{${others.join(',')}${end}${others.length > 0 ? ',' : ''}"model":${JSON.stringify(wanted)}}`
          expect(spliced(withModel(model), set({ model: wanted }))).toBe(
            model === null ? added : withModel(wanted),
          )
        },
      ),
      { numRuns: 500 },
    )
  })

  it('refuses to set a key it has not looked for, because it could be there already', () => {
    expect(() => spliced('{"top_p":1}', set({ top_p: 0 }))).toThrow(TypeError)
    expect(() => spliced('{}', { ...set({ stream_options: {} }), askForUsage: true })).toThrow(TypeError)
  })
})

describe('asking for usage', () => {
  const ask = { askForUsage: true }
  const asked = '"stream_options":{"include_usage":true}'

  it.each([
    ['adds options when there are none', '{"stream":true}', `{"stream":true,${asked}}`],
    ['not in a body that does not stream', '{"stream":false,"n":1}', '{"stream":false,"n":1}'],
    ['not when the client asks', `{${asked},"stream":true}`, `{${asked},"stream":true}`],
    [
      'in place of null',
      '{"stream":true,"stream_options": null }',
      '{"stream":true,"stream_options": {"include_usage":true} }',
    ],
    [
      'in place of false',
      '{"stream":true,"stream_options":{"a":1,"include_usage": false}}',
      '{"stream":true,"stream_options":{"a":1,"include_usage": true}}',
    ],
    [
      'beside other options',
      '{"stream":true,"stream_options":{"a":"é" },"n":1}',
      '{"stream":true,"stream_options":{"a":"é" ,"include_usage":true},"n":1}',
    ],
    ['in empty options', '{"stream":true,"stream_options":{}}', `{"stream":true,${asked}}`],
    [
      'behind stream, when options stand before it',
      '{"n":1, "stream_options" : {"a":1} , "stream":true}',
      '{"n":1,  "stream":true,"stream_options":{"a":1,"include_usage":true}}',
    ],
    [
      'and moves options that stay as they are',
      '{"stream_options":null,"stream":false}',
      '{"stream":false,"stream_options":null}',
    ],
    [
      'nothing in options that end a body without stream',
      '{"n":1,"stream_options":{}}',
      '{"n":1,"stream_options":{}}',
    ],
  ])('%s', (_, text, wanted) => {
    expect(spliced(text, ask)).toBe(wanted)
  })

  it('adds options behind other values that are added', () => {
    expect(spliced('{"stream":true}', { ...set({ model: 'm' }), ...ask })).toBe(
      `{"stream":true,"model":"m",${asked}}`,
    )
  })
})
