import { describe, expect, test } from 'vitest'
import type { Route, Target } from '../../src/core/config/types.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import type { OutboundRequest, TargetRequest } from '../../src/ports.ts'
import { charsOf } from '../support/byte-pieces.ts'
import { targetWith, upstreamWith } from '../support/routes.ts'
import { inspectAt, llmRoute, passed, policy, sending, sentBytes, type Sent } from './support/inspection.ts'

const first = targetWith({ id: 'up/0', dialect: 'openai', includeUsage: true })
const alike = targetWith({ id: 'up/1', dialect: 'openai', includeUsage: true })
const renaming = targetWith({ id: 'up/2', dialect: 'openai', models: { 'gpt-4o': 'llama', big: 'large' } })
const sparing = targetWith({ id: 'up/3', dialect: 'openai' })

function pooled(targets: readonly Target[], changes: Partial<Route> = {}): Route {
  return llmRoute({ upstream: upstreamWith(targets), ...changes })
}

function to(outbound: OutboundRequest, target: Target): TargetRequest {
  const request = outbound.forTarget?.(target) ?? outbound
  if (isRefusal(request)) throw new Error(request.refused)
  return request
}

const text = '{"model":"gpt-4o","stream":true,"messages":[]}'
const flowing = { resend: { unsafe: false, hedge: false, bufferBytes: 0 } } as const
const ways: readonly [name: string, declares: boolean, changes: Partial<Route>][] = [
  ['read whole', true, {}],
  ['of unknown length and read whole', false, {}],
  ['flowing', true, flowing],
  ['of unknown length and flowing', false, flowing],
  [
    'of unknown length and too long to be read whole',
    false,
    { resend: { ...flowing.resend, bufferBytes: 9 } },
  ],
]

describe('a request for one of several targets', () => {
  test('is one for all of them where they are alike', async () => {
    const { outcome } = inspectAt(pooled([first, alike]), sending(text, true))
    expect((await passed(outcome)).forTarget).toBeNull()
  })

  test.each(ways)(
    '%s, gets the model and the options of the one it goes to',
    async (_, declares, changes) => {
      for (const [target, sent, model, asked] of [
        [first, `${text.slice(0, -1)},"stream_options":{"include_usage":true}}`, 'gpt-4o', true],
        [renaming, text.replace('gpt-4o', 'llama'), 'llama', false],
        [sparing, text, 'gpt-4o', false],
      ] as const) {
        const { outcome } = inspectAt(pooled([first, renaming, sparing], changes), sending(text, declares))
        const outbound = await passed(outcome)
        expect(charsOf(await sentBytes(to(outbound, target)))).toBe(sent)
        expect(outbound.llm?.facts()).toMatchObject({ asked: 'gpt-4o', model, askedForUsage: asked })
      }
    },
  )

  test('read whole, can be written for one after the other, and its facts are those of the last', async () => {
    const { outcome } = inspectAt(pooled([first, renaming]), sending(text, true))
    const outbound = await passed(outcome)
    const bodies = []
    for (const target of [first, renaming, first]) bodies.push(charsOf(await sentBytes(to(outbound, target))))
    expect(bodies[0]).toBe(bodies[2])
    expect(bodies[1]).toContain('"llama"')
    expect(outbound.llm?.facts().model).toBe('gpt-4o')
  })

  test('that flows is touched only when it is asked for', async () => {
    const { outcome, x } = inspectAt(pooled([first, renaming], flowing), sending(text, false))
    const outbound = await passed(outcome)
    expect([outbound.sendable.kind, x.request.body?.locked]).toEqual(['stream', false])
    expect(outbound.sendable.body.kind).toBe('stream')
    expect(x.request.body?.locked).toBe(true)
  })

  test('is not written for a target whose model the rules do not let pass', async () => {
    const route = pooled([first, renaming], policy({ deny: ['large'] }))
    const { outcome } = inspectAt(route, sending('{"model":"big"}', true))
    const outbound = await passed(outcome)
    expect(outbound.forTarget?.(renaming)).toMatchObject({ refused: 'model_not_allowed', model: 'big' })
    expect(outbound.forTarget?.(first)).not.toHaveProperty('refused')
  })

  test('may run as any of the models that its targets call it', async () => {
    const asFast = targetWith({ id: 'up/4', dialect: 'openai', models: { always: 'tiny', big: 'huge' } })
    const targets = [first, renaming, asFast]
    const forecast = async (sent: Sent, changes: Partial<Route> = {}) =>
      (await passed(inspectAt(pooled(targets, changes), sent).outcome)).llm?.forecast
    const big = sending('{"model":"big"}', true)
    expect(await forecast(big)).toMatchObject({ model: 'big', otherModels: ['large', 'huge'] })
    expect(await forecast(big, policy({ deny: ['huge'] }))).toMatchObject({ otherModels: ['large'] })
    expect(await forecast(sending('{"model":"gpt-4o"}', true))).toMatchObject({ otherModels: ['llama'] })
    expect(await forecast(sending('{"model":"other"}', true))).toMatchObject({ otherModels: [] })
    expect(await forecast(big, flowing)).toMatchObject({ model: null, otherModels: [] })
    const overridden = { ...policy({ override: 'always' }), ...flowing }
    expect(await forecast(big, overridden)).toMatchObject({ model: 'always', otherModels: ['tiny'] })
  })

  test('has its model renamed in path and query too', async () => {
    const route = pooled([first, renaming], { path: '/v1/models/{model}' })
    const { outcome } = inspectAt(route, { method: 'GET', url: '/v1/models/gpt-4o?model=big' })
    const outbound = await passed(outcome)
    expect(to(outbound, renaming)).toMatchObject({
      match: { params: { model: 'llama' } },
      query: '?model=large',
    })
    expect(to(outbound, first)).toMatchObject({ match: { params: { model: 'gpt-4o' } }, query: '?model=big' })
  })

  test('has the names of its only target, where there is one', async () => {
    const { outcome } = inspectAt(pooled([renaming]), sending(text, true))
    const outbound = await passed(outcome)
    expect(charsOf(await sentBytes(outbound))).toBe(text.replace('gpt-4o', 'llama'))
  })
})
