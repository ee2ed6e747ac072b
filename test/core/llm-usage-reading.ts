import { expect } from 'vitest'
import { BodyEnds, readStreamEnds } from '../../src/core/llm/usage-ends.ts'
import { StreamUsage } from '../../src/core/llm/usage-stream.ts'
import type { TokenCounts, UsageReading } from '../../src/core/llm/usage.ts'
import { eventsIn, piecesOf, stream } from './llm-usage-samples.ts'

export function fromEvents(bytes: Uint8Array): UsageReading {
  const usage = new StreamUsage()
  for (const event of eventsIn(bytes)) usage.event(event)
  return usage.reading()
}

export function fromEnds(bytes: Uint8Array, size = 1_000): UsageReading {
  const ends = new BodyEnds()
  for (const piece of piecesOf(bytes, size)) ends.push(piece)
  return readStreamEnds(ends)
}

/** Read in both ways, which must agree. */
export function read(...events: readonly unknown[]): UsageReading {
  const bytes = stream(...events)
  const reading = fromEvents(bytes)
  expect(fromEnds(bytes)).toEqual(reading)
  return reading
}

export const counts = (
  input: number | null,
  output: number | null,
  parts: Partial<TokenCounts> = {},
): TokenCounts => ({
  inputTokens: input,
  outputTokens: output,
  cachedInputTokens: null,
  cacheWriteTokens: null,
  reasoningTokens: null,
  ...parts,
})

export const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
export const text = { model: 'm', choices: [{ index: 0, delta: { content: 'Hi' } }] }
export const filler = Array.from({ length: 400 }, () => ({
  ...text,
  usage: null,
  obfuscation: 'x'.repeat(80),
}))
export const done = 'data: [DONE]\n\n'
export const start = (said: unknown) => ({ type: 'message_start', message: { model: 'claude', usage: said } })
export const messageEnd = (said: unknown) => ({ type: 'message_delta', delta: {}, usage: said })
