import { randomUUID } from 'node:crypto'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import Anthropic from '@anthropic-ai/sdk'
import { streamText, type LanguageModel } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startMock, type RunningMock } from '../../bench/mock/server.ts'
import type { RequestRecord } from '../../src/core/record.ts'
import { eventually, inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { llmFormats, llmRequest, type LlmFormatName } from '../support/llm-formats.ts'
import { exchange, RawConnection } from '../support/raw-client.ts'
import { collect } from '../support/sdk-world.ts'

globalThis.AI_SDK_LOG_WARNINGS = false

let mock: RunningMock
let gateway: GatewayUnderTest

beforeAll(async () => {
  mock = await startMock()
  const routes = ['openai', 'anthropic'].flatMap((upstream) =>
    (['cut', 'finish'] as const).map((onRevoke) => ({
      id: `${onRevoke}-${upstream}`,
      path: `/${onRevoke}-${upstream}/*`,
      rewrite: '/*',
      upstream,
      streams: { onRevoke },
    })),
  )
  const files = { id: 'cut-files', path: '/files/*', rewrite: '/bytes/*', upstream: 'plain' }
  const cut = { ...files, streams: { onRevoke: 'cut' } }
  const upstreams = { plain: { dialect: 'http', targets: [{ origin: mock.url }] } }
  gateway = await startGatewayUnderTest({ upstreamUrl: mock.url, upstreams, routes: [...routes, cut] })
})

afterAll(async () => {
  await gateway.close()
  await mock.close()
})

/** Tokens that the key of a test may use in all. */
const max = 600
/** More than that, four bytes each, and more than an upstream sends ahead of a slow reader. */
const tokens = 20_000
const model = `mock/n=${tokens},size=4,itl=1`

async function slicedKey(): Promise<string> {
  const limit = { kind: 'token-window', name: 'hour', max, periodSeconds: 3_600, reserve: 'slices' }
  return (await gateway.newKey({ limits: [limit] })).key
}

interface ReadStream {
  readonly why: unknown
  readonly text: string
  /** Our id of the request. */
  readonly id: string | null | undefined
}

const prompt = [{ role: 'user' as const, content: 'Hi' }]

/** What an official client makes of a stream. */
const readers: Readonly<Record<LlmFormatName, (key: string) => Promise<ReadStream>>> = {
  async chat(apiKey) {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 })
    const { data, request_id: id } = await client.chat.completions
      .create({ model, messages: prompt, stream: true })
      .withResponse()
    const chunks = await collect(data)
    const choices = chunks.flatMap((chunk) => chunk.choices)
    return {
      why: choices.at(-1)?.finish_reason,
      text: choices.map(({ delta }) => delta.content ?? '').join(''),
      id,
    }
  },
  async responses(apiKey) {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 })
    const { data, request_id: id } = await client.responses
      .create({ model, input: 'Hi', stream: true })
      .withResponse()
    const last = (await collect(data)).at(-1)
    if (last?.type !== 'response.incomplete') return { why: last?.type, text: '', id }
    const [item] = last.response.output
    const [part] = item?.type === 'message' ? item.content : []
    const text = part?.type === 'output_text' ? part.text : ''
    return { why: last.response.incomplete_details?.reason, text, id }
  },
  async messages(apiKey) {
    const client = new Anthropic({ baseURL: gateway.url, apiKey, maxRetries: 0 })
    const stream = client.messages.stream({ model, max_tokens: 10_000, messages: prompt })
    const message = await stream.finalMessage()
    const [block] = message.content
    const text = block?.type === 'text' ? block.text : ''
    return { why: message.stop_reason, text, id: (await stream.withResponse()).request_id }
  },
}
const why = { chat: 'length', responses: 'max_output_tokens', messages: 'max_tokens' } as const
const formats = Object.values(llmFormats)

async function oneRecord(id: string | null | undefined): Promise<RequestRecord> {
  const records = await gateway.recordsOf(id ?? '')
  expect(records).toHaveLength(1)
  return records[0] as RequestRecord
}

describe.each(formats)('a $name stream that uses a limit up', ({ name }) => {
  it('ends for its official client as one that reached its length, and is charged what it delivered', async () => {
    mock.reset()
    const read = await readers[name](await slicedKey())
    expect(read.why).toBe(why[name])
    const delivered = read.text.length / 4
    expect(delivered).toBeGreaterThan(max / 2)
    expect(delivered).toBeLessThanOrEqual(max)
    await eventually(() => mock.stats().inFlight === 0, 1_000)
    expect(mock.stats().last.at(-1)?.tokensSent).toBeLessThan(tokens)
    const { ending, usage, status, tier } = await oneRecord(read.id)
    expect({ ending, status, tier }).toEqual({ ending: 'limit_reached', status: 200, tier: 'pump' })
    expect(usage).toMatchObject({ source: 'estimated', outputTokens: delivered })
  })
})

const providers: Readonly<Record<string, (apiKey: string) => LanguageModel>> = {
  'openai chat': (apiKey) => createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey }).chat(model),
  'openai responses': (apiKey) => createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey }).responses(model),
  anthropic: (apiKey) => createAnthropic({ baseURL: `${gateway.url}/v1`, apiKey })(model),
}

describe.each(Object.entries(providers))('Vercel ai with %s, whose limit is used up,', (_, modelFor) => {
  it('takes the stream for one that reached its length', async () => {
    const result = streamText({ model: modelFor(await slicedKey()), prompt: 'Hi', maxRetries: 0 })
    const kinds = (await collect(result.fullStream)).map(({ type }) => type)
    expect(kinds).not.toContain('error')
    expect(await result.finishReason).toBe('length')
    expect((await result.text).length / 4).toBeLessThanOrEqual(max)
    expect((await result.text).length / 4).toBeGreaterThan(max / 2)
  })
})

