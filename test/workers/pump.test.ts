import { describe, expect, test } from 'vitest'
import { dialectOf } from '../../src/core/dialect/dialect.ts'
import { withoutUsageChunk } from '../../src/core/llm/usage-chunk.ts'
import type { StreamTerms } from '../../src/gateway/stream-terms.ts'
import { deliverPump, type PumpEdits } from '../../src/gateway/pump.ts'
import { StreamWorld } from './support/stream-world.ts'

const one = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
const two = 'data: {"choices":[{"index":0,"delta":{"content":"b"}}]}\n\n'
const usage = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
const done = 'data: [DONE]\n\n'
const ping = new TextDecoder().decode(dialectOf('openai').keepAlive)
const asItIs: PumpEdits = { edit: (block) => block, keepAlive: null, slices: null }
const kept: PumpEdits = { ...asItIs, keepAlive: dialectOf('openai').keepAlive }
const stripping: PumpEdits = { edit: withoutUsageChunk, keepAlive: null, slices: null }

type Terms = Partial<StreamTerms> & { readonly totalMs?: number }

function pumping(edits: PumpEdits = asItIs, terms: Terms = {}, reads = true): StreamWorld {
  const world = new StreamWorld()
  world.deliver(deliverPump(world.body, world.terms(terms), edits), reads)
  return world
}

/** The one error event that a client gets, with what came before it; a comment after it lets it go out. */
function brokenOff({ got }: StreamWorld): { readonly before: string; readonly code: unknown } {
  const [, before = '', data = ''] = /^([^]*)data: (\{"error".*\})\n\n(?::\n\n)?$/.exec(got) ?? []
  const { error } = JSON.parse(data) as { error: { code: string } }
  return { before, code: error.code }
}

describe('a stream that is pumped', () => {
  test('reaches the client event by event, and its counter byte by byte', async () => {
    const world = pumping()
    await world.send(one.slice(0, 10))
    expect([world.got, world.seen]).toEqual(['', one.slice(0, 10)])
    await world.send(one.slice(10) + two + done.slice(0, 3))
    expect([world.got, world.seen]).toEqual([one + two, one + two + done.slice(0, 3)])
    await world.send(done.slice(3))
    await world.endUpstream()
    expect([world.got, world.seen]).toEqual([one + two + done, one + two + done])
    expect(world.clientEnd).toBe('ended')
    expect(world.results).toEqual([{ ending: 'complete', bytes: (one + two + done).length }])
  })

  test('keeps a last event that nothing ends', async () => {
    const world = pumping()
    await world.send(one + done.trimEnd())
    await world.endUpstream()
    expect([world.got, world.clientEnd]).toEqual([one + done.trimEnd(), 'ended'])
  })

  test('is stripped of the usage chunk alone, which its counter sees', async () => {
    const world = pumping(stripping)
    for (const char of one + usage + done) await world.send(char)
    await world.endUpstream()
    expect([world.got, world.seen]).toEqual([one + done, one + usage + done])
    expect(world.results).toEqual([{ ending: 'complete', bytes: (one + done).length }])
  })

  test('reads from the upstream no faster than the client reads', async () => {
    const world = pumping(asItIs, {}, false)
    for (let n = 0; n < 20; n += 1) await world.send(one)
    expect(world.seen.length).toBeLessThanOrEqual(2 * one.length)
    expect(world.results).toEqual([])
  })
})

