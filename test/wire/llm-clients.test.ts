import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import Anthropic from '@anthropic-ai/sdk'
import { APICallError, generateText, jsonSchema, streamText } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startMock, type RunningMock } from '../../bench/mock/server.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { collect, essence, rejection } from '../support/sdk-world.ts'

globalThis.AI_SDK_LOG_WARNINGS = false

let mock: RunningMock
let gateway: GatewayUnderTest
/** A key that may use one model. */
let limited: string

const model = 'mock/n=12,size=9,seed=7'
const toolModel = 'mock/tool=1,n=5,size=6'
const aliases = { friendly: model, tooly: toolModel }

beforeAll(async () => {
  mock = await startMock()
  const routes = ['openai', 'anthropic'].flatMap((upstream) => {
    const route = (name: string, policy: object) => ({
      id: `${name}-${upstream}`,
      path: `/${name}-${upstream}/*`,
      rewrite: '/*',
      upstream,
      ...policy,
    })
    return [
      route('alias', { models: { aliases } }),
      route('pass', { streams: { usage: 'pass' } }),
      route('never', { streams: { usage: 'never' } }),
    ]
  })
  gateway = await startGatewayUnderTest({ upstreamUrl: mock.url, routes })
  limited = (await gateway.newKey({ models: { allow: [model] } })).key
})

afterAll(async () => {
  await gateway.close()
  await mock.close()
})

interface Place {
  readonly url: string
  readonly key: string
}

const direct = (): Place => ({ url: mock.url, key: 'sk-of-the-provider' })
const through = (prefix = '', key = gateway.key): Place => ({ url: `${gateway.url}${prefix}`, key })

function openai({ url, key }: Place): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 })
}

function anthropic({ url, key }: Place): Anthropic {
  return new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 })
}

function compatible({ url, key }: Place, includeUsage: boolean) {
  return createOpenAICompatible({ name: 'mock', baseURL: `${url}/v1`, apiKey: key, includeUsage })
}

const messages = [{ role: 'user' as const, content: 'Grüße aus 東京' }]
const schema = { type: 'object' as const, properties: { value: { type: 'string' } } }
const chatTools = [{ type: 'function' as const, function: { name: 'look_up', parameters: schema } }]
const anthropicTools = [{ name: 'look_up', input_schema: schema }]
const aiTools = { look_up: { description: 'Looks up.', inputSchema: jsonSchema(schema) } }
const withUsage = { stream_options: { include_usage: true } }

/** A call by an official client; the models are what the place calls them. */
type CallWith = (place: Place, names: { readonly text: string; readonly tool: string }) => Promise<unknown>

const calls: Readonly<Record<string, CallWith>> = {
  'openai, chat': async (place, { text }) => openai(place).chat.completions.create({ model: text, messages }),
  'openai, chat with a tool': async (place, { tool }) =>
    openai(place).chat.completions.create({ model: tool, messages, tools: chatTools }),
  'openai, chat stream': async (place, { text }) =>
    collect(await openai(place).chat.completions.create({ model: text, messages, stream: true })),
  'openai, chat stream with usage': async (place, { text }) =>
    collect(
      await openai(place).chat.completions.create({ model: text, messages, stream: true, ...withUsage }),
    ),
  'openai, chat stream with a tool': async (place, { tool }) =>
    collect(
      await openai(place).chat.completions.create({ model: tool, messages, stream: true, tools: chatTools }),
    ),
  'openai, chat stream helper with a tool and usage': async (place, { tool }) =>
    openai(place)
      .chat.completions.stream({ model: tool, messages, tools: chatTools, ...withUsage })
      .finalChatCompletion(),
  'openai, responses stream': async (place, { text }) =>
    collect(await openai(place).responses.create({ model: text, input: 'x', stream: true })),
  'openai, embeddings': async (place, { text }) =>
    openai(place).embeddings.create({ model: text, input: 'x', dimensions: 8 }),
  'anthropic, message': async (place, { text }) =>
    anthropic(place).messages.create({ model: text, messages, max_tokens: 9 }),
  'anthropic, stream with a tool': async (place, { tool }) =>
    anthropic(place)
      .messages.stream({ model: tool, messages, max_tokens: 9, tools: anthropicTools })
      .finalMessage(),
  'anthropic, every event': async (place, { text }) =>
    collect(await anthropic(place).messages.create({ model: text, messages, max_tokens: 9, stream: true })),
  'ai, stream with usage': async (place, { text }) => aiParts(place, text, true),
  'ai, stream without usage': async (place, { text }) => aiParts(place, text, false),
  'ai, stream with a tool, without usage': async (place, { tool }) => aiParts(place, tool, false),
  'ai, generate': async (place, { text }) => {
    const {
      usage,
      finishReason,
      text: said,
    } = await generateText({
      model: compatible(place, false)(text),
      prompt: 'x',
    })
    return { usage, finishReason, said }
  },
}

