import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import {
  collect,
  essence,
  lateMs,
  rejection,
  smallBytesMax,
  startSdkWorld,
  type SdkWorld,
} from '../support/sdk-world.ts'

let world: SdkWorld

beforeAll(async () => {
  world = await startSdkWorld()
})

afterAll(() => world.close())

function direct(): Anthropic {
  return new Anthropic({ baseURL: world.mock.url, apiKey: 'sk-ant-of-the-provider', maxRetries: 0 })
}

/** The same client with nothing changed but its key and where it calls. */
function through(prefix = '', apiKey = world.gateway.key): Anthropic {
  return new Anthropic({ baseURL: `${world.gateway.url}${prefix}`, apiKey, maxRetries: 0 })
}

/** As Claude Code does with ANTHROPIC_AUTH_TOKEN: the key as a Bearer token. */
function throughWithBearer(): Anthropic {
  return new Anthropic({
    baseURL: world.gateway.url,
    apiKey: null,
    authToken: world.gateway.key,
    maxRetries: 0,
  })
}

const ask = {
  model: 'mock/n=12,size=9,seed=7',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'Grüße aus 東京' }],
}
const toolAsk = {
  ...ask,
  model: 'mock/tool=1,n=5,size=6',
  tools: [{ name: 'look_up', input_schema: { type: 'object' as const } }],
}

const ourId = /^[0-9a-f]{32}$/

/** Errors about what the client asked for. */
const ownFaults = [
  [400, Anthropic.BadRequestError],
  [404, Anthropic.NotFoundError],
  [413, Anthropic.APIError],
] as const
/** Errors whose text may speak of the account that all keys share. */
const accountFaults = [
  [429, Anthropic.RateLimitError],
  [500, Anthropic.InternalServerError],
  [529, Anthropic.InternalServerError],
] as const

const calls: Readonly<Record<string, (client: Anthropic) => PromiseLike<unknown>>> = {
  'a message': (client) => client.messages.create(ask),
  'a message that calls a tool': (client) => client.messages.create(toolAsk),
  'every event of a stream': async (client) =>
    collect(await client.messages.create({ ...ask, stream: true })),
  'the stream helper’s final message': (client) => client.messages.stream(ask).finalMessage(),
  'the stream helper’s final text': (client) => client.messages.stream(ask).finalText(),
  'the stream helper’s tool call': (client) => client.messages.stream(toolAsk).finalMessage(),
  'a count of tokens': (client) => client.messages.countTokens({ model: ask.model, messages: ask.messages }),
}

describe('the official Anthropic client gets through the gateway what it gets from the provider:', () => {
  it.each(Object.entries(calls))('%s, key in x-api-key', async (_name, call) => {
    const expected = essence(await call(direct()))
    expect(expected).toBeTruthy()
    expect(essence(await call(through()))).toEqual(expected)
  })

  it.each(Object.entries(calls))('%s, key as Bearer', async (_name, call) => {
    expect(essence(await call(throughWithBearer()))).toEqual(essence(await call(direct())))
  })

  it.each(ownFaults)('the provider’s words on the request itself: %i', async (status, errorClass) => {
    const failing = { ...ask, model: `mock/err=1:${status}` }
    const expected = (await rejection(direct().messages.create(failing))) as ApiError
    const error = (await rejection(through().messages.create(failing))) as ApiError
    expect(error).toBeInstanceOf(errorClass)
    expect([error.status, essence(error.error)]).toEqual([status, essence(expected.error)])
    expect(error.requestID).toMatch(ourId)
  })

  it.each(accountFaults)(
    'the status, but our words on the account behind it: %i',
    async (status, errorClass) => {
      const failing = { ...ask, model: `mock/err=1:${status},retry=7` }
      const error = (await rejection(through().messages.create(failing))) as ApiError
      expect(error).toBeInstanceOf(errorClass)
      expect(error).toMatchObject({ status, error: { type: 'error', error: { code: 'upstream_error' } } })
      expect(JSON.stringify(error)).not.toContain('mock was told')
      expect(error.headers?.get('retry-after')).toBe('7')
      expect(error.requestID).toMatch(ourId)
    },
  )
})

type ApiError = InstanceType<typeof Anthropic.APIError>

describe('the official Anthropic client', () => {
  it('reads our request id, and the provider’s beside it', async () => {
    const asked = through().messages.create(ask)
    const { data, request_id: requestId, response } = await asked.withResponse()
    expect(requestId).toMatch(ourId)
    expect(data).toHaveProperty('_request_id', requestId)
    expect(response.headers.get('x-upstream-request-id')).toMatch(/^req_mock_\d+$/)
    const [record] = await world.gateway.recordsOf(requestId ?? '')
    expect(record).toMatchObject({ route: 'anthropic-messages', keyId: world.gateway.id, ending: 'complete' })
  })

  it('that aborts in mid-stream closes the provider’s stream within a second', async () => {
    world.mock.reset()
    const stream = through().messages.stream({ ...ask, model: 'mock/itl=50,n=200' })
    let texts = 0
    stream.on('text', () => {
      texts += 1
      if (texts === 3) stream.abort()
    })
    await expect(stream.finalMessage()).rejects.toThrow(Anthropic.APIUserAbortError)
    await eventually(() => world.mock.stats().aborted === 1, 1_000)
    expect(world.mock.stats().inFlight).toBe(0)
  })

  it.each([
    [
      'a wrong key',
      401,
      'authentication_error',
      Anthropic.AuthenticationError,
      () => long('', 'slc_t1_not_a_key'),
    ],
    [
      'no key of ours',
      401,
      'authentication_error',
      Anthropic.AuthenticationError,
      () => long('', 'sk-ant-api03-x'),
    ],
    ['too large a body', 413, 'request_too_large', Anthropic.APIError, () => long('/small-anthropic')],
    ['nobody upstream', 502, 'api_error', Anthropic.InternalServerError, () => long('/dead-anthropic')],
    ['a silent upstream', 504, 'timeout_error', Anthropic.InternalServerError, () => long('/late-anthropic')],
  ] as const)(
    'throws for %s: %i %s, its own error class, with our request id',
    async (_w, status, type, kind, call) => {
      const error = (await rejection(call())) as ApiError
      expect(error).toBeInstanceOf(kind)
      expect(error.status).toBe(status)
      expect(error.requestID).toMatch(ourId)
      expect(error.error).toMatchObject({ type: 'error', error: { type }, request_id: error.requestID })
    },
  )

  it('throws for a path without a route: 404, with our request id', async () => {
    const error = (await rejection(long('/nowhere'))) as ApiError
    expect(error).toBeInstanceOf(Anthropic.NotFoundError)
    expect(error.headers?.get('x-request-id')).toMatch(ourId)
  })
})

function long(prefix: string, key?: string): PromiseLike<unknown> {
  const content = 'x'.repeat(smallBytesMax)
  return through(prefix, key).messages.create({
    ...ask,
    model: `mock/lat=${lateMs * 10}`,
    messages: [{ role: 'user', content }],
  })
}
