import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, jsonSchema, streamText, type LanguageModel, type ToolSet } from 'ai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { collect, essence, rejection, startSdkWorld, type SdkWorld } from '../support/sdk-world.ts'

globalThis.AI_SDK_LOG_WARNINGS = false

let world: SdkWorld

beforeAll(async () => {
  world = await startSdkWorld()
})

afterAll(() => world.close())

/** Where a provider package calls, and with which key. */
interface Place {
  readonly baseURL: string
  readonly apiKey: string
}

type MakeModel = (place: Place, model: string) => LanguageModel

const providers: Readonly<Record<string, MakeModel>> = {
  'openai chat': (place, model) => createOpenAI(place).chat(model),
  'openai responses': (place, model) => createOpenAI(place).responses(model),
  'openai-compatible': (place, model) =>
    createOpenAICompatible({ name: 'mock', ...place, includeUsage: true })(model),
  anthropic: (place, model) => createAnthropic(place)(model),
}

function direct(): Place {
  return { baseURL: `${world.mock.url}/v1`, apiKey: 'sk-of-the-provider' }
}

function through(apiKey = world.gateway.key): Place {
  return { baseURL: `${world.gateway.url}/v1`, apiKey }
}

const prompt = 'Grüße aus 東京'
const textModel = 'mock/n=12,size=9,seed=7'
const toolModel = 'mock/tool=1,n=5,size=6'
const tools: ToolSet = {
  look_up: {
    description: 'Looks a value up.',
    inputSchema: jsonSchema({
      type: 'object',
      properties: { value: { type: 'string' } },
      required: ['value'],
    }),
  },
}

async function generated(model: LanguageModel): Promise<unknown> {
  const { text, usage, finishReason, toolCalls } = await generateText({ model, prompt, tools })
  const calls = toolCalls.map(({ toolName, input }) => ({ toolName, input: input as unknown }))
  return essence({ text, usage, finishReason, calls })
}

async function streamed(model: LanguageModel): Promise<unknown> {
  const result = streamText({ model, prompt, tools })
  const parts = await collect(result.fullStream)
  return essence({ kinds: parts.map(({ type }) => type), text: await result.text, usage: await result.usage })
}

describe.each(Object.entries(providers))(
  'Vercel ai with %s, through the gateway as from the provider,',
  (_name, make) => {
    it('generates the same text, usage and finish reason', async () => {
      const expected = await generated(make(direct(), textModel))
      expect(expected).toMatchObject({
        text: expect.stringMatching(/^.{108}$/) as string,
        usage: { outputTokens: 12 },
        finishReason: 'stop',
      })
      expect(await generated(make(through(), textModel))).toEqual(expected)
    })

    it('calls the same tool with the same arguments', async () => {
      const expected = await generated(make(direct(), toolModel))
      expect(expected).toMatchObject({ finishReason: 'tool-calls', calls: [{ toolName: 'look_up' }] })
      expect(await generated(make(through(), toolModel))).toEqual(expected)
    })

    it.each([
      ['text', textModel],
      ['a tool call', toolModel],
    ])('streams the same parts: %s', async (_what, model) => {
      const expected = await streamed(make(direct(), model))
      expect(JSON.stringify(expected)).not.toContain('"error"')
      expect(await streamed(make(through(), model))).toEqual(expected)
    })

    it('closes the provider’s stream within a second when it is aborted', async () => {
      world.mock.reset()
      const abort = new AbortController()
      const model = make(through(), 'mock/itl=50,n=200')
      const { textStream } = streamText({ model, prompt, abortSignal: abort.signal, onError: () => {} })
      let letters = 0
      for await (const text of textStream) {
        letters += text.length
        if (letters >= 12) abort.abort()
      }
      await eventually(() => world.mock.stats().aborted === 1, 1_000)
    })

    it('is told of a wrong key in words it can read', async () => {
      const model = make(through('slc_t1_not_a_key'), textModel)
      const error = await rejection(generateText({ model, prompt, maxRetries: 0 }))
      expect(APICallError.isInstance(error)).toBe(true)
      expect(error).toMatchObject({
        statusCode: 401,
        isRetryable: false,
        message: 'The gateway key is not valid; check it or ask for a new one.',
      })
    })
  },
)