async function aiParts(place: Place, name: string, includeUsage: boolean): Promise<unknown> {
  const result = streamText({ model: compatible(place, includeUsage)(name), prompt: 'x', tools: aiTools })
  const parts = await collect(result.fullStream)
  const said = [await result.text, await result.usage, await result.finishReason]
  const toolCalls = (await result.toolCalls).map(({ toolName, input }) => ({
    toolName,
    input,
  }))
  return { kinds: parts.map(({ type }) => type), said, toolCalls }
}

const own = { text: model, tool: toolModel }
const friendly = { text: 'friendly', tool: 'tooly' }
const dialectOf = (name: string) => (name.startsWith('anthropic') ? 'anthropic' : 'openai')

describe('an official client gets through the gateway what it gets from the provider:', () => {
  it.each(Object.entries(calls))('%s', async (_name, call) => {
    const expected = essence(await call(direct(), own))
    expect(expected).toBeTruthy()
    expect(essence(await call(through(), own))).toEqual(expected)
  })

  it.each(Object.entries(calls))('%s, where the gateway never asks for usage', async (name, call) => {
    const prefix = `/never-${dialectOf(name)}`
    expect(essence(await call(through(prefix), own))).toEqual(essence(await call(direct(), own)))
  })

  it.each(Object.entries(calls))('%s, under an alias of the model', async (name, call) => {
    const prefix = `/alias-${dialectOf(name)}`
    expect(essence(await call(through(prefix), friendly))).toEqual(essence(await call(direct(), own)))
  })

  it('a chat stream with the usage the gateway asked for, where the route passes it on', async () => {
    const asked = { model, messages, stream: true } as const
    const passed = await collect(await openai(through('/pass-openai')).chat.completions.create(asked))
    const expected = await collect(await openai(direct()).chat.completions.create({ ...asked, ...withUsage }))
    expect(essence(passed)).toEqual(essence(expected))
    expect(passed.at(-1)?.usage?.completion_tokens).toBe(12)
  })
})

type OpenAiError = InstanceType<typeof OpenAI.APIError>
type AnthropicError = InstanceType<typeof Anthropic.APIError>

describe('a key that may not use a model is told in the client’s own words', () => {
  const denied = { text: 'mock/n=3', tool: 'mock/n=3' }

  it.each(['openai, chat', 'openai, chat stream', 'openai, responses stream', 'openai, embeddings'])(
    'PermissionDeniedError of openai: %s',
    async (name) => {
      mock.reset()
      const error = (await rejection(callOf(name)(through('', limited), denied))) as OpenAiError
      expect(error).toBeInstanceOf(OpenAI.PermissionDeniedError)
      expect(error).toMatchObject({ status: 403, code: 'model_not_allowed' })
      expect(error.requestID).toMatch(/^[0-9a-f]{32}$/)
      expect(mock.stats().requests).toBe(0)
    },
  )

  it.each(['anthropic, message', 'anthropic, every event'])(
    'PermissionDeniedError of Anthropic: %s',
    async (name) => {
      mock.reset()
      const error = (await rejection(callOf(name)(through('', limited), denied))) as AnthropicError
      expect(error).toBeInstanceOf(Anthropic.PermissionDeniedError)
      expect(error.error).toMatchObject({ type: 'error', error: { type: 'permission_error' } })
      expect(error.requestID).toMatch(/^[0-9a-f]{32}$/)
      expect(mock.stats().requests).toBe(0)
    },
  )

  it('and ai, which does not try again', async () => {
    mock.reset()
    const error = await rejection(callOf('ai, generate')(through('', limited), denied))
    expect(APICallError.isInstance(error)).toBe(true)
    expect(error).toMatchObject({ statusCode: 403, isRetryable: false })
    expect(mock.stats().requests).toBe(0)
  })

  it('while the one it may use answers', async () => {
    const allowed = await callOf('openai, chat stream')(through('', limited), own)
    expect(essence(allowed)).toEqual(essence(await callOf('openai, chat stream')(direct(), own)))
    const listed = await collect(openai(through('', limited)).models.list())
    expect(listed.map(({ id }) => id)).toEqual([])
  })
})

function callOf(name: string): CallWith {
  const call = calls[name]
  if (call === undefined) throw new Error(`no call ${name}`)
  return call
}

describe('the list of models', () => {
  it('shows aliases to the openai client, in its own shape', async () => {
    const listed = await collect(openai(through('/alias-openai')).models.list())
    const upstreams = await collect(openai(direct()).models.list())
    expect(essence(listed.slice(0, upstreams.length))).toEqual(essence(upstreams))
    expect(listed.slice(upstreams.length)).toEqual([
      expect.objectContaining({ id: 'friendly', object: 'model' }),
      expect.objectContaining({ id: 'tooly', object: 'model' }),
    ])
  })

  it('shows aliases to the Anthropic client, in its own shape', async () => {
    const listed = await collect(anthropic(through('/alias-anthropic')).models.list())
    const upstreams = await collect(anthropic(direct()).models.list())
    expect(listed.slice(0, upstreams.length)).toEqual(upstreams)
    expect(listed.slice(upstreams.length)).toEqual([
      expect.objectContaining({ id: 'friendly', type: 'model' }),
      expect.objectContaining({ id: 'tooly', type: 'model' }),
    ])
  })
})
