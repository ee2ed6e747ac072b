import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { beforeAll, describe, expect, it } from 'vitest'
import { createMock } from '../../bench/mock/core.ts'
import { lengthEndOf, showEvent, type CountedTokens } from '../../src/core/llm/length-end.ts'
import { parseJson } from '../../src/core/json.ts'
import { eventOf } from '../../src/core/llm/usage-event.ts'
import { bytesOf } from '../support/byte-pieces.ts'
import { llmFormats, type LlmFormat, type LlmFormatName } from '../support/llm-formats.ts'

const counted: CountedTokens = { inputTokens: 11, outputTokens: 3 }
const tokens = 6

interface Scene {
  readonly name: string
  readonly format: LlmFormatName
  readonly more: object
  /** Whether the client is told usage. */
  readonly tells: boolean
}

const tool = { model: `mock/tool=1,n=${tokens},size=6` }
const text = { model: `mock/n=${tokens},size=4` }
const chatTool = { ...tool, tools: [{ type: 'function', function: { name: 'look_up', parameters: {} } }] }
const scenes: readonly Scene[] = [
  { name: 'chat', format: 'chat', more: text, tells: true },
  {
    name: 'chat with usage',
    format: 'chat',
    more: { ...text, stream_options: { include_usage: true } },
    tells: true,
  },
  { name: 'chat with a tool', format: 'chat', more: chatTool, tells: true },
  { name: 'Responses', format: 'responses', more: text, tells: true },
  { name: 'Messages', format: 'messages', more: text, tells: true },
  {
    name: 'Messages with a tool',
    format: 'messages',
    more: { ...tool, tools: [{ name: 'look_up', input_schema: { type: 'object' } }] },
    tells: true,
  },
]

const streams = new Map<string, readonly string[]>()

const never = () => {
  throw new Error('not asked')
}

