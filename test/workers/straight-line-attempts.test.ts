import { describe, expect, test } from 'vitest'
import type { UpstreamAnswer } from '../../src/ports.ts'
import { FakeWorld, json, timer } from './support/fake-world.ts'

const body = '{"model":"m","max_tokens":9}'

function asking(route: 'pair' | 'alone', signal?: AbortSignal): Request {
  const headers = { 'x-api-key': 'slc_known', ...json, 'content-length': String(body.length) }
  const init = { method: 'POST', headers, body, ...(signal && { signal }) }
  return new Request(`http://gw.test/${route}/chat/completions`, init)
}

function failed(status: number, headers: HeadersInit = {}): UpstreamAnswer {
  return { response: new Response(null, { status, headers }), abort() {}, remainingMs: 1_000, timer }
}

function done(model: string): UpstreamAnswer {
  const text = JSON.stringify({ model, usage: { prompt_tokens: 5, completion_tokens: 1 } })
  const headers = { 'content-type': 'application/json', 'content-length': String(text.length) }
  return { response: new Response(text, { headers }), abort() {}, remainingMs: 1_000, timer }
}

const once = [expect.stringMatching(/^settle .*"inputTokens":5,.*"outputTokens":1,.* complete$/)]

describe('a request that is tried several times', () => {
  test('reserves once, for the dearest it may run as, and settles once with what its client got', async () => {
    const world = new FakeWorld()
    world.upstream = ({ target }) => Promise.resolve(target.id === 'up/0' ? failed(503) : done('m2'))
    expect((await world.handle(asking('pair'))).status).toBe(200)
    expect(world.calls.map((call) => call.target.id)).toEqual(['up/0', 'up/1'])
    expect(world.wants).toMatchObject([{ model: 'm', price: { output: 2_000_000 }, unpriced: null }])
    expect(world.grants).toEqual(once)
    expect(world.records).toMatchObject([{ upstreamModel: 'm2', costMicroUsd: 7, violated: [] }])
  })

  test('and fails each time gives back what it reserved, once', async () => {
    const world = new FakeWorld()
    world.upstream = () => Promise.resolve(failed(503))
    expect((await world.handle(asking('pair'))).status).toBe(503)
    expect([world.wants.length, world.grants]).toEqual([1, ['release']])
    expect(world.records[0]?.attempts.map(({ costMicroUsd }) => costMicroUsd)).toEqual([null, null, null])
  })

  test('is charged for an attempt that its client leaves, and not for leaving between two', async () => {
    for (const [under, grants] of [
      ['an attempt', [expect.stringMatching(/^settle .*"source":"estimated".* client_left$/)]],
      ['no attempt', ['release']],
    ] as const) {
      const world = new FakeWorld()
      const leaving = new AbortController()
      world.upstream = ({ signal }) =>
        under === 'no attempt' || world.calls.length === 1
          ? Promise.resolve(failed(503, { 'retry-after': '1' }))
          : new Promise((resolve) => {
              signal.addEventListener('abort', () => resolve({ refused: 'client_left' }))
            })
      const served = world.handle(asking('alone', leaving.signal))
      await world.clock.advance(under === 'no attempt' ? 500 : 1_500)
      leaving.abort()
      expect((await served).status).toBe(499)
      expect([world.calls.length, world.grants]).toEqual([under === 'no attempt' ? 1 : 2, grants])
    }
  })

  test('at two targets at once is charged for the answer it gets; the other stands beside it', async () => {
    const world = new FakeWorld()
    world.upstream = ({ target }) => Promise.resolve(done(target.id))
    // Hedging begins when enough is known of the target.
    for (let at = 0; at < 50; at += 1) await world.handle(asking('pair'))
    world.grants.length = 0
    world.records.length = 0
    world.upstream = ({ target, signal }) =>
      target.id === 'up/1'
        ? Promise.resolve(done('m2'))
        : new Promise((resolve) => {
            signal.addEventListener('abort', () => resolve({ refused: 'client_left' }))
          })
    const served = world.handle(asking('pair'))
    await world.clock.advance(100)
    expect((await served).status).toBe(200)
    expect(world.grants).toEqual(once)
    expect(world.records).toMatchObject([
      {
        target: 'up/1',
        costMicroUsd: 7,
        attempts: [
          { target: 'up/0', result: 'hedge_lost', costMicroUsd: expect.any(Number) },
          { target: 'up/1', result: 'answered', costMicroUsd: null },
        ],
      },
    ])
  })
})