describe('a silent stream', () => {
  test('is kept alive after every 15 s of silence, and not before', async () => {
    const world = pumping(kept)
    await world.send(one)
    await world.clock.advance(14_999)
    expect(world.got).toBe(one)
    await world.clock.advance(1)
    expect(world.got).toBe(one + ping)
    await world.clock.advance(14_999)
    expect(world.got).toBe(one + ping)
    await world.clock.advance(1)
    expect(world.got).toBe(one + ping + ping)
    await world.send(two)
    await world.clock.advance(14_999)
    expect(world.got).toBe(one + ping + ping + two)
    await world.endUpstream()
    expect(world.results).toMatchObject([{ ending: 'complete' }])
  })

  test('is kept alive between events also while half of one waits', async () => {
    const world = pumping(kept)
    await world.send(one + two.slice(0, 20))
    await world.clock.advance(15_000)
    await world.send(two.slice(20))
    expect(world.got).toBe(one + ping + two)
  })

  test('is kept alive before its first event', async () => {
    const world = pumping(kept)
    await world.clock.advance(15_000)
    expect(world.got).toBe(ping)
  })

  test('is not kept alive within an event too long to hold', async () => {
    const world = pumping(kept)
    await world.send(`data: ${'x'.repeat(1_100_000)}`)
    await world.clock.advance(15_000)
    expect(world.got.endsWith('x')).toBe(true)
  })

  test('gets the ping that Anthropic clients know', async () => {
    const world = pumping({ ...asItIs, keepAlive: dialectOf('anthropic').keepAlive })
    await world.clock.advance(15_000)
    expect(world.got).toBe('event: ping\ndata: {"type": "ping"}\n\n')
  })

  test('that is not to be kept alive is left alone', async () => {
    const world = pumping()
    await world.send(one)
    await world.clock.advance(59_999)
    expect([world.got, world.results]).toEqual([one, []])
  })

  test.each([
    ['with', kept],
    ['without', asItIs],
  ])(
    'ends when its idle time runs out, %s keep-alives, which are no life of the upstream',
    async (_, edits) => {
      const world = pumping(edits, { idleMs: 40_000 })
      await world.send(one + two.slice(0, 9))
      await world.clock.advance(39_999)
      expect(world.results).toEqual([])
      await world.clock.advance(1)
      expect(world.results).toMatchObject([{ ending: 'idle_timeout' }])
      const before = edits === kept ? one + ping + ping : one
      expect(brokenOff(world)).toEqual({ before, code: 'upstream_idle_timeout' })
      expect([world.stopped, world.clientEnd]).toEqual([true, 'broken'])
    },
  )
})

describe('a stream ends', () => {
  test('when its total time runs out, although it flows', async () => {
    const world = pumping(asItIs, { totalMs: 30_000 })
    for (let n = 0; n < 29; n += 1) {
      await world.send(one)
      await world.clock.advance(1_000)
    }
    expect(world.results).toEqual([])
    await world.clock.advance(1_000)
    expect(world.results).toMatchObject([{ ending: 'total_timeout' }])
    expect(brokenOff(world)).toEqual({ before: one.repeat(29), code: 'upstream_total_timeout' })
    expect([world.stopped, world.clientEnd]).toEqual([true, 'broken'])
  })

  test.each([
    ['between events', ''],
    ['within an event', two.slice(0, 30)],
  ])('with one error event and no half event when the upstream breaks off %s', async (_, half) => {
    const world = pumping()
    await world.send(one + half)
    world.failUpstream()
    await world.clock.advance(10_000)
    expect(brokenOff(world)).toEqual({ before: one, code: 'upstream_broke_off' })
    expect([world.clientEnd, world.seen]).toEqual(['broken', one + half])
    expect(world.results).toEqual([{ ending: 'upstream_failed', bytes: one.length }])
  })

  test('without an error event within an event too long to hold', async () => {
    const world = pumping()
    const long = `data: ${'x'.repeat(1_100_000)}`
    await world.send(long)
    world.failUpstream()
    await world.clock.advance(10_000)
    expect([world.got.length, world.clientEnd]).toEqual([long.length, 'broken'])
  })

  test.each([
    ['idle', { idleMs: 40_000 }, 40_000, 'idle_timeout'],
    ['total', { totalMs: 50_000 }, 50_000, 'total_timeout'],
  ])('when its %s time runs out, also for a client that does not read', async (_, terms, ms, ending) => {
    const world = pumping(asItIs, terms, false)
    await world.send(one)
    await world.send(two)
    // The last words wait a while for a reader.
    await world.clock.advance(ms + 10_000)
    expect(world.results).toMatchObject([{ ending }])
    expect(world.stopped).toBe(true)
  })
})

