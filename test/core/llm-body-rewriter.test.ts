import { describe, expect, it } from 'vitest'
import { BodyRewriter } from '../../src/core/llm/body-rewriter.ts'
import { scanBody, watchedKeys } from '../../src/core/llm/body-scan.ts'
import { type Edit, type RewritePlan, rewriteBody } from '../../src/core/llm/body-splice.ts'
import { isRefusal, type Outcome } from '../../src/core/outcome.ts'
import { rewriteInPieces } from '../fuzz/llm-body-differential.ts'
import { makeBody } from '../fuzz/llm-body-mutations.ts'
import { Choices } from '../fuzz/llm-body-random.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const kilobyte = 1024

const toModel = (model: string): RewritePlan => ({
  edits: new Map([['model', () => model]]),
  askForUsage: true,
})
const forbidden: Edit = (value) =>
  value === 'forbidden'
    ? { refused: 'malformed_request', detail: 'This key may not use the model.' }
    : undefined

const demanding: Edit = (value) =>
  value === undefined ? { refused: 'malformed_request', detail: 'Name a model.' } : undefined

function whole(body: Uint8Array, plan: RewritePlan): Outcome<Uint8Array> {
  const scan = scanBody(body, watchedKeys(['metadata', 'extra']))
  return isRefusal(scan) ? scan : rewriteBody(body, scan, plan)
}

/** Cuts a body at the given offsets. */
function cutAt(body: Uint8Array, plan: RewritePlan, cuts: readonly number[]): Outcome<Uint8Array> {
  const ends = [...cuts, body.length]
  let from = 0
  return rewriteInPieces(body, plan, () => {
    const size = Math.max(1, (ends.find((end) => end > from) ?? body.length) - from)
    from += size
    return size
  })
}

/** A body of about 300 KB: long text of every width, escapes, tools, numbers, watched keys at both ends. */
function largeBody(choices: Choices): Uint8Array {
  const text = 'Say "hello", 你好世界, мир 🎉\n\t\\ and go on with some plain text for a while. '
  const messages = Array.from({ length: 40 }, (_, at) => ({
    role: 'user',
    content: text.repeat(50 + at),
    at,
  }))
  const tools = Array.from({ length: 30 }, (_, at) => ({
    name: `t${at}`,
    parameters: { a: [1, 22, -3.5e7], b: {} },
  }))
  const members = [
    '"stream":true',
    '"stream_options": {"a":[1]} ',
    '"m\\u006fdel" : "gpt-x"',
    '"max_tokens":50',
  ]
  const long = [
    `"messages":${JSON.stringify(messages)}`,
    `"tools":${JSON.stringify(tools, null, choices.below(3))}`,
  ]
  const order = [...members, ...long].toSorted(() => choices.below(3) - 1)
  return encoder.encode(`{${order.join(', ')}}`)
}

describe('rewriting in pieces', () => {
  it('gives the bytes of the whole at every split of small bodies', () => {
    const choices = new Choices(11)
    for (let run = 0; run < 60; run += 1) {
      const body = makeBody(choices)
      const wanted = whole(body, toModel('模型-"b"'))
      for (let cut = 0; cut <= body.length; cut += 1) {
        const pieces = cutAt(body, toModel('模型-"b"'), [cut])
        if (isRefusal(wanted)) expect(isRefusal(pieces)).toBe(true)
        else expect(pieces).toEqual(wanted)
      }
    }
  })

  it('gives the bytes of the whole byte by byte, and at random pairs of splits of large bodies', () => {
    const choices = new Choices(12)
    for (let run = 0; run < 2; run += 1) {
      const body = largeBody(choices)
      const wanted = whole(body, toModel('b'))
      expect(isRefusal(wanted)).toBe(false)
      expect(
        isDifferent(
          rewriteInPieces(body, toModel('b'), () => 1),
          wanted,
        ),
      ).toBe(false)
      for (let pair = 0; pair < 30; pair += 1) {
        const cuts = [choices.below(body.length), choices.below(body.length)].toSorted((a, b) => a - b)
        expect(isDifferent(cutAt(body, toModel('b'), cuts), wanted)).toBe(false)
      }
    }
  })
})

function isDifferent(some: Outcome<Uint8Array>, other: Outcome<Uint8Array>): boolean {
  return isRefusal(some) || isRefusal(other) || Buffer.compare(some, other) !== 0
}

