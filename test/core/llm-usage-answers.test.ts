import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readAnswer, readAnswerEnds } from '../../src/core/llm/usage-answer.ts'
import { BodyEnds } from '../../src/core/llm/usage-ends.ts'
import { bytesOf, piecesOf } from './llm-usage-samples.ts'

const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const none = { cachedInputTokens: null, cacheWriteTokens: null, reasoningTokens: null }

function read(answer: unknown) {
  return readAnswer(bytesOf(typeof answer === 'string' ? answer : JSON.stringify(answer)))
}

function readEnds(answer: unknown, size = 700) {
  const ends = new BodyEnds()
  for (const piece of piecesOf(bytesOf(JSON.stringify(answer)), size)) ends.push(piece)
  return readAnswerEnds(ends)
}

describe('usage in a JSON answer', () => {
  it.each([
    ['chat', { model: 'm', choices: [], usage }, { inputTokens: 3, outputTokens: 2, ...none }],
    [
      'legacy completions',
      { model: 'm', choices: [{ text: 'x' }], usage },
      { inputTokens: 3, outputTokens: 2, ...none },
    ],
    [
      'embeddings',
      { model: 'm', data: [], usage: { prompt_tokens: 8, total_tokens: 8 } },
      { inputTokens: 8, outputTokens: 0, ...none },
    ],
    [
      'a total alone beside the output',
      { model: 'm', usage: { completion_tokens: 3, total_tokens: 8 } },
      { inputTokens: 5, outputTokens: 3, ...none },
    ],
    [
      'Responses',
      {
        model: 'm',
        output: [],
        usage: { input_tokens: 3, output_tokens: 2, output_tokens_details: { reasoning_tokens: 2 } },
      },
      { inputTokens: 3, outputTokens: 2, ...none, reasoningTokens: 2 },
    ],
    [
      'messages',
      {
        model: 'm',
        content: [],
        usage: {
          input_tokens: 3,
          cache_read_input_tokens: 4,
          cache_creation_input_tokens: 0,
          output_tokens: 2,
        },
      },
      { inputTokens: 7, outputTokens: 2, ...none, cachedInputTokens: 4, cacheWriteTokens: 0 },
    ],
    ['none', { model: 'm', choices: [] }, null],
    ['null', { model: 'm', choices: [], usage: null }, null],
    ['numbers that are none', { model: 'm', usage: { prompt_tokens: null, completion_tokens: {} } }, null],
  ])('%s', (_, answer, counts) => {
    expect(read(answer)).toMatchObject({ kind: 'answer', model: 'm', counts, outputIsFinal: counts !== null })
    expect(readEnds(answer)).toEqual(read(answer))
  })

  it.each([
    ['OpenAI error', { error: { message: 'x' } }, 'error'],
    ['Anthropic error', { type: 'error', error: { type: 'api_error' } }, 'error'],
    ['Anthropic count', { input_tokens: 14 }, 'token_count'],
    ['OpenAI count', { object: 'response.input_tokens', input_tokens: 14 }, 'token_count'],
    ['a response that failed', { object: 'response', error: null, usage: null }, 'answer'],
    ['a list', [usage], 'answer'],
    ['no JSON', '<html>', 'answer'],
    ['nothing', '', 'answer'],
  ])('%s charges nothing by itself', (_, answer, kind) => {
    expect(read(answer)).toMatchObject({ kind, counts: null, outputIsFinal: false })
  })

  it('is charged although an error stands beside it', () => {
    const { kind, counts } = read({ error: { code: 502 }, choices: [], usage })
    expect([kind, counts?.outputTokens]).toEqual(['answer', 2])
  })

  it('is found in the end of an answer that is not kept whole', () => {
    const data = Array.from({ length: 3_000 }, (_, index) => ({
      object: 'embedding',
      index,
      embedding: [0.25, -1],
    }))
    const answer = { object: 'list', model: 'm', data, usage: { prompt_tokens: 8, total_tokens: 8 } }
    expect(readEnds(answer)).toEqual(read(answer))
    expect(readEnds({ ...answer, usage: undefined }).counts).toBeNull()
  })

  it('of a long answer is not taken from what the model wrote or a tool returned', () => {
    const written = {
      role: 'assistant',
      content: [{ usage }, '"usage":{"prompt_tokens":1}', 'x'.repeat(30_000), { usage }],
    }
    expect(readEnds({ model: 'm', choices: [{ message: written }] }).counts).toBeNull()
    expect(readEnds({ model: 'm', choices: [{ message: written }], usage }).counts).toMatchObject({
      inputTokens: 3,
    })
  })

  it('is the same from both ends as from the whole, whatever else stands in it', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 20 }), fc.nat({ max: 40_000 }), (output, padding) => {
        const answer = { model: 'm', padding: 'x'.repeat(padding), output, usage }
        expect(readEnds(answer)).toEqual(read(answer))
      }),
    )
  })

  it('is never anything but whole numbers from 0 or null', () => {
    const value = fc.oneof(fc.double(), fc.integer(), fc.string(), fc.constantFrom(null, true, -0, 1e300))
    const said = fc.record(
      {
        prompt_tokens: value,
        completion_tokens: value,
        input_tokens: value,
        output_tokens: value,
        total_tokens: value,
        cache_read_input_tokens: value,
        cache_creation_input_tokens: value,
        prompt_tokens_details: fc.oneof(
          value,
          fc.record({ cached_tokens: value, cache_write_tokens: value }),
        ),
        completion_tokens_details: fc.oneof(value, fc.record({ reasoning_tokens: value })),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(said, (odd) => {
        const { counts } = read({ usage: odd })
        if (counts === null) return
        for (const count of Object.values(counts))
          expect(count === null || Number.isSafeInteger(count)).toBe(true)
        for (const count of Object.values(counts))
          expect(Object.is(count, -0) || Number(count) < 0).toBe(false)
        const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } = counts
        if (inputTokens !== null)
          expect(Number(cachedInputTokens) + Number(cacheWriteTokens)).toBeLessThanOrEqual(inputTokens)
        if (outputTokens !== null) expect(Number(reasoningTokens)).toBeLessThanOrEqual(outputTokens)
      }),
      { numRuns: 1_000 },
    )
  })
})
