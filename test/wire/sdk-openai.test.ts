import OpenAI from 'openai'
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

function direct(): OpenAI {
  return new OpenAI({ baseURL: `${world.mock.url}/v1`, apiKey: 'sk-of-the-provider', maxRetries: 0 })
}

/** The same client with nothing changed but its key and where it calls. */
function through(prefix = '', apiKey = world.gateway.key): OpenAI {
  return new OpenAI({ baseURL: `${world.gateway.url}${prefix}/v1`, apiKey, maxRetries: 0 })
}

const messages = [{ role: 'user' as const, content: 'Grüße aus 東京' }]
const model = 'mock/n=12,size=9,seed=7'
const toolModel = 'mock/tool=1,n=5,size=6'
const tools = [
  {
    type: 'function' as const,
    function: { name: 'look_up', parameters: { type: 'object', properties: { value: { type: 'string' } } } },
  },
]
const responseTools = [{ type: 'function' as const, name: 'look_up', parameters: {}, strict: false }]

const ourId = /^[0-9a-f]{32}$/

/** Errors about what the client asked for. */
const ownFaults = [
  [400, OpenAI.BadRequestError],
  [404, OpenAI.NotFoundError],
  [409, OpenAI.ConflictError],
  [422, OpenAI.UnprocessableEntityError],
] as const
/** Errors whose text may speak of the account that all keys share. */
const accountFaults = [
  [429, OpenAI.RateLimitError],
  [500, OpenAI.InternalServerError],
  [503, OpenAI.InternalServerError],
] as const

const calls: Readonly<Record<string, (client: OpenAI) => PromiseLike<unknown>>> = {
  'a chat completion': (client) => client.chat.completions.create({ model, messages }),
  'a chat completion that calls a tool': (client) =>
    client.chat.completions.create({ model: toolModel, messages, tools }),
  'every chunk of a chat stream': async (client) =>
    collect(await client.chat.completions.create({ model, messages, stream: true })),
  'every chunk of a chat stream with usage': async (client) => {
    const options = { stream: true, stream_options: { include_usage: true } } as const
    return collect(await client.chat.completions.create({ model, messages, ...options }))
  },
  'the stream helper’s final completion': (client) =>
    client.chat.completions
      .stream({ model, messages, stream_options: { include_usage: true } })
      .finalChatCompletion(),
  'the stream helper’s tool call': (client) =>
    client.chat.completions.stream({ model: toolModel, messages, tools }).finalChatCompletion(),
  'a response': (client) => client.responses.create({ model, input: 'twelve bytes' }),
  'every event of a response stream': async (client) =>
    collect(await client.responses.create({ model, input: 'twelve bytes', stream: true })),
  'the response stream helper’s final response': (client) =>
    client.responses.stream({ model: toolModel, input: 'x', tools: responseTools }).finalResponse(),
  embeddings: (client) => client.embeddings.create({ model, input: ['one', 'two'], dimensions: 64 }),
  'embeddings as floats': (client) =>
    client.embeddings.create({ model, input: 'one', dimensions: 64, encoding_format: 'float' }),
  'the list of models': async (client) => collect(client.models.list()),
  'one model, by an id with a slash in it': (client) => client.models.retrieve('openai/gpt-mock'),
}

describe('the official openai client gets through the gateway what it gets from the provider:', () => {
  it.each(Object.entries(calls))('%s', async (_name, call) => {
    const expected = essence(await call(direct()))
    expect(expected).toBeTruthy()
    expect(essence(await call(through()))).toEqual(expected)
  })

  it.each(ownFaults)('the provider’s words on the request itself: %i', async (status, errorClass) => {
    const asked = { model: `mock/err=1:${status}`, messages }
    const expected = (await rejection(direct().chat.completions.create(asked))) as ApiError
    const error = (await rejection(through().chat.completions.create(asked))) as ApiError
    expect(error).toBeInstanceOf(errorClass)
    expect([error.status, error.message, error.error]).toEqual([status, expected.message, expected.error])
    expect(error.requestID).toMatch(ourId)
  })

  it.each(accountFaults)(
    'the status, but our words on the account behind it: %i',
    async (status, errorClass) => {
      const asked = { model: `mock/err=1:${status},retry=7`, messages }
      const error = (await rejection(through().chat.completions.create(asked))) as ApiError
      expect(error).toBeInstanceOf(errorClass)
      expect(error).toMatchObject({ status, code: 'upstream_error' })
      expect(JSON.stringify(error)).not.toContain('mock was told')
      expect(error.headers?.get('retry-after')).toBe('7')
      expect(error.requestID).toMatch(ourId)
    },
  )
})

