import { Buffer } from 'node:buffer'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DialectName } from '../../src/core/config/types.ts'
import { expectErrorEvent, expectRefusal, type StreamFormat } from '../support/dialect-errors.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk } from '../support/http-message.ts'
import { exchange, type RawAnswer } from '../support/raw-client.ts'
import {
  answerHead,
  startScriptedUpstream,
  type ScriptedUpstream,
  type UpstreamExchange,
} from '../support/scripted-upstream.ts'
import { eventsIn } from '../support/sse-reader.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  up = await startScriptedUpstream()
  gateway = await startGatewayUnderTest({ upstreamUrl: up.url })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

/** An answer that will not come to its end: two whole parts, and the first half of a third. */
interface Dying {
  readonly path: string
  readonly upstreamPath: string
  readonly dialect: DialectName
  readonly type: string
  readonly framing: 'chunked' | 'content-length'
  /** Declared length, where it is not the usual one. */
  readonly declared?: string
  readonly whole: readonly [string, string]
  readonly half: string
}

type Death = (x: UpstreamExchange, dying: Dying) => Promise<void>

/** Time for what was sent to travel on, so that the death meets a stream at rest. */
const restMs = 30

const beforeHeaders: Death = async (x) => x.close()

const afterHeaders: Readonly<Record<string, Death>> = {
  'after headers': async (x, dying) => {
    await x.send(head(dying))
    await x.wait(restMs)
    x.close()
  },
  'mid-event': async (x, dying) => {
    await x.send(Buffer.concat([head(dying), framed(dying, dying.whole[0]), framed(dying, dying.half)]))
    await x.wait(restMs)
    x.close()
  },
  'between events': async (x, dying) => {
    await x.send(Buffer.concat([head(dying), ...dying.whole.map((part) => framed(dying, part))]))
    await x.wait(restMs)
    x.close()
  },
  'inside a chunk, or short of the content-length': async (x, dying) => {
    const last = framed(dying, dying.whole[1])
    const short = dying.framing === 'chunked' ? last.subarray(0, -20) : last.subarray(0, -4)
    await x.send(Buffer.concat([head(dying), framed(dying, dying.whole[0]), short]))
    x.close()
  },
  'by a reset': async (x, dying) => {
    await x.send(Buffer.concat([head(dying), framed(dying, dying.whole[0])]))
    await x.wait(restMs)
    x.reset()
  },
}

/** Longer than what is sent of it. */
const declaredBytes = '1000000'

function head({ type, framing, declared = declaredBytes }: Dying): Buffer {
  const frame = framing === 'chunked' ? { 'transfer-encoding': 'chunked' } : { 'content-length': declared }
  return Buffer.from(answerHead(200, { 'content-type': type, ...frame }))
}

function framed({ framing }: Dying, part: string): Buffer {
  return framing === 'chunked' ? chunk(part) : Buffer.from(part)
}

const sse = 'text/event-stream; charset=utf-8'

const streams: Readonly<Record<StreamFormat, Dying>> = {
  openai: {
    path: '/v1/chat/completions',
    upstreamPath: '/v1/chat/completions',
    dialect: 'openai',
    type: sse,
    framing: 'chunked',
    whole: [
      'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"Grüße"}}]}\n\n',
      'data: {"id":"c","choices":[{"index":0,"delta":{"content":" aus 東京"}}]}\n\n',
    ],
    half: 'data: {"id":"c","choices":[{"index":0,"delta":{"content":"never fin',
  },
  responses: {
    path: '/v1/responses',
    upstreamPath: '/v1/responses',
    dialect: 'openai',
    type: sse,
    framing: 'chunked',
    whole: [
      'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n',
      'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"Grüße"}\n\n',
    ],
    half: 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","del',
  },
  anthropic: {
    path: '/v1/messages',
    upstreamPath: '/v1/messages',
    dialect: 'anthropic',
    type: sse,
    framing: 'chunked',
    whole: [
      'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant",' +
        '"model":"x","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}\n\n',
      'event: ping\ndata: {"type": "ping"}\n\n',
    ],
    half: 'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"ty',
  },
  http: {
    path: '/http/events',
    upstreamPath: '/events',
    dialect: 'http',
    type: sse,
    framing: 'chunked',
    whole: ['id: 1\r\ndata: {"n":1}\r\n\r\n', ': a comment\r\nid: 2\r\ndata: {"n":2}\r\n\r\n'],
    half: 'id: 3\r\ndata: {"n":',
  },
}

const json: Dying = {
  path: '/v1/embeddings',
  upstreamPath: '/v1/embeddings',
  dialect: 'openai',
  type: 'application/json',
  framing: 'content-length',
  whole: ['{"object":"list","data":[0.25,', '0.5,0.75,1.0,'],
  half: '1.2',
}

const binary: Dying = {
  path: '/http/file',
  upstreamPath: '/file',
  dialect: 'http',
  type: 'application/octet-stream',
  framing: 'chunked',
  whole: ['\u0000\u0001\u0002 the first part', '\u0003\u0004\u0005 the second part'],
  half: '\u0006',
}

async function meet(dying: Dying, death: Death): Promise<RawAnswer> {
  up.on(dying.upstreamPath, (x) => death(x, dying))
  return exchange(gateway, {
    method: 'POST',
    path: dying.path,
    headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
    body: '{"model":"any","stream":true}',
  })
}

