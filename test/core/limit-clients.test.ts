import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { dialectOf } from '../../src/core/dialect/dialect.ts'
import { refusalHeaders } from '../../src/core/dialect/refusal-headers.ts'
import { describeRefusal, type Refusal } from '../../src/core/refusal.ts'

/** A gateway that refuses the first request and notes when each came, in milliseconds. */
class RefusingOnce {
  readonly dialect: 'openai' | 'anthropic'
  readonly refusal: Refusal
  readonly cameMs: number[] = []

  constructor(dialect: 'openai' | 'anthropic', refusal: Refusal) {
    this.dialect = dialect
    this.refusal = refusal
  }

  readonly fetch = async (): Promise<Response> => {
    this.cameMs.push(performance.now())
    if (this.cameMs.length > 1) return Response.json({ id: 'done', content: [], choices: [] })
    const dialect = dialectOf(this.dialect)
    const facts = describeRefusal(this.refusal)
    const headers = refusalHeaders(facts, dialect, { nowMs: Date.now(), jitter: 0 })
    const { body, contentType } = dialect.errorBody(facts, 'rid')
    return new Response(body, { status: facts.status, headers: { ...headers, 'content-type': contentType } })
  }
}

const messages = [{ role: 'user' as const, content: 'x' }]

function askOpenAi({ fetch }: RefusingOnce): Promise<unknown> {
  const client = new OpenAI({ apiKey: 'k', baseURL: 'http://gateway.test/v1', fetch })
  return client.chat.completions.create({ model: 'm', messages })
}

function askAnthropic({ fetch }: RefusingOnce): Promise<unknown> {
  const client = new Anthropic({ apiKey: 'k', baseURL: 'http://gateway.test', fetch })
  return client.messages.create({ model: 'm', max_tokens: 1, messages })
}

const clients = [
  ['openai', askOpenAi, OpenAI.RateLimitError],
  ['anthropic', askAnthropic, Anthropic.RateLimitError],
] as const

const limited = (waitMs: number | null): Refusal => ({
  refused: 'limit_reached',
  violated: ['rpm'],
  waitMs,
  standings: [],
})

describe.each(clients)('the official client of %s', (dialect, ask, RateLimitError) => {
  test('waits as long as it is told, to the millisecond, and then goes on', async () => {
    const gateway = new RefusingOnce(dialect, limited(80))
    expect(await ask(gateway)).toMatchObject({ id: 'done' })
    const [first = 0, second = 0] = gateway.cameMs
    expect(second - first).toBeGreaterThanOrEqual(79)
    expect(gateway.cameMs).toHaveLength(2)
  })

  test.each([30_001, 14_000_000, null])('does not sit out a wait of %j ms', async (waitMs) => {
    const gateway = new RefusingOnce(dialect, limited(waitMs))
    const error = await ask(gateway).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(RateLimitError)
    expect(error).toMatchObject({ status: 429 })
    expect(JSON.stringify((error as { error: unknown }).error)).toContain('"violated-policies":["rpm"]')
    expect(gateway.cameMs).toHaveLength(1)
  })

  test.each<[number, Refusal]>([
    [402, { refused: 'budget_exhausted', violated: ['usd'], waitMs: 1_000, standings: [] }],
    [400, { refused: 'limit_too_small', violated: ['tpm'], asked: 2, max: 1 }],
    [403, { refused: 'model_not_priced', model: 'm' }],
  ])('gives up at once at a %i that waiting does not mend', async (status, refusal) => {
    const gateway = new RefusingOnce(dialect, refusal)
    await expect(ask(gateway)).rejects.toMatchObject({ status })
    expect(gateway.cameMs).toHaveLength(1)
  })

  test('tries again when the Ledger did not answer', async () => {
    const gateway = new RefusingOnce(dialect, { refused: 'limits_unavailable', retryAfterMs: 30 })
    expect(await ask(gateway)).toMatchObject({ id: 'done' })
    expect(gateway.cameMs).toHaveLength(2)
  })
})
