import { describe, expect, test } from 'vitest'
import { dataOf, eventNames, runningMock } from './running.ts'

const mock = runningMock()
const messages = [{ role: 'user', content: 'twelve bytes' }]

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return fetch(mock.current.url + path, { method: 'POST', body: text, headers })
}

async function streamText(path: string, body: object): Promise<string> {
  return (await post(path, { messages, max_tokens: 9, input: 'x', stream: true, ...body })).text()
}

async function statusesOfARun(): Promise<number[]> {
  const statuses: number[] = []
  for (let i = 0; i < 200; i += 1) {
    statuses.push((await post('/v1/chat/completions', { model: 'mock/err=0.2:503,seed=9', messages })).status)
  }
  return statuses
}

async function chunks(body: object): Promise<string[]> {
  return dataOf(await streamText('/v1/chat/completions', { model: 'mock/n=2', ...body }))
}

const withoutTimes = (text: string) => text.replace(/"t":[\d.]+/g, '"t":0')

describe('determinism', () => {
  test.each(['/v1/chat/completions', '/v1/messages', '/v1/responses'])(
    'equal requests to %s stream equal bytes apart from t',
    async (path) => {
      const first = await streamText(path, { model: 'mock/n=9,seed=3' })
      expect(withoutTimes(await streamText(path, { model: 'mock/n=9,seed=3' }))).toBe(withoutTimes(first))
      expect(withoutTimes(await streamText(path, { model: 'mock/n=9,seed=4' }))).not.toBe(withoutTimes(first))
    },
  )

  test('err strikes the same requests in every run of a seed, about its share of them', async () => {
    const first = await statusesOfARun()
    mock.current.reset()
    expect(await statusesOfARun()).toEqual(first)
    const failures = first.filter((status) => status === 503).length
    expect(failures).toBeGreaterThan(20)
    expect(failures).toBeLessThan(60)
  })
})

describe('chat usage in a stream', () => {
  test('asked for: usage:null on each chunk, then one with empty choices, then [DONE]', async () => {
    const data = await chunks({ stream_options: { include_usage: true } })
    expect(data.at(-1)).toBe('[DONE]')
    const parsed = data.slice(0, -1).map((item) => JSON.parse(item) as { choices: unknown[]; usage: unknown })
    expect(parsed.slice(0, -1).every((chunk) => chunk.usage === null && chunk.choices.length === 1)).toBe(
      true,
    )
    expect(parsed.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } })
  })

  test('not asked for: no chunk has the field', async () => {
    const data = await chunks({})
    expect(data.at(-1)).toBe('[DONE]')
    expect(data.some((item) => item.includes('"usage"'))).toBe(false)
  })

  test('stream_options without stream is refused, as OpenAI does', async () => {
    const body = { model: 'gpt-mock', messages, stream_options: { include_usage: true } }
    const response = await post('/v1/chat/completions', body)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { param: 'stream_options' } })
  })
})

test('every event of a messages stream has its event line, ping included', async () => {
  const text = await streamText('/v1/messages', { model: 'mock/n=1' })
  expect(eventNames(text)).toEqual([
    'message_start',
    'content_block_start',
    'ping',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ])
  expect(dataOf(text).map((item) => (JSON.parse(item) as { type: string }).type)).toEqual(eventNames(text))
})

describe('refusals', () => {
  test.each(['', '{', '[]', '"text"', 'null', '{"model":5}', '{"model":"gpt-mock"}', '\u0000'])(
    'the body %j is a 400 in the shape of either provider',
    async (body) => {
      const openai = await post('/v1/chat/completions', body)
      expect([openai.status, await openai.json()]).toMatchObject([
        400,
        { error: { message: expect.any(String), type: 'invalid_request_error', code: null } },
      ])
      const anthropic = await post('/v1/messages', body)
      expect([anthropic.status, await anthropic.json()]).toMatchObject([
        400,
        {
          type: 'error',
          error: { type: 'invalid_request_error' },
          request_id: expect.stringMatching(/^req_mock_/),
        },
      ])
    },
  )

  test('an unknown key in the model is a 400 that names the keys', async () => {
    const response = await post('/v1/responses', { model: 'mock/ttl=1', input: 'x' })
    expect(response.status).toBe(400)
    expect(await response.text()).toContain("unknown key 'ttl'; known keys are ttft, itl")
  })

  test('a path nobody has is a 404 in the provider shape', async () => {
    const response = await fetch(`${mock.current.url}/v1/nothing`)
    expect([response.status, await response.json()]).toMatchObject([404, { error: { code: 'unknown_url' } }])
  })

  test('retry=S sends Retry-After with a planned failure', async () => {
    const response = await post('/v1/chat/completions', { model: 'mock/err=1:429,retry=3', messages })
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '3'])
  })
})

describe('provider headers', () => {
  test('an OpenAI answer has its request id and the limits of the key', async () => {
    const { headers } = await post('/v1/chat/completions', { model: 'gpt-mock', messages })
    expect(headers.get('x-request-id')).toBe('req_mock_1')
    expect(headers.get('x-ratelimit-limit-requests')).toBe('10000')
    expect(headers.get('x-ratelimit-reset-tokens')).toBe('6m0s')
  })

  test('an Anthropic answer has its request id and the limits of the key, streams too', async () => {
    const { headers, body } = await post('/v1/messages', {
      model: 'x',
      max_tokens: 1,
      messages,
      stream: true,
    })
    await body?.cancel()
    expect(headers.get('request-id')).toBe('req_mock_1')
    expect(headers.get('x-request-id')).toBeNull()
    expect(headers.get('anthropic-ratelimit-output-tokens-remaining')).toBe('79000')
  })
})
