import { describe, expect, it } from 'vitest'
import { type BodyScan, scanBody, watchedKeys } from '../../src/core/llm/body-scan.ts'
import { memberBytesMax } from '../../src/core/llm/member-watch.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { describeRefusal } from '../../src/core/refusal.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

function scanned(text: string, more: readonly string[] = []): BodyScan {
  const scan = scanBody(encoder.encode(text), watchedKeys(more))
  if (isRefusal(scan)) throw new Error(JSON.stringify(scan))
  return scan
}

/** What the client is told, or `taken`. */
function answerTo(body: string | Uint8Array): string {
  const scan = scanBody(typeof body === 'string' ? encoder.encode(body) : body)
  if (!isRefusal(scan)) return 'taken'
  expect(describeRefusal(scan).status).toBe(400)
  return describeRefusal(scan).message
}

describe('what a scan finds', () => {
  it('decodes the typed keys, however they are written', () => {
    const { facts } = scanned(
      String.raw` { "m\u006fdel" : "gp\u0074-x","stream":true,"stream_options":{"include_usage":true},
        "max_tokens":1e3,"max_completion_tokens":0,"max_output_tokens":7,"n":2,"best_of":3,"user":"\ud83d\ude00"}`,
    )
    expect(facts).toEqual({
      model: 'gpt-x',
      stream: true,
      includeUsage: true,
      maxTokens: 1000,
      maxCompletionTokens: 0,
      maxOutputTokens: 7,
      n: 2,
      bestOf: 3,
      user: '😀',
    })
  })

  it('takes null for absent in every key but the model', () => {
    const nulls = '"stream":null,"stream_options":null,"max_tokens":null,"n":null,"best_of":null,"user":null'
    expect(scanned(`{${nulls}}`).facts).toEqual(scanned('{}').facts)
    expect(answerTo('{"model":null}')).toMatch(/^The value of `model` at byte 9 must be a string/)
  })

  it('gives the ranges of watched members, the brace that ends the object, and whether it is empty', () => {
    const text = ' {"a":[{"model":1}],"model" : "x" , "extra":{"b":[1, 2]}\n}\n'
    const scan = scanned(text, ['extra'])
    expect([...scan.members.values()]).toEqual([
      { key: 'model', keyStart: 20, valueStart: 30, valueEnd: 33, separatorAt: 34, last: false },
      { key: 'extra', keyStart: 36, valueStart: 44, valueEnd: 56, separatorAt: 57, last: true },
    ])
    expect(scan.values.get('extra')).toEqual({ b: [1, 2] })
    expect(scan).toMatchObject({ close: 57, empty: false })
    expect(scanned(' { } ')).toMatchObject({ close: 3, empty: true })
  })

  it('looks at the top level only, and no key changes a prototype', () => {
    const scan = scanned(
      '{"__proto__":{"model":"evil","stream":true},"constructor":{"prototype":{"n":9}},"x":[{"n":0}]}',
    )
    expect(scan.facts).toEqual(scanned('{}').facts)
    expect(({} as { model?: string }).model).toBeUndefined()
  })

  it('tells of a long member under a key without a type, and does not read it', () => {
    const long = `"${'x'.repeat(memberBytesMax)}"`
    const scan = scanned(`{"extra":${long}}`, ['extra'])
    expect(scan.values.has('extra')).toBe(true)
    expect(scan.values.get('extra')).toBeUndefined()
    expect(scan.members.get('extra')).toMatchObject({ valueStart: 9, valueEnd: 9 + long.length })
  })
})

