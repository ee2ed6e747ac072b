import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import Anthropic from '@anthropic-ai/sdk'
import { generateText, streamText } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startMock, type RunningMock } from '../../bench/mock/server.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import {
  startScriptedUpstream,
  wholeAnswer,
  type Script,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'
import { collect, essence } from '../support/sdk-world.ts'

globalThis.AI_SDK_LOG_WARNINGS = false

/** What the first target does, and whether a client has to try again by itself: what was sent is not sent twice. */
const faults: Readonly<Record<string, { readonly script: Script; readonly clientRetries: number }>> = {
  '500': { script: (x) => x.send(wholeAnswer(500, {}, 'no')), clientRetries: 0 },
  '429': { script: (x) => x.send(wholeAnswer(429, { 'retry-after': '20' }, 'no')), clientRetries: 0 },
  '503': { script: (x) => x.send(wholeAnswer(503, {}, 'no')), clientRetries: 0 },
  '401': { script: (x) => x.send(wholeAnswer(401, {}, 'no')), clientRetries: 0 },
  reset: {
    script: async (x) => {
      await x.bodyEnd()
      x.reset()
    },
    clientRetries: 2,
  },
}
const names = Object.keys(faults)

let failing: ScriptedUpstream
let mock: RunningMock
let gateway: GatewayUnderTest

function secretFor(dialect: string): object {
  return { secret: `${dialect.toUpperCase()}_API_KEY` }
}

beforeAll(async () => {
  failing = await startScriptedUpstream()
  mock = await startMock()
  const dialects = ['openai', 'anthropic']
  const kinds = dialects.flatMap((dialect) =>
    names.map((fault) => ({ dialect, fault, name: `${dialect}-${fault}` })),
  )
  const upstreams = kinds.map(({ dialect, fault, name }) => [
    name,
    {
      dialect,
      targets: [{ origin: `${failing.url}/${fault}` }, { origin: mock.url }].map((target) =>
        Object.assign(target, { secret: secretFor(dialect) }),
      ),
      retries: { minPerSecond: 1_000 },
    },
  ])
  const routes = kinds.map(({ name }) => ({ id: name, path: `/${name}/*`, upstream: name, rewrite: '/*' }))
  gateway = await startGatewayUnderTest({
    upstreamUrl: mock.url,
    upstreams: Object.fromEntries(upstreams) as Record<string, unknown>,
    routes,
  })
  failing.on('*', async (x) => {
    const fault = x.request.target.split('/')[1] ?? ''
    await faults[fault]?.script(x)
  })
})

afterAll(async () => {
  await gateway.close()
  await mock.close()
  await failing.close()
})

const model = 'mock/n=6,size=5,seed=3'
const messages = [{ role: 'user' as const, content: 'hello' }]
const prompt = 'hello'
const max_tokens = 20

/** Base URL of a provider, or of the gateway in front of it; its key; how often the client tries again. */
interface Place {
  readonly url: string
  readonly apiKey: string
  readonly maxRetries: number
}

const openai = ({ url, apiKey, maxRetries }: Place) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries })
const anthropic = ({ url, apiKey, maxRetries }: Place) => new Anthropic({ baseURL: url, apiKey, maxRetries })
const aiOpenai = ({ url, apiKey }: Place) => createOpenAI({ baseURL: `${url}/v1`, apiKey }).chat(model)
const aiAnthropic = ({ url, apiKey }: Place) => createAnthropic({ baseURL: `${url}/v1`, apiKey })(model)

const calls: readonly (readonly [
  name: string,
  dialect: string,
  call: (place: Place) => PromiseLike<unknown>,
])[] = [
  ['openai', 'openai', (place) => openai(place).chat.completions.create({ model, messages })],
  [
    'openai, streaming',
    'openai',
    async (place) => collect(await openai(place).chat.completions.create({ model, messages, stream: true })),
  ],
  ['openai responses', 'openai', (place) => openai(place).responses.create({ model, input: prompt })],
  ['anthropic', 'anthropic', (place) => anthropic(place).messages.create({ model, max_tokens, messages })],
  [
    'anthropic, streaming',
    'anthropic',
    async (place) =>
      collect(await anthropic(place).messages.create({ model, max_tokens, messages, stream: true })),
  ],
  [
    'ai with openai',
    'openai',
    async (place) =>
      (await generateText({ model: aiOpenai(place), prompt, maxRetries: place.maxRetries })).text,
  ],
  [
    'ai with openai, streaming',
    'openai',
    (place) => streamText({ model: aiOpenai(place), prompt, maxRetries: place.maxRetries }).text,
  ],
  [
    'ai with anthropic',
    'anthropic',
    async (place) =>
      (await generateText({ model: aiAnthropic(place), prompt, maxRetries: place.maxRetries })).text,
  ],
  [
    'ai with anthropic, streaming',
    'anthropic',
    (place) => streamText({ model: aiAnthropic(place), prompt, maxRetries: place.maxRetries }).text,
  ],
]

describe.each(names)('a first target that answers with %s', (fault) => {
  it.each(calls)('is not noticed by %s', async (_, dialect, call) => {
    const maxRetries = faults[fault]?.clientRetries ?? 0
    const through = { url: `${gateway.url}/${dialect}-${fault}`, apiKey: gateway.key, maxRetries }
    const direct = { url: mock.url, apiKey: 'sk-of-the-provider', maxRetries: 0 }
    expect(essence(await call(through))).toEqual(essence(await call(direct)))
  })
})