type ApiError = InstanceType<typeof OpenAI.APIError>

describe('the official openai client', () => {
  it('reads our request id, and the provider’s beside it', async () => {
    const asked = through().chat.completions.create({ model, messages })
    const { data, request_id: requestId, response } = await asked.withResponse()
    expect(requestId).toMatch(ourId)
    expect(data).toHaveProperty('_request_id', requestId)
    expect(response.headers.get('x-upstream-request-id')).toMatch(/^req_mock_\d+$/)
    const [record] = await world.gateway.recordsOf(requestId ?? '')
    expect(record).toMatchObject({
      keyId: world.gateway.id,
      account: world.gateway.account,
      ending: 'complete',
    })
  })

  it('that aborts in mid-stream closes the provider’s stream within a second', async () => {
    world.mock.reset()
    const stream = await through().chat.completions.create({
      model: 'mock/itl=50,n=200',
      messages,
      stream: true,
    })
    const seen: unknown[] = []
    for await (const chunk of stream) {
      seen.push(chunk)
      if (seen.length === 3) break
    }
    expect(world.mock.stats()).toMatchObject({ inFlight: 1, aborted: 0 })
    await eventually(() => world.mock.stats().aborted === 1, 1_000)
    expect(world.mock.stats().inFlight).toBe(0)
  })

  it('that aborts a response stream by its controller closes the provider’s stream within a second', async () => {
    world.mock.reset()
    const stream = await through().responses.create({ model: 'mock/itl=50,n=200', input: 'x', stream: true })
    const iterator = stream[Symbol.asyncIterator]()
    await iterator.next()
    stream.controller.abort()
    await eventually(() => world.mock.stats().aborted === 1, 1_000)
  })

  it.each([
    ['a wrong key', 401, 'key_invalid', OpenAI.AuthenticationError, () => ask('', 'slc_t1_not_a_key')],
    ['no key of ours', 401, 'key_missing', OpenAI.AuthenticationError, () => ask('', 'sk-of-the-provider')],
    ['a path without a route', 404, 'no_route', OpenAI.NotFoundError, () => ask('/nowhere')],
    ['too large a body', 413, 'body_too_large', OpenAI.APIError, () => ask('/small-openai')],
    ['nobody upstream', 502, 'upstream_unreachable', OpenAI.InternalServerError, () => ask('/dead-openai')],
    [
      'a silent upstream',
      504,
      'upstream_first_byte_timeout',
      OpenAI.InternalServerError,
      () => ask('/late-openai'),
    ],
  ] as const)(
    'throws for %s: %i %s, its own error class, with our request id',
    async (_w, status, code, kind, call) => {
      const error = (await rejection(call())) as ApiError
      expect(error).toBeInstanceOf(kind)
      expect(error.status).toBe(status)
      expect(error.requestID).toMatch(ourId)
      // A request that no route took is answered in no provider's dialect.
      if (code !== 'no_route') expect(error.code).toBe(code)
    },
  )

  it('tries again where that can help, and not where it cannot', async () => {
    const patient = { maxRetries: 1 }
    expect(await attempts('dead-openai', through('/dead-openai').withOptions(patient))).toBe(2)
    expect(
      await attempts('openai-chat-completions', through('', 'slc_t1_not_a_key').withOptions(patient)),
    ).toBe(1)
  })
})

function ask(prefix: string, key?: string): PromiseLike<unknown> {
  const content = 'x'.repeat(smallBytesMax)
  const slow = `mock/lat=${lateMs * 10}`
  return through(prefix, key).chat.completions.create({ model: slow, messages: [{ role: 'user', content }] })
}

/** How many requests of a route one failing call makes. */
async function attempts(route: string, client: OpenAI): Promise<number> {
  const before = world.gateway.records().length
  await rejection(client.chat.completions.create({ model, messages }))
  await eventually(() => world.gateway.records().length > before)
  const since = world.gateway.records().slice(before)
  return since.filter((record) => record.route === route).length
}
