import { describe, expect, it } from 'vitest'
import type { TokenCounts } from '../../src/core/llm/usage.ts'
import { counts, done, filler, messageEnd, read, start, text, usage } from './llm-usage-reading.ts'

const quirks: readonly (readonly [string, readonly unknown[], TokenCounts | null])[] = [
  ['OpenAI: in a chunk without choices', [text, { choices: [], usage }, done], counts(3, 2)],
  ['OpenAI: not asked for', [text, done], null],
  ['OpenAI: null in every other chunk', [...filler, { choices: [], usage }, done], counts(3, 2)],
  [
    'OpenAI: a moderation chunk after it',
    [text, { choices: [], usage }, { choices: [], usage: null }, done],
    counts(3, 2),
  ],
  [
    'OpenAI: all details',
    [
      {
        choices: [],
        usage: {
          ...usage,
          prompt_tokens_details: { cached_tokens: 1, cache_write_tokens: 2 },
          completion_tokens_details: { reasoning_tokens: 0 },
        },
      },
    ],
    counts(3, 2, { cachedInputTokens: 1, cacheWriteTokens: 2, reasoningTokens: 0 }),
  ],
  ['vLLM: choices null', [text, { choices: null, usage }, done], counts(3, 2)],
  ['vLLM: choices absent', [text, { usage }, done], counts(3, 2)],
  [
    'vLLM: in every chunk, growing',
    [
      { ...text, usage: { prompt_tokens: 3, completion_tokens: 1 } },
      { ...text, usage },
    ],
    counts(3, 2),
  ],
  ['Z.AI, Mistral: in the last chunk with choices', [text, { ...text, usage }, done], counts(3, 2)],
  [
    'DeepSeek: cache hits beside',
    [{ ...text, usage: { ...usage, prompt_cache_hit_tokens: 1, prompt_cache_miss_tokens: 2 } }],
    counts(3, 2, { cachedInputTokens: 1 }),
  ],
  [
    'Moonshot: in a choice',
    [{ choices: [{ delta: {}, usage: { ...usage, cached_tokens: 2 } }] }],
    counts(3, 2, { cachedInputTokens: 2 }),
  ],
  ['Groq: in x_groq', [text, { ...text, x_groq: { id: 'r', usage } }, done], counts(3, 2)],
  [
    'Groq: in both places',
    [{ ...text, usage, x_groq: { usage: { prompt_tokens: 9, completion_tokens: 9 } } }],
    counts(3, 2),
  ],
  [
    'xAI: reasoning beside the completion',
    [
      {
        ...text,
        usage: {
          prompt_tokens: 3,
          completion_tokens: 2,
          total_tokens: 9,
          completion_tokens_details: { reasoning_tokens: 4 },
        },
      },
    ],
    counts(3, 6, { reasoningTokens: 4 }),
  ],
  [
    'LiteLLM: cache fields of both kinds',
    [{ ...text, usage: { ...usage, cache_read_input_tokens: 2, cache_creation_input_tokens: 1 } }],
    counts(3, 2, { cachedInputTokens: 2, cacheWriteTokens: 1 }),
  ],
  ['zero is zero', [{ choices: [], usage: { prompt_tokens: 0, completion_tokens: 0 } }], counts(0, 0)],
  ['absent is absent', [{ choices: [], usage: { prompt_tokens: 3 } }], counts(3, null)],
  ['nothing in it', [{ choices: [], usage: {} }], null],
  [
    'no counts',
    [{ choices: [], usage: { prompt_tokens: -1, completion_tokens: '2', total_tokens: 1.5 } }],
    null,
  ],
  [
    'absurd counts',
    [{ choices: [], usage: { prompt_tokens: 2e9, completion_tokens: 1e9 } }],
    counts(null, 1e9),
  ],
  [
    'parts greater than the whole',
    [{ usage: { ...usage, prompt_tokens_details: { cached_tokens: 2, cache_write_tokens: 9 } } }],
    counts(3, 2, { cachedInputTokens: 2, cacheWriteTokens: 1 }),
  ],
  [
    'Responses: completed',
    [
      {
        type: 'response.completed',
        response: {
          usage: {
            input_tokens: 3,
            input_tokens_details: { cached_tokens: 1 },
            output_tokens: 2,
            output_tokens_details: { reasoning_tokens: 1 },
          },
        },
      },
    ],
    counts(3, 2, { cachedInputTokens: 1, reasoningTokens: 1 }),
  ],
  [
    'Responses: incomplete',
    [{ type: 'response.incomplete', response: { usage: { input_tokens: 3, output_tokens: 2 } } }, done],
    counts(3, 2),
  ],
  [
    'Responses: failed',
    [{ type: 'response.failed', response: { usage: { input_tokens: 3, output_tokens: 2 }, error: {} } }],
    counts(3, 2),
  ],
  ['Responses: none yet', [{ type: 'response.created', response: { usage: null } }], null],
  [
    'Anthropic: both ends',
    [start({ input_tokens: 3, output_tokens: 1 }), messageEnd({ input_tokens: 3, output_tokens: 2 })],
    counts(3, 2),
  ],
  [
    'Anthropic: input at the start only',
    [
      start({
        input_tokens: 3,
        cache_read_input_tokens: 10,
        cache_creation_input_tokens: 5,
        output_tokens: 1,
      }),
      ...filler,
      messageEnd({ output_tokens: 2 }),
    ],
    counts(18, 2, { cachedInputTokens: 10, cacheWriteTokens: 5 }),
  ],
  [
    'Anthropic: cache in both, never added',
    [
      start({ input_tokens: 3, cache_read_input_tokens: 10 }),
      messageEnd({ input_tokens: 4, cache_read_input_tokens: 10, output_tokens: 2 }),
    ],
    counts(14, 2, { cachedInputTokens: 10 }),
  ],
  [
    'Anthropic: null does not overwrite',
    [start({ input_tokens: 3, output_tokens: 1 }), messageEnd({ input_tokens: null, output_tokens: 2 })],
    counts(3, 2),
  ],
  [
    'Anthropic: thinking',
    [
      start({ input_tokens: 3 }),
      messageEnd({ output_tokens: 9, output_tokens_details: { thinking_tokens: 7 } }),
    ],
    counts(3, 9, { reasoningTokens: 7 }),
  ],
  [
    'Anthropic: several deltas',
    [start({ input_tokens: 3 }), messageEnd({ output_tokens: 2 }), messageEnd({ output_tokens: 5 })],
    counts(3, 5),
  ],
  [
    'text that speaks of usage',
    [{ ...text, choices: [{ delta: { content: '"usage":{"prompt_tokens":7}' } }] }],
    null,
  ],
  ['an event that is no JSON', ['data: {"usage":{"prompt_tokens":3}\n\n', 'data: hello\n\n'], null],
  [
    'data over several lines',
    ['data: {"usage":\ndata: {"prompt_tokens":3,\ndata: "completion_tokens":2}}\n\n'],
    counts(3, 2),
  ],
  [
    'no space after the colon, other fields, comments',
    [
      ': hi\n\nid: 1\nretry: 5\ndata:{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n:\n\n',
    ],
    counts(3, 2),
  ],
  [
    'white space in JSON',
    ['data: { "usage" : { "prompt_tokens" : 3, "completion_tokens" : 2 } }\n\n'],
    counts(3, 2),
  ],
  [
    'no blank line at the end',
    [text, 'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n'],
    counts(3, 2),
  ],
  [
    'half an event at the end',
    [{ ...text, usage }, 'data: {"usage":{"prompt_tokens":9,"completion_tokens":9}'],
    counts(3, 2),
  ],
]

