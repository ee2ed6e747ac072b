import Anthropic from '@anthropic-ai/sdk'
import { describe, expect, test } from 'vitest'
import { runningMock } from './running.ts'

const mock = runningMock()
const client = () => new Anthropic({ apiKey: 'sk-ant-wxyz', baseURL: mock.current.url, maxRetries: 0 })
const messages = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'twelve bytes' }] }]
const request = { model: 'mock/n=5,size=8', max_tokens: 100, messages }
const tools = [{ name: 'look_up', input_schema: { type: 'object' as const } }]

describe('the official Anthropic client, directly against the mock', () => {
  test('messages: the answer has n tokens of text and the usage to match', async () => {
    const asked = client().messages.create({ ...request, system: 'four' })
    const { data: message, request_id: requestId } = await asked.withResponse()
    expect(message.content[0]).toMatchObject({ type: 'text', text: expect.stringMatching(/^.{40}$/) })
    expect(message.usage).toMatchObject({ input_tokens: 4, output_tokens: 5 })
    expect(message.stop_reason).toBe('end_turn')
    expect(requestId).toBe('req_mock_1')
  })

  test('stream helper: finalMessage equals the JSON answer', async () => {
    const whole = await client().messages.create(request)
    const streamed = await client().messages.stream(request).finalMessage()
    expect(streamed.content).toEqual(whole.content)
    expect(streamed.stop_reason).toBe(whole.stop_reason)
    expect(streamed.usage).toMatchObject({ input_tokens: 3, output_tokens: 5 })
  })

  test('raw stream: the events come in the protocol order, deltas stamped', async () => {
    const types: string[] = []
    const stamps: unknown[] = []
    for await (const event of await client().messages.create({ ...request, stream: true })) {
      types.push(event.type)
      if (event.type === 'content_block_delta') {
        stamps.push((event as unknown as { mock: { i: number } }).mock.i)
      }
    }
    expect(types.filter((type) => type !== 'content_block_delta')).toEqual([
      'message_start',
      'content_block_start',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
    expect(stamps).toEqual([0, 1, 2, 3, 4])
  })

  test('tool=1: JSON and stream use the first tool with the same input', async () => {
    const withTools = { ...request, model: 'mock/tool=1,n=4', tools }
    const whole = await client().messages.create(withTools)
    const streamed = await client().messages.stream(withTools).finalMessage()
    expect(whole.stop_reason).toBe('tool_use')
    expect(whole.content[0]).toMatchObject({
      type: 'tool_use',
      name: 'look_up',
      input: { value: expect.any(String) },
    })
    expect(streamed.stop_reason).toBe('tool_use')
    expect(streamed.content).toMatchObject(whole.content)
  })

  test('countTokens counts what messages will charge for input', async () => {
    const { input_tokens: counted } = await client().messages.countTokens({ model: 'claude-mock', messages })
    const message = await client().messages.create(request)
    expect(counted).toBe(message.usage.input_tokens)
  })

  test('models: listed in the Anthropic shape because of the version header', async () => {
    const models = []
    for await (const model of client().models.list()) models.push(model)
    expect(models[0]).toMatchObject({
      type: 'model',
      id: 'claude-mock',
      created_at: '2025-01-01T00:00:00.000Z',
    })
    expect(await client().models.retrieve('a/b')).toMatchObject({ type: 'model', id: 'a/b' })
  })

  test.each([
    [401, 'authentication_error'],
    [429, 'rate_limit_error'],
    [529, 'overloaded_error'],
  ])('err=1:%i reaches the client with its type and request id', async (status, type) => {
    const failing = client().messages.create({ ...request, model: `mock/err=1:${status}` })
    await expect(failing).rejects.toMatchObject({
      status,
      error: { type: 'error', error: { type }, request_id: 'req_mock_1' },
      requestID: 'req_mock_1',
    })
  })

  test('a message without max_tokens is refused as the provider would', async () => {
    const response = await fetch(`${mock.current.url}/v1/messages`, {
      method: 'POST',
      body: JSON.stringify({ model: 'claude-mock', messages }),
    })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } })
  })
})
