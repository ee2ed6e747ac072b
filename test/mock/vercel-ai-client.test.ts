import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, streamText } from 'ai'
import type { LanguageModel } from 'ai'
import { describe, expect, test } from 'vitest'
import { runningMock } from './running.ts'

const mock = runningMock()
const MODEL = 'mock/n=6,size=8'
globalThis.AI_SDK_LOG_WARNINGS = false

/** Every provider package validates each chunk against a strict schema of its own. */
const MODELS: [name: string, model: () => LanguageModel][] = [
  ['openai chat', () => createOpenAI({ apiKey: 'k', baseURL: `${mock.current.url}/v1` }).chat(MODEL)],
  [
    'openai responses',
    () => createOpenAI({ apiKey: 'k', baseURL: `${mock.current.url}/v1` }).responses(MODEL),
  ],
  [
    'openai-compatible',
    () =>
      createOpenAICompatible({ name: 'mock', baseURL: `${mock.current.url}/v1`, includeUsage: true })(MODEL),
  ],
  ['anthropic', () => createAnthropic({ apiKey: 'k', baseURL: `${mock.current.url}/v1` })(MODEL)],
]

describe.each(MODELS)('Vercel ai with %s', (_name, model) => {
  test('generateText has the text and the usage', async () => {
    const { text, usage, finishReason } = await generateText({ model: model(), prompt: 'twelve bytes' })
    expect(text).toHaveLength(48)
    expect(usage).toMatchObject({ inputTokens: 3, outputTokens: 6 })
    expect(finishReason).toBe('stop')
  })

  test('streamText streams n deltas and no error part', async () => {
    const result = streamText({ model: model(), prompt: 'twelve bytes' })
    const kinds = new Map<string, number>()
    for await (const part of result.fullStream) kinds.set(part.type, (kinds.get(part.type) ?? 0) + 1)
    expect(kinds.get('error')).toBeUndefined()
    expect(kinds.get('text-delta')).toBe(6)
    expect(await result.usage).toMatchObject({ inputTokens: 3, outputTokens: 6 })
    expect(await result.finishReason).toBe('stop')
  })
})
