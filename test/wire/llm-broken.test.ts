import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Sequel } from '../support/gated-upstream.ts'
import { eventually, inParallel } from '../support/eventually.ts'
import { chunk } from '../support/http-message.ts'
import { llmFormats, llmRequest } from '../support/llm-formats.ts'
import { exchange } from '../support/raw-client.ts'
import { answerHead, wholeAnswer } from '../support/scripted-upstream.ts'
import {
  faultsOf,
  idleMs,
  points,
  resuming,
  run,
  startLlmLedger,
  totalMs,
  ways,
  type LlmLedger,
  type Policy,
  type Way,
} from '../support/llm-ledger.ts'

let ledger: LlmLedger

beforeAll(async () => {
  ledger = await startLlmLedger()
})

afterAll(() => ledger.close())

function breakAtAll(way: Way, policy: Policy, sequel: Sequel) {
  return inParallel(points, points.length, (pauseAt) =>
    run(ledger, { way, policy, pauseAt, sequel, turn: resuming }),
  )
}

const deaths = ways.flatMap((way) =>
  (['dies', 'dies in half an event'] as const).map((sequel) => ({ name: way.name, way, sequel })),
)

describe.each(deaths)('an upstream that $sequel at ten points of a stream: $name,', ({ way, sequel }) => {
  it('is charged once for at least what was delivered, and measured where it had said its usage', async () => {
    const runs = await breakAtAll(way, 'abort', sequel)
    expect(await faultsOf(ledger, runs, { endings: ['upstream_failed'], whole: false })).toEqual([])
  })
})

const times = [
  { policy: 'idle' as const, ending: 'idle_timeout', afterMs: idleMs },
  { policy: 'total' as const, ending: 'total_timeout', afterMs: totalMs },
]
const timeouts = ways.flatMap((way) =>
  times.map(({ policy, ending, afterMs }) => ({ name: way.name, way, policy, ending, afterMs })),
)

describe.each(timeouts)(
  'an upstream that falls silent, $ending, $name,',
  ({ way, policy, ending, afterMs }) => {
    it('is charged once for at least what was delivered, and measured where it had said its usage', async () => {
      const runs = await breakAtAll(way, policy, 'stays silent')
      expect(await faultsOf(ledger, runs, { endings: [ending], whole: false })).toEqual([])
      const openMs = runs.map(({ play, turnedMs }) => (play.closedMs ?? Infinity) - turnedMs)
      expect(openMs.filter((ms) => ms > afterMs + 600)).toEqual([])
    })
  },
)

describe('an upstream that goes on past the total time', () => {
  it.each(['/v1/fast', '/v1/fast/completions'])(
    'every 2 ms is stopped and is charged once for at least what was delivered: %s',
    async (path) => {
      const event = 'data: {"choices":[{"index":0,"delta":{"content":"four"}}]}\n\n'
      let sent = 0
      ledger.up.on(path, async (x) => {
        await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
        while (!x.left) {
          sent += 1
          await x.send(chunk(event))
          await x.wait(2)
        }
      })
      const { gateway, up } = ledger
      const request = llmRequest(llmFormats.chat, { key: gateway.key, more: { model: 'fast', stream: true } })
      const answer = await exchange(gateway, { ...request, path: `/total-strip-openai${path}` })
      expect(answer.tookMs).toBeLessThan(totalMs + 600)
      await eventually(() => up.requests(path).at(-1)?.closedMs != null, 1_000)
      const records = await gateway.recordsOf(answer.field('x-request-id') ?? '')
      expect(records).toEqual([expect.objectContaining({ ending: 'total_timeout' })])
      const received = answer.text.split('four').length - 1
      expect(received).toBeGreaterThan(50)
      expect(records[0]?.usage?.outputTokens).toBeGreaterThanOrEqual(received)
      expect(records[0]?.usage?.outputTokens).toBeLessThanOrEqual(sent)
    },
  )
})

const words = 'data: {"model":"m","choices":[{"index":0,"delta":{"content":"four"}}]}\n\n'.repeat(5)
const anthropicStart =
  'event: message_start\ndata: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":7,"output_tokens":1}}}\n\n'
const anthropicWords =
  'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"four"}}\n\n'.repeat(
    5,
  )
const responsesWords =
  'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"four"}\n\n'.repeat(
    5,
  )
const atLeastFive = expect.toSatisfy((count: number) => count >= 5 && count <= 8) as number
const estimated = { outputTokens: atLeastFive, source: 'estimated' }

/** Errors that providers report in a stream that began as a success. */
const errorStreams = [
  {
    name: 'an error chunk of OpenAI',
    way: 0,
    stream: `${words}data: {"error":{"message":"overloaded","type":"server_error"}}\n\n`,
    usage: estimated,
  },
  {
    name: 'an error chunk of OpenAI, where the gateway asked for usage',
    way: 1,
    stream: `${words}data: {"error":{"message":"overloaded","type":"server_error"}}\n\n`,
    usage: estimated,
  },
  {
    name: 'an error event of Groq',
    way: 0,
    stream: `${words}event: error\ndata: {"error":{"message":"failed_generation"}}\n\n`,
    usage: estimated,
  },
  {
    name: 'an error chunk of OpenRouter that bears usage',
    way: 0,
    stream: `${words}data: {"error":{"code":502},"choices":[{"index":0,"delta":{},"finish_reason":"error"}],"usage":{"prompt_tokens":9,"completion_tokens":6}}\n\n`,
    usage: { inputTokens: 9, outputTokens: 6, source: 'measured' },
  },
  {
    name: 'an error event of Anthropic',
    way: 4,
    stream: `${anthropicStart}${anthropicWords}event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n`,
    usage: { inputTokens: 7, ...estimated },
  },
  {
    name: 'a failed response that bears usage',
    way: 3,
    stream: `${responsesWords}event: response.failed\ndata: {"type":"response.failed","response":{"model":"m","status":"failed","error":{"code":"x"},"usage":{"input_tokens":9,"output_tokens":6}}}\n\n`,
    usage: { inputTokens: 9, outputTokens: 6, source: 'measured' },
  },
  {
    name: 'an error event of Responses',
    way: 3,
    stream: `${responsesWords}event: error\ndata: {"type":"error","code":"x","message":"y"}\n\n`,
    usage: estimated,
  },
]

describe('a stream in which the provider reports an error', () => {
  it.each(errorStreams)('passes untouched and is charged once: $name', async ({ way: at, stream, usage }) => {
    const way = ways[at]
    if (way === undefined) throw new Error('no such way')
    const { format, more, tier } = way
    ledger.up.on(format.path, async (x) => {
      await x.bodyEnd()
      await x.send(wholeAnswer(200, { 'content-type': 'text/event-stream' }, stream))
    })
    const prefix = `/abort-strip-${format.dialect}`
    const { gateway } = ledger
    const request = llmRequest(format, {
      prefix,
      key: gateway.key,
      more: { ...more, model: 'm', stream: true },
    })
    const answer = await exchange(gateway, request)
    expect(answer).toMatchObject({ status: 200, text: stream, ended: 'complete' })
    expect(await gateway.recordsOf(answer.field('x-request-id') ?? '')).toEqual([
      expect.objectContaining({ tier, ending: 'complete', usage: expect.objectContaining(usage) as unknown }),
    ])
  })
})