describe('a key whose limit is reserved in slices', () => {
  it('never gets more than the limit, however many of its streams run at once', async () => {
    const key = await slicedKey()
    const reads = await inParallel(Array.from({ length: 12 }), 12, async () => {
      const request = llmRequest(llmFormats.chat, { key, more: { model, stream: true } })
      const { status, text } = await exchange(gateway, request)
      return { status, tokens: [...text.matchAll(/"content":"(.{4})"/g)].length }
    })
    const sum = reads.reduce((all, read) => all + read.tokens, 0)
    expect(sum).toBeLessThanOrEqual(max)
    expect(sum).toBeGreaterThan(max / 3)
    expect(new Set(reads.map(({ status }) => status)).has(429)).toBe(true)
  })

  it('has a stream that fits whole, as without limits', async () => {
    const key = await slicedKey()
    const more = { model: 'mock/n=40,size=4', stream: true }
    const limited = await exchange(gateway, llmRequest(llmFormats.messages, { key, more }))
    const free = await exchange(gateway, llmRequest(llmFormats.messages, { key: gateway.key, more }))
    const stamps = /"mock":\{[^}]*\}/g
    expect(limited.text.replaceAll(stamps, '')).toBe(free.text.replaceAll(stamps, ''))
    const record = await oneRecord(limited.field('x-request-id'))
    expect(record).toMatchObject({ ending: 'complete', usage: { source: 'measured', outputTokens: 40 } })
  })

  it('is refused a body that flows before any of it is sent on', async () => {
    mock.reset()
    const more = { model, stream: true, user: 'x'.repeat(40_000), metadata: 'x'.repeat(400_000) }
    const answer = await exchange(gateway, llmRequest(llmFormats.chat, { key: await slicedKey(), more }))
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([
      400,
      { error: { code: 'limit_too_small' } },
    ])
    const [record] = await gateway.recordsOf(answer.field('x-request-id') ?? '')
    expect(record).toMatchObject({
      refused: 'limit_too_small',
      violated: ['hour'],
      usage: null,
      target: null,
    })
    expect(mock.stats().last).toEqual([])
  })

  it('is told how it stands with each answer', async () => {
    const key = await slicedKey()
    const more = { model: 'mock/n=10,size=4' }
    const answer = await exchange(gateway, llmRequest(llmFormats.chat, { key, more }))
    expect(answer.field('ratelimit-policy')).toBe(`"hour";q=${max};qu="tokens";w=3600`)
    expect(answer.field('ratelimit')).toMatch(/^"hour";r=\d+;t=\d+$/)
    expect(answer.field('x-ratelimit-limit-tokens')).toBe(String(max))
  })
})

/** Longer than a revoked key may be used by anybody. */
const revokedMs = 6_500

describe.each(formats)('a $name stream whose key is revoked', ({ name, dialect, path }) => {
  async function revokeInStream(onRevoke: 'cut' | 'finish', keepAliveTokens: number) {
    const { key, id } = await gateway.newKey()
    const mark = randomUUID()
    const more = { model: `mock/n=${keepAliveTokens},itl=100,size=4`, stream: true }
    const request = llmRequest(llmFormats[name], { key, more })
    const connection = await RawConnection.open(gateway)
    const headers = { ...request.headers, 'x-request-id': mark }
    const live = connection.request({ ...request, headers, path: `/${onRevoke}-${dialect}${path}` })
    await live.reaches(300)
    await gateway.admin('DELETE', `/accounts/${gateway.account}/keys/${id}`)
    const revokedAtMs = performance.now()
    await connection.until(() => live.complete)
    const tookMs = performance.now() - revokedAtMs
    connection.destroy()
    await eventually(() => gateway.records().some((each) => each.clientRequestId === mark))
    const record = gateway.records().find((each) => each.clientRequestId === mark)
    return { text: live.body.toString(), tookMs, record }
  }

  it('is broken off with an error event in its dialect where the route cuts', async () => {
    const { text, tookMs, record } = await revokeInStream('cut', 300)
    expect(tookMs).toBeLessThan(revokedMs)
    expect(text).toContain('key_invalid')
    expect(text).not.toContain('[DONE]')
    const tier = name === 'chat' ? 'pump' : 'tap'
    expect(record).toMatchObject({ tier, ending: 'stopped', status: 200, usage: { source: 'estimated' } })
  })

  it('finishes where the route lets it', async () => {
    const { text, record } = await revokeInStream('finish', 80)
    expect(text).not.toContain('key_invalid')
    expect(record).toMatchObject({ ending: 'complete', usage: { source: 'measured', outputTokens: 80 } })
  })
})

describe.concurrent('a native body whose key is revoked where the route cuts', () => {
  const clients = [
    { client: 'reads', path: '/files/400000?chunk=1000&delay=100' },
    { client: 'has stopped reading', path: '/files/400000000' },
  ]

  it.each(clients)(
    'is broken off, and its upstream closed, for a client that $client',
    async ({ client, path }) => {
      const { key, id } = await gateway.newKey()
      const mark = randomUUID()
      const connection = await RawConnection.open(gateway)
      const live = connection.request({ path, headers: { 'x-api-key': key, 'x-request-id': mark } })
      await live.reaches(300)
      if (client !== 'reads') connection.pause()
      await gateway.admin('DELETE', `/accounts/${gateway.account}/keys/${id}`)
      const found = () => gateway.records().find((each) => each.clientRequestId === mark)
      await eventually(() => found() !== undefined, revokedMs)
      expect(found()).toMatchObject({ tier: 'native', ending: 'stopped', status: 200, bytes: null })
      connection.resume()
      expect((await live.answer()).ended).not.toBe('complete')
      connection.destroy()
    },
  )
})
