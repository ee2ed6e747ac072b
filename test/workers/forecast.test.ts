import { describe, expect, test } from 'vitest'
import { makesModelRun } from '../../src/core/llm/generating.ts'
import type { LlmForecast } from '../../src/ports.ts'
import { bytesOf } from '../support/byte-pieces.ts'
import {
  inspectAt,
  json,
  llmRoute,
  passed,
  policy,
  renames,
  sending,
  type Sent,
} from './support/inspection.ts'

async function forecastOf(sent: Sent, route = llmRoute(renames)): Promise<LlmForecast | null | undefined> {
  return (await passed(inspectAt(route, sent).outcome)).llm?.forecast
}

describe('what a request may generate, before it is sent', () => {
  const maxima: readonly [body: object, outputTokensMax: number | null][] = [
    [{}, null],
    [{ max_tokens: null }, null],
    [{ max_tokens: 7 }, 7],
    [{ max_tokens: 1, max_completion_tokens: 10_000 }, 10_000],
    [{ max_tokens: 10_000, max_completion_tokens: 1 }, 10_000],
    [{ max_output_tokens: 30 }, 30],
    [{ max_output_tokens: 30, max_tokens: 31, max_completion_tokens: 0 }, 31],
    [{ max_tokens: 0 }, null],
  ]

  test.each(maxima)('with %j is an output of at most %j', async (body, outputTokensMax) => {
    const text = JSON.stringify({ model: 'fast', ...body })
    const forecast = {
      model: 'org/small',
      otherModels: [],
      bodyBytes: text.length,
      outputTokensMax,
      choices: 1,
      stream: false,
      bodyRead: true,
    }
    expect(await forecastOf(sending(text, true))).toEqual(forecast)
    expect(await forecastOf(sending(text, false))).toEqual(forecast)
  })

  test.each([
    [{ n: 3 }, 3],
    [{ best_of: 4 }, 4],
    [{ n: 2, best_of: 5 }, 5],
    [{ n: null }, 1],
  ])('with %j is %d answers', async (body, choices) => {
    const text = JSON.stringify({ model: 'm', ...body })
    for (const declares of [true, false]) {
      expect(await forecastOf(sending(text, declares))).toMatchObject({ choices })
    }
  })

  test('says whether it streams', async () => {
    expect(await forecastOf(sending('{"model":"m","stream":true}', true))).toMatchObject({ stream: true })
  })

  const unknown = {
    model: null,
    otherModels: [],
    outputTokensMax: null,
    choices: 1,
    stream: true,
    bodyRead: false,
  }
  const long = `{"messages":["${'x'.repeat(300_000)}"],"model":"fast","max_tokens":1,"n":9}`
  const form: Sent = {
    headers: { 'content-type': 'multipart/form-data; boundary=B' },
    body: [
      bytesOf(`--B\r\nContent-Disposition: form-data; name="file"\r\n\r\n${'x'.repeat(20_000)}\r\n--B--\r\n`),
    ],
    declared: 20_063,
  }
  const opaque: Sent = { headers: { 'content-type': 'text/plain' }, body: [bytesOf('abcd')], declared: 4 }
  const bodies: readonly [string, Sent, number][] = [
    ['is JSON over 256 KiB, which mostly is no text', sending(long, true), 262_144],
    ['is the same and does not say its length', sending(long, false), 262_144],
    ['is a form, which carries files', form, 16_384],
    ['is not read', opaque, 4],
  ]

  test('counts a body of unknown length that is not read whole as it counts others, or as what was read', async () => {
    for (const [bufferBytes, bodyBytes] of [
      [0, 16_384],
      [9, 16_384],
      [100_000, 100_001],
      [400_000, 262_144],
    ] as const) {
      const route = llmRoute({ resend: { unsafe: false, hedge: false, bufferBytes } })
      expect(await forecastOf(sending(long, false), route)).toMatchObject({ bodyBytes, bodyRead: false })
    }
  })

  test('of a long body that is read whole all the same counts it as one that is not', async () => {
    const route = llmRoute({ resend: { unsafe: false, hedge: false, bufferBytes: 400_000 } })
    expect(await forecastOf(sending(long, true), route)).toMatchObject({
      model: 'fast',
      bodyBytes: 262_144,
      outputTokensMax: 1,
      choices: 9,
    })
  })

  test.each(bodies)('is left open where the body %s', async (_, sent, bodyBytes) => {
    const route = llmRoute({ opaqueBodies: 'pass' })
    expect(await forecastOf(sent, route)).toEqual({ ...unknown, bodyBytes })
  })

  test('knows the model of a body that is not read yet where the route or a place says it', async () => {
    const overridden = llmRoute(policy({ override: 'always' }))
    expect(await forecastOf(sending(long, false), overridden)).toMatchObject({ model: 'always' })
    const placed = llmRoute({ path: '/v1/x/{model}/*', ...renames })
    const sent = sending(long, false, { url: '/v1/x/fast/completions' })
    expect(await forecastOf(sent, placed)).toMatchObject({ model: 'org/small' })
  })

  test.each([true, false])('is no output where a model puts out numbers, declared: %s', async (declares) => {
    const sent = sending('{"model":"m"}', declares, { url: '/v1/embeddings' })
    expect(await forecastOf(sent)).toMatchObject({ outputTokensMax: 0 })
  })

  test('is nothing where no model runs', async () => {
    expect(await forecastOf({ method: 'GET', url: '/v1/models' })).toBe(null)
    expect(await forecastOf({ method: 'POST' })).toBe(null)
    const counting = sending('{"model":"m"}', true, { url: '/v1/messages/count_tokens', headers: json })
    expect(await forecastOf(counting)).toBe(null)
  })

  test.each([
    ['POST', '/v1/chat/completions', true],
    ['POST', '/v1/responses', true],
    ['POST', '/v1/embeddings', true],
    ['POST', '/v1/anything/new', true],
    ['POST', '/v1/profiles', true],
    ['GET', '/v1/chat/completions', false],
    ['PUT', '/v1/chat/completions', false],
    ['POST', '/v1/messages/count_tokens', false],
    ['POST', '/v1/responses/input_tokens', false],
    ['POST', '/v1/messages/batches', false],
    ['POST', '/v1/messages/batches/b/cancel', false],
    ['POST', '/v1/batches', false],
    ['POST', '/v1/files', false],
    ['POST', '/v1/uploads/u/parts', false],
  ])('%s %s makes a model run: %s', (method, path, runs) => {
    expect(makesModelRun(method, path)).toBe(runs)
  })
})