async function expectOneRecord(answer: RawAnswer, expected: object): Promise<void> {
  const records = await gateway.recordsOf(answer.field('x-request-id') ?? '')
  expect(records).toEqual([expect.objectContaining(expected)])
}

/** What a dying answer sent as far as whole parts go. */
function wholeParts(name: string, { whole }: Dying): string {
  if (name === 'after headers') return ''
  return name === 'between events' ? whole.join('') : whole[0]
}

/** All that a dying answer can have sent. */
function sentAtMost(name: string, { whole, half }: Dying): string {
  return name === 'mid-event' ? whole[0] + half : whole.join('')
}

const kinds = Object.entries({ JSON: json, binary, ...streams })
const deaths = Object.entries(afterHeaders)

describe.each(kinds)('an upstream that dies before its headers, asked for %s,', (_kind, dying) => {
  it('C60: makes a 502 in the dialect of the route, on record as refused once', async () => {
    const answer = await meet(dying, beforeHeaders)
    expectRefusal(answer, dying.dialect, { status: 502, code: 'upstream_unreachable' })
    expect(answer.field('x-should-retry')).toBe(dying.dialect === 'http' ? null : 'true')
    await expectOneRecord(answer, { status: 502, refused: 'upstream_unreachable', ending: 'refused' })
  })

  it('is asked once: a request with a body is not sent again', async () => {
    up.forget()
    await meet(dying, beforeHeaders)
    expect(up.requests(dying.upstreamPath)).toHaveLength(1)
  })
})

describe.each(Object.entries(streams))('an event stream of format %s that dies', (format, dying) => {
  it.each(deaths)(
    'C55: %s gives its whole events, one error event, and an abnormal end',
    async (name, death) => {
      const answer = await meet(dying, death)
      expect(answer.status).toBe(200)
      const events = eventsIn(answer.body)
      expect(events.slice(0, -1)).toEqual(eventsIn(Buffer.from(wholeParts(name, dying))))
      expectErrorEvent(events.at(-1), format as StreamFormat, 'upstream_broke_off')
      expect(answer.text).not.toContain('[DONE]')
      expect(answer.ended).not.toBe('complete')
      // Only chat completions are asked for usage that the client did not ask for and does not get to see.
      const tier = format === 'openai' ? 'pump' : 'tap'
      await expectOneRecord(answer, { status: 200, refused: null, ending: 'upstream_failed', tier })
    },
  )
})

describe.each(Object.entries({ JSON: json, binary }))('a %s body that dies', (_kind, dying) => {
  it.each(deaths)(
    'C56: %s ends abnormally for the client, with nothing but the upstream’s bytes',
    async (name, death) => {
      const answer = await meet(dying, death)
      expect(answer.status).toBe(200)
      expect(answer.ended).not.toBe('complete')
      expect(sentAtMost(name, dying).startsWith(answer.text)).toBe(true)
      if (dying.framing === 'content-length') expect(answer.field('content-length')).toBe(declaredBytes)
      const tier = dying.dialect === 'http' ? 'native' : 'tap'
      await expectOneRecord(answer, { status: 200, refused: null, ending: 'upstream_failed', tier })
    },
  )
})

describe.each(deaths)('the official clients, whose upstream dies %s,', (_name, death) => {
  it('throw: OpenAI chat', async () => {
    up.on('/v1/chat/completions', (x) => death(x, streams.openai))
    await expect(readOpenAi()).rejects.toThrow(OpenAI.APIError)
  })

  it('throw: OpenAI Responses', async () => {
    up.on('/v1/responses', (x) => death(x, streams.responses))
    await expect(readResponses()).rejects.toThrow(OpenAI.APIError)
  })

  it('throw: Anthropic', async () => {
    up.on('/v1/messages', (x) => death(x, streams.anthropic))
    await expect(readAnthropic()).rejects.toThrow(Anthropic.APIError)
  })
})

async function readOpenAi(): Promise<void> {
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: gateway.key, maxRetries: 0 })
  const stream = await client.chat.completions.create({ model: 'any', messages: [], stream: true })
  await readAll(stream)
}

async function readResponses(): Promise<void> {
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: gateway.key, maxRetries: 0 })
  await readAll(await client.responses.create({ model: 'any', input: 'x', stream: true }))
}

async function readAnthropic(): Promise<void> {
  const client = new Anthropic({ baseURL: gateway.url, apiKey: gateway.key, maxRetries: 0 })
  await client.messages.stream({ model: 'any', max_tokens: 5, messages: [] }).finalMessage()
}

async function readAll(stream: AsyncIterable<unknown>): Promise<number> {
  let events = 0
  for await (const event of stream) events += event === undefined ? 0 : 1
  return events
}

describe('a short JSON answer that is to be counted', () => {
  it.each(deaths)('and dies %s becomes a refusal, not a broken success', async (_name, death) => {
    const answer = await meet({ ...json, declared: '4000' }, death)
    expect(answer.status).toBe(502)
    expect(answer.ended).toBe('complete')
    expect(answer.text).toContain('"code":"upstream_broke_off"')
    await expectOneRecord(answer, { status: 502, refused: 'upstream_broke_off', upstreamStatus: 200 })
  })
})