describe('what a scan refuses, with a sentence that says what to do', () => {
  it.each([
    ['', 'The body is empty; send a JSON object.'],
    ['[]', 'The body must be a JSON object; at byte 0 it begins as something else.'],
    ['\ufeff{}', 'The body must be a JSON object; at byte 0 it begins as something else.'],
    ['{}{}', 'More follows the JSON object at byte 2; send nothing behind it.'],
    ['{"a":1', 'The body breaks off at byte 6; send the whole JSON object.'],
    ['{"a":NaN}', 'The body is not valid JSON at byte 5; send a JSON object (RFC 8259).'],
    ["{'a':1}", 'The body is not valid JSON at byte 1; send a JSON object (RFC 8259).'],
    ['{"a":1,}', 'The body is not valid JSON at byte 7; send a JSON object (RFC 8259).'],
    ['{"a":"\n"}', 'A string has a control character at byte 6; write it as an escape.'],
    ['{"model":"a","model":"b"}', 'The body has the key `model` a second time at byte 13; send it once.'],
    [
      '{"model":"a","\\u006dodel":"b"}',
      'The body has the key `model` a second time at byte 13; send it once.',
    ],
    ['{"Model":"a"}', 'A key at byte 1 differs from `model` only in case; write `model` or leave it out.'],
    ['{"ſtream":1}', 'A key at byte 1 differs from `stream` only in case; write `stream` or leave it out.'],
    ['{"n":0}', 'The value of `n` at byte 5 must be a whole number of at least 1; correct it.'],
    [
      '{"best_of":"2"}',
      'The value of `best_of` at byte 11 must be a whole number of at least 1; correct it.',
    ],
    [
      '{"max_tokens":-1}',
      'The value of `max_tokens` at byte 14 must be a whole number of at least 0; correct it.',
    ],
    [
      '{"max_tokens":1.5}',
      'The value of `max_tokens` at byte 14 must be a whole number of at least 0; correct it.',
    ],
    [
      '{"max_tokens":1E400}',
      'The value of `max_tokens` at byte 14 must be a whole number of at least 0; correct it.',
    ],
    ['{"stream":"true"}', 'The value of `stream` at byte 10 must be true or false; correct it.'],
    ['{"user":7}', 'The value of `user` at byte 8 must be a string; correct it.'],
    [
      `{"user":"${'x'.repeat(memberBytesMax)}"}`,
      'The member `user` at byte 8 is longer than 65536 bytes; shorten it.',
    ],
  ])('%j', (body, message) => {
    expect(answerTo(body)).toBe(message)
  })

  it.each([
    ['a half of a surrogate pair', '{"model":"\\ud800"}'],
    ['a control character', '{"model":"gpt\\u0000"}'],
    ['white space around it', '{"model":" gpt"}'],
  ])('a model with %s', (_, body) => {
    expect(answerTo(body)).toMatch(/^The value of `model`/)
  })

  it.each([
    ['twice', '{"include_usage":true,"include_usage":false}'],
    ['in another case', '{"Include_usage":true}'],
    ['as a number', '{"include_usage":1}'],
  ])('stream_options with include_usage %s', (_, options) => {
    expect(answerTo(`{"stream_options":${options}}`)).toMatch(/^The value of `stream_options` at byte 18/)
  })

  it.each([
    ['a stray continuation', [0x80], 11],
    ['a character cut short', [0xe4, 0xbd], 13],
    ['a second spelling of a slash', [0xc0, 0xaf], 11],
    ['a surrogate', [0xed, 0xa0, 0x80], 12],
    ['a character beyond the last', [0xf4, 0x90, 0x80, 0x80], 12],
  ])('UTF-8 with %s', (_, bytes, offset) => {
    const body = [...encoder.encode('{"prompt":"'), ...bytes, ...encoder.encode('"}')]
    expect(answerTo(Uint8Array.from(body))).toBe(
      `The body is not valid UTF-8 at byte ${offset}; encode it as UTF-8.`,
    )
  })

  it('never repeats what the body says', () => {
    for (const secret of [
      '{"a":s3cret',
      '{"s3cret":tru}',
      '{"model":["s3cret"]}',
      '{"user":"s3cret\u0001"}',
    ]) {
      expect(answerTo(secret)).not.toContain('s3cret')
    }
  })
})

function nested(depth: number): string {
  return `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
}

describe('bodies made to exhaust a parser', () => {
  it('takes 128 levels and refuses 129, and 100,000', () => {
    expect(answerTo(nested(128))).toBe('taken')
    expect(answerTo(nested(129))).toBe('The body nests deeper than 128 levels at byte 132; nest less.')
    expect(answerTo(nested(100_000))).toMatch(/^The body nests deeper/)
  })

  it('reads a million keys and a string of 10 MB', () => {
    const keys = Array.from({ length: 1_000_000 }, (_, at) => `"k${at}":0`)
    expect(answerTo(`{${keys.join(',')},"n":1}`)).toBe('taken')
    expect(answerTo(`{"prompt":"${'long '.repeat(2_000_000)}","n":0}`)).toMatch(/^The value of `n`/)
  })

  it('reads a watched key spelled at any length, and no longer one', () => {
    const spelled = Array.from(
      'max_completion_tokens',
      (char) => `\\u00${char.charCodeAt(0).toString(16)}`,
    ).join('')
    expect(scanned(`{"${spelled}":5}`).facts.maxCompletionTokens).toBe(5)
    expect(decoder.decode(encoder.encode(spelled))).toHaveLength(126)
    expect(scanned(`{"${spelled}\\u0020":5}`).facts.maxCompletionTokens).toBeNull()
  })
})
