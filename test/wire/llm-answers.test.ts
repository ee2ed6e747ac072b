import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, lastChunk } from '../support/http-message.ts'
import { exchange } from '../support/raw-client.ts'
import {
  answerHead,
  startScriptedUpstream,
  wholeAnswer,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  up = await startScriptedUpstream()
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    prices: {
      'priced-*': { input: 2.5, cachedInput: 1.25, cacheWrite: 3, output: 10 },
      'priced-exactly': { input: 1000, output: 1000 },
    },
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

const nothing = { cachedInputTokens: null, cacheWriteTokens: null, reasoningTokens: null }
const message = { role: 'assistant', content: 'Grüße aus 東京, und noch ein paar Worte mehr.' }
const choices = [{ index: 0, message, finish_reason: 'stop' }]
const output = [{ type: 'message', content: [{ type: 'output_text', text: message.content }] }]
const textBytes = new TextEncoder().encode(message.content).length

interface Case {
  readonly name: string
  readonly path: string
  readonly answer: Readonly<Record<string, unknown>>
  readonly usage: object | null
}

const generated: readonly Case[] = [
  {
    name: 'a chat completion',
    path: '/v1/chat/completions',
    answer: {
      model: 'priced-model',
      choices,
      usage: {
        prompt_tokens: 9,
        completion_tokens: 3,
        total_tokens: 12,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 1 },
      },
    },
    usage: { ...nothing, inputTokens: 9, outputTokens: 3, cachedInputTokens: 4, reasoningTokens: 1 },
  },
  {
    name: 'a response',
    path: '/v1/responses',
    answer: {
      model: 'priced-model',
      output,
      usage: { input_tokens: 9, output_tokens: 3, input_tokens_details: { cached_tokens: 0 } },
    },
    usage: { ...nothing, inputTokens: 9, outputTokens: 3, cachedInputTokens: 0 },
  },
  {
    name: 'embeddings',
    path: '/v1/embeddings',
    answer: {
      object: 'list',
      model: 'priced-model',
      data: [{ object: 'embedding', index: 0, embedding: [0.5] }],
      usage: { prompt_tokens: 8, total_tokens: 8 },
    },
    usage: { ...nothing, inputTokens: 8, outputTokens: 0 },
  },
  {
    name: 'a message, whose cache is counted apart',
    path: '/v1/messages',
    answer: {
      type: 'message',
      model: 'priced-model',
      content: [{ type: 'text', text: message.content }],
      usage: {
        input_tokens: 5,
        cache_read_input_tokens: 7,
        cache_creation_input_tokens: 2,
        output_tokens: 3,
      },
    },
    usage: { ...nothing, inputTokens: 14, outputTokens: 3, cachedInputTokens: 7, cacheWriteTokens: 2 },
  },
  {
    name: 'an explicit zero',
    path: '/v1/chat/completions',
    answer: {
      model: 'priced-model',
      choices,
      usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
    },
    usage: { ...nothing, inputTokens: 0, outputTokens: 0 },
  },
]

const free: readonly Case[] = [
  {
    name: 'a count of tokens',
    path: '/v1/messages/count_tokens',
    answer: { input_tokens: 14 },
    usage: null,
  },
  {
    name: 'an error that says it is a success',
    path: '/v1/chat/completions',
    answer: { error: { message: 'no', type: 'invalid_request_error' } },
    usage: null,
  },
]

/** Past it, an answer is no longer read whole. */
const wholeBytesMax = 262_144
const type = { 'content-type': 'application/json' }

type Framing = 'with its length' | 'chunked'

async function ask({ path, answer }: Case, framing: Framing, status = 200) {
  const body = JSON.stringify(answer)
  up.on(path, async (x) => {
    await x.bodyEnd()
    if (framing === 'with its length') return x.send(wholeAnswer(status, type, body))
    await x.send(answerHead(status, { ...type, 'transfer-encoding': 'chunked' }))
    for (let at = 0; at < body.length; at += 10_000) await x.send(chunk(body.slice(at, at + 10_000)))
    await x.send(lastChunk)
  })
  const got = await exchange(gateway, {
    method: 'POST',
    path,
    headers: { authorization: `Bearer ${gateway.key}`, ...type },
    body: JSON.stringify({ model: 'asked-for', max_tokens: 9, messages: [], input: 'twelve bytes' }),
  })
  expect(got).toMatchObject({ status, text: body, ended: 'complete' })
  const records = await gateway.recordsOf(got.field('x-request-id') ?? '')
  expect(records).toHaveLength(1)
  return { record: records[0], got }
}