describe('usage in a stream', () => {
  it.each(quirks)('%s', (_, events, expected) => {
    expect(read(...events).counts).toEqual(expected)
  })

  it('is not final while only the beginning has been heard', () => {
    const begun = [start({ input_tokens: 3, output_tokens: 1 }), ...filler]
    expect(read(...begun)).toMatchObject({ counts: counts(3, 1), outputIsFinal: false, sawTerminal: false })
    expect(read(...begun, messageEnd({ output_tokens: 2 })).outputIsFinal).toBe(true)
    expect(read(...begun, messageEnd({})).outputIsFinal).toBe(false)
  })

  it.each([
    ['[DONE]', [text, done], true],
    ['message_stop', [start({}), { type: 'message_stop' }], true],
    ['message_stop by its name only', [start({}), 'event: message_stop\ndata: {}\n\n'], false],
    ['response.completed', [text, { type: 'response.completed', response: {} }], true],
    ['response.incomplete', [text, { type: 'response.incomplete', response: {} }], true],
    ['response.failed', [text, { type: 'response.failed', response: {} }], true],
    ['a finish reason', [{ ...text, choices: [{ delta: {}, finish_reason: 'stop' }] }], false],
    [
      'text',
      [{ ...text, choices: [{ delta: { content: '[DONE] message_stop response.completed' } }] }],
      false,
    ],
  ])('whether its last event was there: %s', (_, events, expected) => {
    expect(read(...events).sawTerminal).toBe(expected)
  })

  it.each([
    ['OpenAI', [text, { error: { message: 'x' } }], true],
    ['OpenAI, a text', [text, { error: 'x' }], true],
    ['Groq', [text, 'event: error\ndata: {"error":{"message":"x"}}\n\n'], true],
    ['a named event that is no JSON', [text, 'event: error\ndata: overloaded\n\n'], true],
    ['OpenRouter, with choices', [{ ...text, error: { code: 502 }, usage }], true],
    ['Anthropic', [start({}), { type: 'error', error: { type: 'overloaded_error' } }], true],
    ['Responses', [text, { type: 'error', code: 'x', message: 'y' }], true],
    ['Responses, failed', [text, { type: 'response.failed', response: { error: { code: 'x' } } }], true],
    [
      'null',
      [
        { ...text, error: null },
        { ...text, error: null },
      ],
      false,
    ],
    ['a response without one', [text, { type: 'response.completed', response: { error: null } }], false],
  ])('errors are noticed: %s', (_, events, expected) => {
    expect(read(...events).endedWithError).toBe(expected)
  })

  it.each([
    ['of chunks', [text, { choices: [], usage }], 'm'],
    ['of a message', [start({})], 'claude'],
    ['of a response', [{ type: 'response.created', response: { model: 'gpt' } }], 'gpt'],
    ['empty at first (Azure)', [{ model: '', choices: [] }, text], 'm'],
    ['far too long', [{ model: 'x'.repeat(300), choices: [] }], null],
    ['none', [{ choices: [] }], null],
  ])('the model is the one the upstream names: %s', (_, events, expected) => {
    expect(read(...events).model).toBe(expected)
  })
})