test('the end of a stream is not waited for longer than its idle time either', async () => {
  const world = pumping(asItIs, { idleMs: 40_000 }, false)
  await world.send('data: the last')
  await world.endUpstream()
  await world.clock.advance(39_999)
  expect(world.results).toEqual([])
  await world.clock.advance(10_000)
  expect(world.results).toMatchObject([{ ending: 'idle_timeout' }])
})

describe('a client that leaves', () => {
  test.each(['signal', 'body', 'both'] as const)('stops the upstream, told by %s', async (tells) => {
    const world = pumping()
    await world.send(one)
    await world.leave(tells)
    await world.send(two)
    await world.clock.advance(0)
    expect(world.stopped).toBe(true)
    expect(world.results).toEqual([{ ending: 'client_left', bytes: one.length }])
  })

  test('before anything has come stops the upstream at once', async () => {
    const world = pumping()
    await world.leave()
    expect(world.stopped).toBe(true)
    expect(world.results).toEqual([{ ending: 'client_left', bytes: 0 }])
  })

  test('before the pump was there stops the upstream at once', async () => {
    const world = new StreamWorld()
    await world.leave('signal')
    world.deliver(deliverPump(world.body, world.terms(), asItIs))
    await world.clock.advance(0)
    expect(world.stopped).toBe(true)
    expect(world.results).toMatchObject([{ ending: 'client_left' }])
  })

  test('while it does not read stops the upstream at once', async () => {
    const world = pumping(asItIs, {}, false)
    await world.send(one)
    await world.send(two)
    await world.leave('signal')
    expect(world.stopped).toBe(true)
    expect(world.results).toMatchObject([{ ending: 'client_left' }])
  })

  test.each(['signal', 'body', 'both'] as const)(
    'lets the upstream be read on where that is asked for, told by %s',
    async (tells) => {
      const world = pumping(stripping, { drainMs: 25_000 })
      await world.send(one)
      await world.leave(tells)
      await world.send(two)
      await world.clock.advance(24_000)
      await world.send(usage + done)
      expect([world.stopped, world.results]).toEqual([false, []])
      await world.endUpstream()
      expect(world.seen).toBe(one + two + usage + done)
      expect(world.results).toEqual([{ ending: 'client_left', bytes: one.length }])
    },
  )

  test('lets it be read on for so long and no longer, and silence ends it no sooner', async () => {
    const world = pumping(kept, { drainMs: 25_000, idleMs: 5_000 })
    await world.send(one)
    await world.leave()
    await world.clock.advance(24_999)
    expect([world.stopped, world.results]).toEqual([false, []])
    await world.clock.advance(1)
    expect(world.stopped).toBe(true)
    expect(world.results).toEqual([{ ending: 'client_left', bytes: one.length }])
  })

  test('of a drained stream whose upstream breaks off has still left', async () => {
    const world = pumping(asItIs, { drainMs: 25_000 })
    await world.send(one)
    await world.leave()
    world.failUpstream()
    await world.clock.advance(0)
    expect(world.results).toEqual([{ ending: 'client_left', bytes: one.length }])
  })
})

const text = one + two + usage + done
const points = Array.from({ length: 11 }, (_, at) => Math.floor((text.length * at) / 10))
const ways = ['leaves', 'leaves, drained', 'fails', 'ends', 'idles'] as const
const cases = points.flatMap((at) => ways.map((way) => ({ at, way })))

test.each(cases)(
  'a stream that $way after $at bytes has exactly one result, and all of them were counted',
  async ({ at, way }) => {
    const world = pumping(stripping, { drainMs: way === 'leaves, drained' ? 25_000 : 0 })
    await world.send(text.slice(0, at))
    if (way === 'leaves' || way === 'leaves, drained') await world.leave()
    if (way === 'fails') world.failUpstream()
    if (way === 'ends' || way === 'leaves, drained') await world.endUpstream()
    await world.clock.advance(200_000)
    const endings = {
      leaves: 'client_left',
      'leaves, drained': 'client_left',
      fails: 'upstream_failed',
      ends: 'complete',
      idles: 'idle_timeout',
    }
    expect(world.results.map(({ ending }) => ending)).toEqual([endings[way]])
    expect(world.seen).toBe(text.slice(0, at))
  },
)