const framings: readonly { framing: Framing; long: boolean; tier: string }[] = [
  { framing: 'with its length', long: false, tier: 'whole' },
  { framing: 'chunked', long: false, tier: 'tap' },
  { framing: 'with its length', long: true, tier: 'tap' },
  { framing: 'chunked', long: true, tier: 'tap' },
]

/** The answer with a long member before its usage. */
function made(each: Case, long: boolean): Case {
  if (!long) return each
  const { model, ...rest } = each.answer
  return { ...each, answer: { model, pad: 'x'.repeat(wholeBytesMax), ...rest } }
}

describe.each(framings)(
  'a JSON answer $framing, long: $long, passes untouched by the tier $tier and is charged',
  ({ framing, long, tier }) => {
    it.each(generated)('as the provider counts it: $name', async (each) => {
      const { record, got } = await ask(made(each, long), framing)
      expect(record).toMatchObject({ tier, ending: 'complete', bytes: got.body.length })
      expect(record?.usage).toEqual({ ...each.usage, source: 'measured', model: 'priced-model' })
      if (framing === 'with its length') expect(got.field('content-length')).toBe(String(got.body.length))
    })

    it('by its text where the provider does not count', async () => {
      const answer = { model: `uncounted-${framing.length}-${String(long)}`, choices }
      const each = { name: '', path: '/v1/chat/completions', answer, usage: null }
      const { record } = await ask(each, framing)
      expect(record?.usage).toMatchObject({ outputTokens: Math.ceil(textBytes / 4), source: 'estimated' })
      expect(record?.usage?.inputTokens).toBeGreaterThan(10)
    })
  },
)

describe.each(['with its length', 'chunked'] as const)('an answer %s that generated nothing', (framing) => {
  it.each(free)('is not charged: $name', async (each) => {
    const { record } = await ask(each, framing)
    expect(record).toMatchObject({ usage: null, costMicroUsd: null, priced: null, ending: 'complete' })
  })

  it.each([400, 404, 413, 422])('is not charged: an error %i', async (status) => {
    const answer = { error: { message: 'no' }, usage: { prompt_tokens: 9, completion_tokens: 9 } }
    const { record } = await ask(
      { name: '', path: '/v1/chat/completions', answer, usage: null },
      framing,
      status,
    )
    expect(record).toMatchObject({ usage: null, status, ending: 'complete' })
  })
})

const counted = { prompt_tokens: 9, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 4 } }
const costs = [
  { model: 'priced-model', usage: counted, costMicroUsd: 48, priced: true },
  { model: 'priced-exactly', usage: counted, costMicroUsd: 12_000, priced: true },
  { model: 'priced-model', usage: { prompt_tokens: 0, completion_tokens: 0 }, costMicroUsd: 0, priced: true },
  { model: 'priced-model', usage: { prompt_tokens: 1, completion_tokens: 0 }, costMicroUsd: 3, priced: true },
  { model: 'unknown', usage: counted, costMicroUsd: null, priced: false },
]

describe('the cost of an answer, in micro-dollars rounded up,', () => {
  it.each(costs)('of $model with $usage is $costMicroUsd', async ({ model, usage, costMicroUsd, priced }) => {
    const answer = { model, choices, usage }
    const each = { name: '', path: '/v1/chat/completions', answer, usage: null }
    const { record } = await ask(each, 'with its length')
    expect(record).toMatchObject({ costMicroUsd, priced })
  })

  it('counts cached input, and what is written to the cache, at their own prices', async () => {
    const usage = {
      input_tokens: 1_000,
      cache_read_input_tokens: 2_000,
      cache_creation_input_tokens: 500,
      output_tokens: 100,
    }
    const answer = { type: 'message', model: 'priced-model', content: [], usage }
    const { record } = await ask({ name: '', path: '/v1/messages', answer, usage: null }, 'with its length')
    expect(record?.costMicroUsd).toBe(1_000 * 2.5 + 2_000 * 1.25 + 500 * 3 + 100 * 10)
  })
})
