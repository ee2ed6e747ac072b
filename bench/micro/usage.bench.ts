/**
 * A module for `workerd bench`: what metering costs beside the bytes themselves. Each case goes over one whole stream,
 * in pieces as the tap tier reads them (64 KB) or event by event as the pump tier does; divide by the bytes or events
 * that the names give.
 */
import { BodyEnds, readStreamEnds } from '../../src/core/llm/usage-ends.ts'
import { StreamUsage } from '../../src/core/llm/usage-stream.ts'
import { VisibleTextCounter } from '../../src/core/llm/visible-text.ts'

interface Bench {
  run(name: string, measured: () => unknown): void
  blackBox(value: unknown): void
}

const eventsCount = 1_000
const pieceBytes = 65_536
const encoder = new TextEncoder()
const words = ['The', ' gateway', ' reads', ',', ' "quoted"', ' \n', ' žluťoučký', ' and', ' counts', '.']

function chatEvents(): string[] {
  const shared = {
    id: 'chatcmpl-C1KMEUDb1vVwsROQUCZTgG6A6vtWo',
    object: 'chat.completion.chunk',
    created: 1754432618,
    model: 'gpt-4o-2024-08-06',
    service_tier: 'default',
    system_fingerprint: 'fp_ff25b2783a',
  }
  const chunk = (n: number) => ({
    ...shared,
    usage: null,
    choices: [{ index: 0, delta: { content: words[n % 10] }, logprobs: null, finish_reason: null }],
    obfuscation: 'jP9abrn9XF3x2Q'.slice(n % 10),
  })
  const usage = { prompt_tokens: 364, completion_tokens: eventsCount, total_tokens: 364 + eventsCount }
  const chunks = [
    ...Array.from({ length: eventsCount }, (_, n) => chunk(n)),
    { ...shared, choices: [], usage },
  ]
  return [...chunks.map((each) => `data: ${JSON.stringify(each)}\n\n`), 'data: [DONE]\n\n']
}

function messageDelta(n: number): { readonly type: string } {
  const delta = { type: 'text_delta', text: words[n % 10] }
  return Object.assign({ type: 'content_block_delta', index: 0 }, { delta })
}

function messageEvents(): string[] {
  const usage = { input_tokens: 10, cache_read_input_tokens: 5, output_tokens: 1 }
  const events = [
    { type: 'message_start', message: { model: 'claude-sonnet-4-6', content: [], usage } },
    ...Array.from({ length: eventsCount }, (_, n) => messageDelta(n)),
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: eventsCount } },
    { type: 'message_stop' },
  ]
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
}

/** One event of the size of the largest recorded answers, with little text in it. */
function longEvents(): string[] {
  const tools = Array.from({ length: 300 }, (_, n) => ({
    type: 'function',
    name: `tool_${n}`,
    description: 'Looks up an exchange rate between two currencies, as of today. '.repeat(4),
    parameters: { type: 'object', properties: { usage: { type: 'string' } } },
  }))
  const usage = { input_tokens: 30_000, output_tokens: 12, total_tokens: 30_012 }
  const response = { model: 'gpt-5.4', tools, usage, metadata: {} }
  return [
    `data: ${JSON.stringify({ type: 'response.output_text.delta', delta: 'Hi' })}\n\n`,
    `data: ${JSON.stringify({ type: 'response.completed', response })}\n\n`,
  ]
}

function piecesOf(text: string): Uint8Array[] {
  const bytes = encoder.encode(text)
  const count = Math.ceil(bytes.length / pieceBytes)
  return Array.from({ length: count }, (_, n) => bytes.subarray(n * pieceBytes, (n + 1) * pieceBytes))
}

function countText(pieces: readonly Uint8Array[]): number {
  const counter = new VisibleTextCounter('events')
  for (const piece of pieces) counter.push(piece)
  return counter.bytes
}

function sumOfBytes(pieces: readonly Uint8Array[]): number {
  let sum = 0
  for (const piece of pieces) for (let at = 0; at < piece.length; at += 1) sum += piece[at] ?? 0
  return sum
}

function readEnds(pieces: readonly Uint8Array[]): number | null | undefined {
  const ends = new BodyEnds()
  for (const piece of pieces) ends.push(piece)
  return readStreamEnds(ends).counts?.outputTokens
}

function readEvents(events: readonly Uint8Array[]): number | null | undefined {
  const usage = new StreamUsage()
  for (const event of events) usage.event(event)
  return usage.reading().counts?.outputTokens
}

export default {
  bench(b: Bench): void {
    const streams = { chat: chatEvents(), messages: messageEvents(), long: longEvents() }
    for (const [name, events] of Object.entries(streams)) {
      const pieces = piecesOf(events.join(''))
      const encoded = events.map((event) => encoder.encode(event))
      const bytes = pieces.reduce((sum, { length }) => sum + length, 0)
      const output = readEnds(pieces)
      if (countText(pieces) === 0 || typeof output !== 'number' || output !== readEvents(encoded))
        throw new Error(`the two ways of reading ${name} do not agree`)
      b.run(`text-${name}-${bytes}B`, () => b.blackBox(countText(pieces)))
      b.run(`walk-${name}-${bytes}B`, () => b.blackBox(sumOfBytes(pieces)))
      b.run(`ends-${name}-${bytes}B`, () => b.blackBox(readEnds(pieces)))
      b.run(`events-${name}-${events.length}`, () => b.blackBox(readEvents(encoded)))
    }
  },
}
