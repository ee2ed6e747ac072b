import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { runningMock } from './running.ts'

const mock = runningMock()
const client = () => new OpenAI({ apiKey: 'sk-test-abcd', baseURL: `${mock.current.url}/v1`, maxRetries: 0 })
const messages = [{ role: 'user' as const, content: 'twelve bytes' }]
const tools = [
  {
    type: 'function' as const,
    function: { name: 'look_up', parameters: { type: 'object', properties: { value: { type: 'string' } } } },
  },
]

describe('the official openai client, directly against the mock', () => {
  test('chat: the answer has n tokens of text and the usage to match', async () => {
    const asked = client().chat.completions.create({ model: 'mock/n=5,size=8', messages })
    const { data: completion, request_id: requestId } = await asked.withResponse()
    expect(completion.choices[0]?.message.content).toHaveLength(40)
    expect(completion.choices[0]?.finish_reason).toBe('stop')
    expect(completion.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 })
    expect(requestId).toBe('req_mock_1')
  })

  test('chat stream: the chunks add up to the JSON answer, stamped in order', async () => {
    const model = 'mock/n=5,size=8'
    const whole = await client().chat.completions.create({ model, messages })
    const stream = await client().chat.completions.create({ model, messages, stream: true })
    let text = ''
    const stamps: number[] = []
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      stamps.push((chunk as unknown as { mock: { i: number } }).mock.i)
    }
    expect(text).toBe(whole.choices[0]?.message.content)
    expect(stamps).toEqual([-1, 0, 1, 2, 3, 4, 5])
  })

  test('stream helper: the final completion has text, usage and a finish reason', async () => {
    const runner = client().chat.completions.stream({
      model: 'mock/n=3',
      messages,
      stream_options: { include_usage: true },
    })
    const final = await runner.finalChatCompletion()
    expect(final.choices[0]?.message.content).toHaveLength(12)
    expect(final.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 3 })
  })

  test('tool=1: JSON and stream call the first tool with the same arguments', async () => {
    const request = { model: 'mock/tool=1,n=4,size=6', messages, tools }
    const whole = await client().chat.completions.create(request)
    const streamed = await client().chat.completions.stream(request).finalChatCompletion()
    const call = whole.choices[0]?.message.tool_calls?.[0]
    expect(whole.choices[0]?.finish_reason).toBe('tool_calls')
    expect(call).toMatchObject({ type: 'function', function: { name: 'look_up' } })
    const streamedCall = streamed.choices[0]?.message.tool_calls?.[0]
    expect(streamed.choices[0]?.finish_reason).toBe('tool_calls')
    expect(streamedCall).toMatchObject(call ?? {})
    const args = call?.type === 'function' ? (JSON.parse(call.function.arguments) as object) : {}
    expect(args).toEqual({ value: expect.stringMatching(/^.{24}$/) })
  })

  test('tool=1 without tools answers in text', async () => {
    const completion = await client().chat.completions.create({ model: 'mock/tool=1', messages })
    expect(completion.choices[0]?.finish_reason).toBe('stop')
  })

  test('responses: JSON and the stream helper agree on text and usage', async () => {
    const request = { model: 'mock/n=6', instructions: 'four', input: 'twelve bytes' }
    const whole = await client().responses.create(request)
    expect(whole.output_text).toHaveLength(24)
    expect(whole.usage).toMatchObject({ input_tokens: 4, output_tokens: 6, total_tokens: 10 })
    const final = await client().responses.stream(request).finalResponse()
    expect(final.output_text).toBe(whole.output_text)
    expect(final.usage).toEqual(whole.usage)
  })

  test('responses stream: created first, completed last, sequence numbers without a gap', async () => {
    const stream = await client().responses.create({ model: 'mock/n=3', input: 'x', stream: true })
    const events = []
    for await (const event of stream) events.push(event)
    expect(events.map((event) => event.type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index))
  })

  test('responses with a tool: the streamed call is the one in the final response', async () => {
    const final = await client()
      .responses.stream({
        model: 'mock/tool=1,n=3',
        input: 'x',
        tools: [{ type: 'function', name: 'look_up', parameters: {}, strict: false }],
      })
      .finalResponse()
    expect(final.output[0]).toMatchObject({ type: 'function_call', name: 'look_up', status: 'completed' })
    const item = final.output[0]
    expect(JSON.parse(item?.type === 'function_call' ? item.arguments : '')).toEqual({
      value: expect.any(String),
    })
  })

  test('embeddings: base64, which the client asks for, holds the same unit vector as floats', async () => {
    const request = { model: 'mock/', input: ['abcd', 'efgh'], dimensions: 64 }
    const packed = await client().embeddings.create(request)
    const plain = await client().embeddings.create({ ...request, encoding_format: 'float' })
    expect(packed.data.map((item) => item.embedding)).toEqual(plain.data.map((item) => item.embedding))
    expect(packed.data[0]?.embedding).not.toEqual(packed.data[1]?.embedding)
    const squares = packed.data[0]?.embedding.reduce((sum, value) => sum + value * value, 0)
    expect(squares).toBeCloseTo(1, 5)
    expect(packed.usage).toEqual({ prompt_tokens: 2, total_tokens: 2 })
  })

  test('models: a list, and one by an id with a slash in it', async () => {
    const ids = []
    for await (const model of client().models.list()) ids.push(model.id)
    expect(ids).toContain('gpt-mock')
    expect(await client().models.retrieve('openai/gpt-mock')).toMatchObject({ id: 'openai/gpt-mock' })
    await expect(client().models.retrieve('mock/err=1:404')).rejects.toBeInstanceOf(OpenAI.NotFoundError)
  })

  test.each([
    [400, OpenAI.BadRequestError],
    [401, OpenAI.AuthenticationError],
    [429, OpenAI.RateLimitError],
    [500, OpenAI.InternalServerError],
  ])('err=1:%i reaches the client as its own error class', async (status, errorClass) => {
    const failing = client().chat.completions.create({ model: `mock/err=1:${status}`, messages })
    await expect(failing).rejects.toBeInstanceOf(errorClass)
  })
})