beforeAll(async () => {
  const mock = createMock({ now: () => 0, wait: async () => {}, digest: never })
  for (const { name, format, more } of scenes) {
    const { ask, path } = llmFormats[format]
    const answer = await mock.fetch(
      new Request(`http://mock.test${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...ask, ...more, stream: true }),
      }),
    )
    streams.set(name, (await answer.text()).match(/[^]*?\n\n/g) ?? [])
  }
})

/** The stream as its client gets it when it is ended after so many events. */
function endedAfter({ name, format, tells }: Scene, events: number): string {
  const { dialect, path }: LlmFormat = llmFormats[format]
  const end = lengthEndOf(dialect, path, tells)
  const passed = (streams.get(name) ?? []).slice(0, events)
  for (const event of passed) showEvent(end, bytesOf(event))
  return passed.join('') + end.words(counted)
}

function dataIn(stream: string): readonly unknown[] {
  return (stream.match(/[^]*?\n\n/g) ?? []).map((event) => {
    const { data } = eventOf(event)
    return data === '[DONE]' ? data : parseJson(data)
  })
}

const options = { apiKey: 'none', baseURL: 'https://provider.example/v1', maxRetries: 0 }

function answering(body: string): typeof fetch {
  return async () => new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}

/** Why and with what an official client takes the stream to have ended. */
async function readBy(format: LlmFormatName, body: string): Promise<unknown> {
  const client = new OpenAI({ ...options, fetch: answering(body) })
  if (format === 'chat') {
    const stream = client.chat.completions.stream({ model: 'm', messages: [] })
    const [choice] = (await stream.finalChatCompletion()).choices
    return { why: choice?.finish_reason, text: choice?.message.content ?? '' }
  }
  if (format === 'responses') {
    const response = await client.responses.stream({ model: 'm', input: 'x' }).finalResponse()
    return { why: response.incomplete_details?.reason, text: response.output_text, status: response.status }
  }
  const anthropic = new Anthropic({ ...options, fetch: answering(body) })
  const message = await anthropic.messages.stream({ model: 'm', max_tokens: 1, messages: [] }).finalMessage()
  const [block] = message.content
  return { why: message.stop_reason, text: block?.type === 'text' ? block.text : '' }
}

const why = { chat: 'length', responses: 'max_output_tokens', messages: 'max_tokens' } as const

describe.each(scenes)('a stream of $name that is ended at its length', (scene) => {
  const { format, name } = scene
  /** Events that a model has begun with, and those before it said that it was done. */
  const cuts = () => {
    const events = streams.get(name) ?? []
    const first = format === 'messages' ? 2 : format === 'responses' ? 4 : 2
    const lastToken = events.findLastIndex((event) => new RegExp(`"i":${tokens - 1},`).test(event))
    return Array.from({ length: lastToken + 2 - first }, (_, at) => first + at)
  }

  it('is taken for one that reached its length by the official client, after any event', async () => {
    expect(cuts().length).toBeGreaterThan(tokens - 1)
    for (const events of cuts()) {
      expect(await readBy(format, endedAfter(scene, events))).toMatchObject({ why: why[format] })
    }
  })

  it('is made of whole events of JSON', () => {
    for (const events of cuts()) expect(dataIn(endedAfter(scene, events))).not.toContain(undefined)
  })
})

const choice = (index: number, finish_reason: string | null) => ({
  index,
  delta: { content: 'x' },
  finish_reason,
})

describe('what ends a stream', () => {
  it('leaves the text that came before it', async () => {
    for (const format of ['chat', 'responses', 'messages'] as const) {
      const scene = scenes.find((each) => each.format === format) as Scene
      const before = { chat: 1, responses: 4, messages: 3 }[format]
      const read = await readBy(format, endedAfter(scene, before + 2))
      expect(read).toMatchObject({ text: expect.stringMatching(/^.{8}$/) as string })
    }
  })

  it('tells a chat client that asked for it the usage as it was counted, and no other one', () => {
    const asked = scenes[1] as Scene
    const usage = { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 }
    expect(dataIn(endedAfter(asked, 3)).slice(-3)).toEqual([
      expect.objectContaining({
        usage: null,
        choices: [expect.objectContaining({ finish_reason: 'length', delta: {} })],
      }),
      expect.objectContaining({ usage, choices: [] }),
      '[DONE]',
    ])
    const stripped = dataIn(endedAfter({ ...asked, tells: false }, 3))
    expect(stripped.slice(-2)).toEqual([expect.objectContaining({ usage: null }), '[DONE]'])
    expect(dataIn(endedAfter(scenes[0] as Scene, 3)).at(-2)).not.toHaveProperty('usage')
  })

  it('ends every choice that goes on, and those alone', () => {
    const end = lengthEndOf('openai', '/v1/chat/completions', true)
    end.see({ id: 'c', model: 'm', choices: [choice(0, null), choice(1, null), choice(2, null)] })
    end.see({ id: 'c', model: 'm', choices: [choice(1, 'stop')] })
    const [last, done] = dataIn(end.words(counted))
    expect(last).toMatchObject({ id: 'c', model: 'm', choices: [{ index: 0 }, { index: 2 }] })
    expect(done).toBe('[DONE]')
  })

  it('ends text completions as text', () => {
    const end = lengthEndOf('openai', '/v1/completions', true)
    end.see({ id: 'c', object: 'text_completion', choices: [{ index: 0, text: 'a', finish_reason: null }] })
    expect(dataIn(end.words(counted))[0]).toMatchObject({
      object: 'text_completion',
      choices: [{ index: 0, text: '', finish_reason: 'length' }],
    })
  })

  it('closes no message twice', () => {
    const messages = scenes[4] as Scene
    const events = streams.get(messages.name) ?? []
    expect(endedAfter(messages, events.length)).toBe(events.join(''))
    const beforeStop = dataIn(endedAfter(messages, events.length - 1))
    expect(beforeStop).toHaveLength(events.length)
    expect(beforeStop.at(-1)).toEqual({ type: 'message_stop' })
  })

  it('says of a response what it had put out, each item as far as it came, and numbers its events on', () => {
    const end = lengthEndOf('openai', '/v1/responses', true)
    const events = [
      { type: 'response.created', response: { id: 'r', status: 'in_progress', output: [], model: 'm' } },
      {
        type: 'response.output_item.added',
        output_index: 0,
        item: { id: 'a', type: 'reasoning', summary: [] },
      },
      {
        type: 'response.reasoning_summary_part.added',
        output_index: 0,
        summary_index: 0,
        part: { type: 'summary_text', text: '' },
      },
      { type: 'response.reasoning_summary_text.delta', output_index: 0, summary_index: 0, delta: 'why' },
      {
        type: 'response.output_item.done',
        output_index: 0,
        item: { id: 'a', type: 'reasoning', summary: [{ type: 'summary_text', text: 'why' }] },
      },
      {
        type: 'response.output_item.added',
        output_index: 1,
        item: { id: 'b', type: 'message', content: [] },
      },
      {
        type: 'response.content_part.added',
        output_index: 1,
        content_index: 0,
        part: { type: 'output_text', text: '' },
      },
      { type: 'response.output_text.delta', output_index: 1, content_index: 0, delta: 'ab' },
      { type: 'response.output_text.delta', output_index: 1, content_index: 0, delta: 'c' },
      {
        type: 'response.output_item.added',
        output_index: 2,
        item: { id: 'd', type: 'function_call', arguments: '', name: 'f' },
      },
      { type: 'response.function_call_arguments.delta', output_index: 2, delta: '{"x' },
    ]
    for (const [at, event] of events.entries()) end.see({ ...event, sequence_number: at })
    const closing = dataIn(end.words(counted)) as Record<string, unknown>[]
    expect(closing.map(({ type }) => type)).toEqual([
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.incomplete',
    ])
    expect(closing.map((event) => event['sequence_number'])).toEqual([11, 12, 13, 14])
    expect(closing[0]).toMatchObject({ text: 'abc', item_id: 'b', output_index: 1, content_index: 0 })
    expect(closing.at(-1)?.['response']).toMatchObject({
      id: 'r',
      model: 'm',
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      usage: { input_tokens: 11, output_tokens: 3, total_tokens: 14 },
      output: [
        { id: 'a', summary: [{ text: 'why' }] },
        { id: 'b', status: 'incomplete', content: [{ text: 'abc' }] },
        { id: 'd', status: 'incomplete', arguments: '{"x' },
      ],
    })
  })
})
