import { Buffer } from 'node:buffer'
import { setImmediate as nextTurn } from 'node:timers/promises'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { corpus, ownRecordings, piecesOf, type Recording } from '../core/llm-usage-samples.ts'
import { chatUsage, messageUsage, responsesUsage, type SdkUsage } from '../core/llm-usage-sdk.ts'
import { inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, lastChunk } from '../support/http-message.ts'
import { llmFormats, llmRequest, type LlmFormatName } from '../support/llm-formats.ts'
import { settled } from '../support/llm-ledger.ts'
import { exchange } from '../support/raw-client.ts'
import { answerHead, startScriptedUpstream, type ScriptedUpstream } from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest
/** What the upstream writes for a mark. */
const replays = new Map<string, readonly Buffer[]>()

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('*', async (x) => {
    await x.bodyEnd()
    await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
    for (const write of replays.get(x.request.field('x-mark') ?? '') ?? []) {
      await x.send(write)
      await nextTurn()
    }
    await x.send(lastChunk)
  })
  gateway = await startGatewayUnderTest({ upstreamUrl: up.url })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

const atOnce = 8
/** Pieces that leave in one write: apart, byte by byte, they would only take longer. */
const bytesPerWrite = 1_024

/** The stream as chunks of one size, gathered into writes. */
function framed(stream: Uint8Array, size: number): readonly Buffer[] {
  const writes: Buffer[] = []
  const step = Math.max(size, bytesPerWrite)
  for (let at = 0; at < stream.length; at += step) {
    const part = stream.slice(at, at + step)
    writes.push(Buffer.concat(Array.from(piecesOf(part, size), (piece) => chunk(piece))))
  }
  return writes
}

/** Which of the formats a recorded stream is in, by the words in it. */
function formatOf({ bytes }: Recording): LlmFormatName {
  const text = Buffer.from(bytes).toString()
  if (text.includes('"message_start"')) return 'messages'
  return text.includes('"response.created"') ? 'responses' : 'chat'
}

/** Its client throws the chunk away that bears both an error and the usage. */
const thrownAway: Readonly<Record<string, SdkUsage>> = {
  'usage-openrouter-error': { input: 9, output: 4, cached: null, reasoning: 0 },
}
const readers = { chat: chatUsage, responses: responsesUsage, messages: messageUsage }

/** What the provider's own client says a recorded stream used. */
async function officialUsage(recording: Recording): Promise<SdkUsage | null> {
  const known = thrownAway[recording.name]
  return known ?? readers[formatOf(recording)](piecesOf(recording.bytes, 4096))
}

/** The usage of a record in the official client's words; null where the gateway had to estimate it. */
async function recordedUsage(mark: string): Promise<{ tier: string; usage: SdkUsage | null } | string> {
  const [records = []] = await settled({ gateway }, [mark])
  const [record] = records
  if (record === undefined || records.length !== 1) return `${records.length} records`
  const { tier, usage } = record
  if (usage === null) return 'no usage'
  const { inputTokens: input, outputTokens: output } = usage
  const said = { input, output, cached: usage.cachedInputTokens, reasoning: usage.reasoningTokens }
  return { tier, usage: usage.source === 'measured' ? said : null }
}

/** Streams without JSON, which no official client reads. */
const plain = new Set(['ends-without-blank-line', 'plain-events-cr-bom'])
const own = ownRecordings.filter(({ name }) => !plain.has(name))
const asking = { stream: true, stream_options: { include_usage: true } }