describe('a refusal half-way', () => {
  const plan: RewritePlan = { edits: new Map([['model', forbidden]]), askForUsage: false }
  const long = 'x'.repeat(300 * kilobyte)

  it.each([
    [
      'a forbidden model behind the rest',
      `{"prompt":"${long}","model":"forbidden"}`,
      'This key may not use the model.',
    ],
    ['a second model behind the rest', `{"model":"a","prompt":"${long}","model":"b"}`, 'a second time'],
    ['text that is not JSON', `{"model":"a","prompt":"${long}\u0001"}`, 'control character'],
    ['something behind the object', `{"model":"a","prompt":"${long}"} x`, 'More follows the JSON object'],
  ])('comes for %s, and nothing is sent on any more', (_, text, words) => {
    const body = encoder.encode(text)
    const rewriter = new BodyRewriter(plan)
    let sentBytes = 0
    let refusal: unknown = null
    for (let at = 0; at < body.length; at += 64 * kilobyte) {
      const pieces = rewriter.push(body.subarray(at, at + 64 * kilobyte))
      if (isRefusal(pieces)) refusal ??= pieces
      else sentBytes += pieces.reduce((sum, piece) => sum + piece.length, 0)
    }
    expect(refusal).toMatchObject({
      refused: 'malformed_request',
      detail: expect.stringContaining(words) as string,
    })
    expect(sentBytes).toBe(Math.floor(body.length / (64 * kilobyte)) * 64 * kilobyte)
    expect(rewriter.push(encoder.encode('}'))).toBe(refusal)
    expect(rewriter.end()).toBe(refusal)
  })

  it('comes at the end for a body that breaks off, and for a model that is missing', () => {
    const rewriter = new BodyRewriter(plan)
    expect(isRefusal(rewriter.push(encoder.encode('{"model":"a"')))).toBe(false)
    expect(rewriter.end()).toMatchObject({
      detail: 'The body breaks off at byte 12; send the whole JSON object.',
    })
    const missing = new BodyRewriter({ edits: new Map([['model', demanding]]), askForUsage: false })
    expect(missing.push(encoder.encode('{}'))).toMatchObject({ detail: 'Name a model.' })
  })
})

describe('what is sent and held', () => {
  it('sends on views of the chunk, without a copy, and all but a key that may be watched', () => {
    const rewriter = new BodyRewriter(toModel('b'))
    const first = encoder.encode('{"prompt":"some text", "mod')
    const pieces = rewriter.push(first)
    expect(
      isRefusal(pieces) ? [] : pieces.map((piece) => [piece.buffer === first.buffer, decoder.decode(piece)]),
    ).toEqual([[true, '{"prompt":"some text", ']])
    const rest = rewriter.push(encoder.encode('el":"a"}'))
    expect(isRefusal(rest) ? '' : decoder.decode(Buffer.concat(rest))).toBe('"model":"b"}')
  })

  it('holds back no more than a watched member, however long the body and its keys are', () => {
    const rewriter = new BodyRewriter(toModel('b'))
    const parts = [
      '{"model"',
      `:"a","${'k'.repeat(200 * kilobyte)}`,
      `":"${'v'.repeat(200 * kilobyte)}`,
      '","stream_options":{"a":"',
    ]
    let heldMax = 0
    let length = 0
    for (const part of [...parts, ...Array.from({ length: 60 }, () => 'o'.repeat(kilobyte)), '"}}']) {
      length += part.length
      const pieces = rewriter.push(encoder.encode(part))
      if (isRefusal(pieces)) throw new Error(pieces.refused)
      length -= pieces.reduce((sum, piece) => sum + piece.length, 0)
      heldMax = Math.max(heldMax, length)
    }
    expect(heldMax).toBeGreaterThan(60 * kilobyte)
    expect(heldMax).toBeLessThanOrEqual(64 * kilobyte)
    expect(isRefusal(rewriter.end())).toBe(false)
  })

  it('knows the added length as soon as nothing can change it any more', () => {
    const plain: RewritePlan = { edits: new Map([['model', () => 'longer']]), askForUsage: false }
    const early = new BodyRewriter(plain)
    early.push(encoder.encode('{"model":"a"'))
    expect(early.lengthDelta).toBeNull()
    early.push(encoder.encode(',"prompt":"'))
    expect(early.lengthDelta).toBe(5)
    const late = new BodyRewriter(toModel('longer'))
    late.push(encoder.encode('{"model":"a","stream":true,"prompt":"'))
    expect(late.lengthDelta).toBeNull()
    late.push(encoder.encode('"}'))
    expect(late.lengthDelta).toBe(5 + ',"stream_options":{"include_usage":true}'.length)
  })

  it('does not know it while moved options wait for the end', () => {
    const rewriter = new BodyRewriter(toModel('longer'))
    rewriter.push(encoder.encode('{"stream_options":{},"model":"a","stream":true,"prompt":"'))
    expect(rewriter.lengthDelta).toBeNull()
    rewriter.push(encoder.encode('"}'))
    expect(rewriter.lengthDelta).toBe(5 + '"include_usage":true'.length)
  })

  it('gives what the client sent, not what is sent on', () => {
    const rewriter = new BodyRewriter(toModel('b'), watchedKeys(['extra']))
    rewriter.push(encoder.encode('{"model":"a","stream":true,"extra":[1],"max_tokens":5}'))
    expect(rewriter.end()).toMatchObject({
      facts: { model: 'a', stream: true, includeUsage: false, maxTokens: 5 },
      values: new Map<string, unknown>([
        ['model', 'a'],
        ['stream', true],
        ['extra', [1]],
        ['max_tokens', 5],
      ]),
    })
  })

  it('refuses plans for keys that are not looked for', () => {
    expect(() => new BodyRewriter({ edits: new Map([['top_p', () => 1]]), askForUsage: false })).toThrow(
      TypeError,
    )
  })
})
