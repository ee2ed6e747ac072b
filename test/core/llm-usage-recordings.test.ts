import { describe, expect, it } from 'vitest'
import { BodyEnds, readStreamEnds } from '../../src/core/llm/usage-ends.ts'
import { StreamUsage } from '../../src/core/llm/usage-stream.ts'
import type { UsageReading } from '../../src/core/llm/usage.ts'
import { Tail } from '../../src/core/stream/sse-tail.ts'
import { corpus, eventsIn, ownRecordings, pieceSizes, piecesOf, type Recording } from './llm-usage-samples.ts'
import { chatUsage, messageUsage, responsesUsage, type SdkUsage } from './llm-usage-sdk.ts'

/** Small pieces would each copy a whole tail, so theirs is short. */
function fromEnds(bytes: Uint8Array, size: number, tailBytes = size < 300 ? 2_048 : 16_384): UsageReading {
  const ends = new BodyEnds(new Tail(tailBytes))
  for (const piece of piecesOf(bytes, size)) ends.push(piece)
  return readStreamEnds(ends)
}

function fromEvents(bytes: Uint8Array): UsageReading {
  const usage = new StreamUsage()
  for (const event of eventsIn(bytes)) usage.event(event)
  return usage.reading()
}

/** Which official client reads a stream, by the words in it. */
function clientFor(bytes: Uint8Array): (pieces: Iterable<Uint8Array>) => Promise<SdkUsage | null> {
  const start = new TextDecoder().decode(bytes)
  if (start.includes('"message_start"')) return messageUsage
  return start.includes('"response.created"') ? responsesUsage : chatUsage
}

function asSdk({ counts, outputIsFinal }: UsageReading): SdkUsage | null {
  if (counts === null || counts.inputTokens === null || counts.outputTokens === null) return null
  expect(outputIsFinal).toBe(true)
  const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = counts
  return { input: inputTokens, output: outputTokens, cached: cachedInputTokens, reasoning: reasoningTokens }
}

/** Streams without JSON, which no official client reads. */
const plain = new Set(['ends-without-blank-line', 'plain-events-cr-bom'])
const streams: readonly Recording[] = [...ownRecordings.filter(({ name }) => !plain.has(name)), ...corpus]
/** Its client throws the chunk away that bears both an error and the usage; what it says is charged all the same. */
const throwsUsageAway = new Set(['usage-openrouter-error'])

describe('usage of a recorded stream is what the official client reports', () => {
  it.each(streams.filter(({ name }) => !throwsUsageAway.has(name)))('$name', async ({ bytes }) => {
    const expected = await clientFor(bytes)(piecesOf(bytes, 4096))
    expect(asSdk(fromEvents(bytes))).toEqual(expected)
    for (const size of pieceSizes) expect(asSdk(fromEnds(bytes, size))).toEqual(expected)
  })
})

describe('the two ends of a recorded stream say what all of its events say', () => {
  it.each(streams)('$name', ({ bytes }) => {
    const whole = fromEvents(bytes)
    for (const size of pieceSizes) expect(fromEnds(bytes, size)).toEqual(whole)
  })
})

describe('recorded streams (SSE_CORPUS)', () => {
  it.runIf(corpus.length > 0)('bear usage, all but the two that end with an error', () => {
    const without = corpus.filter(({ bytes }) => fromEvents(bytes).counts === null).map(({ name }) => name)
    expect(without).toEqual(['groq-chat-0105', 'groq-chat-0108'])
    const failed = corpus.filter(({ bytes }) => fromEvents(bytes).endedWithError).map(({ name }) => name)
    expect(failed).toEqual(without)
  })

  it.runIf(corpus.length > 0)('end with their last event, all but those two, and name their model', () => {
    const unended = corpus.filter(({ bytes }) => !fromEvents(bytes).sawTerminal).map(({ name }) => name)
    expect(unended).toEqual(['groq-chat-0105', 'groq-chat-0108'])
    expect(corpus.filter(({ bytes }) => fromEvents(bytes).model === null)).toEqual([])
  })
})