/** What differs between a recorded stream and what came through the tap; empty when nothing does. */
async function tapFaults(recording: Recording, size: number): Promise<readonly string[]> {
  const { name, bytes } = recording
  const mark = `tap ${name} ${size}`
  replays.set(mark, framed(bytes, size))
  const format = llmFormats[formatOf(recording)]
  const more = { model: 'm', ...(format.name === 'chat' ? asking : { stream: true }) }
  const request = llmRequest(format, { key: gateway.key, more })
  const headers = { ...request.headers, 'x-mark': mark, 'x-request-id': mark.replaceAll(' ', '_') }
  const answer = await exchange(gateway, { ...request, headers })
  const recorded = await recordedUsage(headers['x-request-id'])
  const expected = { tier: 'tap', usage: await officialUsage(recording) }
  const same = answer.body.equals(bytes) && answer.ended === 'complete'
  return [
    ...(same ? [] : [`${name}: other bytes`]),
    ...(JSON.stringify(recorded) === JSON.stringify(expected)
      ? []
      : [`${name}: ${JSON.stringify(recorded)}, not ${JSON.stringify(expected)}`]),
  ]
}

/** What differs between a chat stream as the official client sees it through the pump and without a gateway. */
async function pumpFaults(recording: Recording, size: number): Promise<readonly string[]> {
  const mark = `pump-${recording.name}-${size}`
  replays.set(mark, framed(recording.bytes, size))
  const through = await chunksSeen(`${gateway.url}/v1`, mark)
  const direct = await chunksSeen(`${up.url}/v1`, mark)
  const expected = { ...direct, chunks: direct.chunks.filter((each) => !isUsageChunk(each)) }
  const recorded = await recordedUsage(mark)
  const expectedUsage = { tier: 'pump', usage: await officialUsage(recording) }
  return [
    ...(JSON.stringify(through) === JSON.stringify(expected) ? [] : [`${recording.name}: other chunks`]),
    ...(JSON.stringify(recorded) === JSON.stringify(expectedUsage)
      ? []
      : [`${recording.name}: ${JSON.stringify(recorded)}, not ${JSON.stringify(expectedUsage)}`]),
  ]
}

type Chunk = OpenAI.ChatCompletionChunk

function isUsageChunk({ choices, usage }: Chunk): boolean {
  return choices.length === 0 && usage !== null && usage !== undefined
}

/** Every chunk that the openai client iterates over, and what it throws. */
async function chunksSeen(baseURL: string, mark: string): Promise<{ chunks: Chunk[]; error: string | null }> {
  const defaultHeaders = { 'x-mark': mark, 'x-request-id': mark }
  const client = new OpenAI({ baseURL, apiKey: gateway.key, maxRetries: 0, defaultHeaders })
  const chunks: Chunk[] = []
  try {
    const stream = await client.chat.completions.create({ model: 'm', messages: [], stream: true })
    for await (const each of stream) chunks.push(each)
    return { chunks, error: null }
  } catch (error) {
    return { chunks, error: String(error) }
  }
}

function sweep(recordings: readonly Recording[], work: (each: Recording) => Promise<readonly string[]>) {
  return inParallel(recordings, atOnce, work).then((faults) => faults.flat())
}

const sizes = [1, 7, 300, Number.MAX_SAFE_INTEGER]
const corpusSizes = sizes.slice(2)
const isChat = (recording: Recording) => formatOf(recording) === 'chat'

describe('streams of this project', () => {
  it.each(sizes)(
    'pass the tap byte for byte, with the official client’s usage, in pieces of %d',
    async (size) => {
      expect(own.length).toBeGreaterThanOrEqual(7)
      expect(await sweep(own, (each) => tapFaults(each, size))).toEqual([])
    },
  )

  it.each(sizes)('lose nothing but the usage chunk in the pump, in pieces of %d', async (size) => {
    expect(own.filter(isChat).length).toBeGreaterThanOrEqual(4)
    expect(await sweep(own.filter(isChat), (each) => pumpFaults(each, size))).toEqual([])
  })
})

describe.skipIf(corpus.length === 0)('recorded streams of providers (SSE_CORPUS)', () => {
  it.each(corpusSizes)(
    'pass the tap byte for byte, with the official client’s usage, in pieces of %d',
    async (size) => {
      expect(await sweep(corpus, (each) => tapFaults(each, size))).toEqual([])
    },
  )

  it.each(corpusSizes)('lose nothing but the usage chunk in the pump, in pieces of %d', async (size) => {
    expect(await sweep(corpus.filter(isChat), (each) => pumpFaults(each, size))).toEqual([])
  })
})
