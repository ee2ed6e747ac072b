import { describe, expect, test } from 'vitest'
import { TokenEstimator } from '../../src/core/llm/estimate.ts'
import { lengthEndOf } from '../../src/core/llm/length-end.ts'
import type { Awaitable } from '../../src/core/outcome.ts'
import { deliverPump } from '../../src/gateway/pump.ts'
import { Slices } from '../../src/gateway/slices.ts'
import type { LlmRequest } from '../../src/ports.ts'
import { charsOf, joined } from '../support/byte-pieces.ts'
import { StreamWorld } from './support/stream-world.ts'

/** An event that bears so many tokens of four bytes. */
function event(tokens = 1): string {
  return `data: {"id":"c","choices":[{"index":0,"delta":{"content":"${'four'.repeat(tokens)}"}}]}\n\n`
}
const end =
  'data: {"id":"c","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}\n\ndata: [DONE]\n\n'
/** The smallest slice. */
const slice = 64

interface Plan {
  /** Tokens reserved before the call. */
  readonly first?: number
  /** What each request for more is answered with; afterwards no. */
  readonly answers?: readonly Awaitable<boolean>[]
  readonly outputTokensMax?: number
  readonly choices?: number
  readonly idleMs?: number
  readonly drainMs?: number
  readonly reads?: boolean
}

class SlicedWorld extends StreamWorld {
  readonly asked: number[] = []
  readonly counted: Uint8Array[] = []
  readonly estimator = new TokenEstimator()

  constructor({ first = slice, answers = [], ...plan }: Plan) {
    super()
    const { outputTokensMax = null, choices = 1, idleMs = 60_000, drainMs = 0 } = plan
    const llm: LlmRequest = {
      forecast: { model: 'm', bodyBytes: 40, outputTokensMax, choices, stream: true },
      facts: () => ({ asked: 'm', model: 'm', stream: true, askedForUsage: false, bodyBytes: 40 }),
    }
    const left = [...answers]
    const slices = new Slices({
      grant: {
        reservedOutputTokens: first,
        extend: (tokens) => {
          this.asked.push(tokens)
          return left.shift() ?? false
        },
      },
      llm,
      estimator: this.estimator,
      end: lengthEndOf('openai', '/v1/chat/completions', true),
      clock: this.clock,
      see: (piece) => void this.counted.push(piece.slice()),
    })
    const edits = { edit: (block: Uint8Array) => block, keepAlive: null, slices }
    this.deliver(deliverPump(this.body, this.terms({ idleMs, drainMs }), edits), plan.reads ?? true)
  }

  /** What was counted for the charge. */
  get charged(): string {
    return charsOf(joined(this.counted))
  }
}

describe('a stream whose output is reserved in slices', () => {
  test('ends cleanly behind the last event that is reserved for, and stops its upstream', async () => {
    const world = new SlicedWorld({})
    for (let n = 0; n < slice; n += 1) await world.send(event())
    expect([world.got, world.results]).toEqual([event().repeat(slice), []])
    await world.send(event())
    expect(world.got).toBe(event().repeat(slice) + end)
    expect([world.clientEnd, world.stopped]).toEqual(['ended', true])
    expect(world.results).toEqual([{ ending: 'limit_reached', bytes: world.got.length }])
    expect(world.charged).toBe(event().repeat(slice))
  })

  test('gets of a burst the events that are reserved for, in whatever chunks they come', async () => {
    for (const size of [61, 1000, 100_000]) {
      const world = new SlicedWorld({})
      const burst = event().repeat(slice + 10)
      for (let at = 0; at < burst.length; at += size) await world.send(burst.slice(at, at + size))
      expect(world.got).toBe(event().repeat(slice) + end)
      expect(world.charged).toBe(event().repeat(slice))
    }
  })

  test('asks for more when half a slice is left, and goes on', async () => {
    const world = new SlicedWorld({ answers: [true, true] })
    for (let n = 0; n < slice / 2; n += 1) await world.send(event())
    expect(world.asked).toEqual([])
    await world.send(event())
    expect(world.asked).toEqual([slice])
    await world.send(event().repeat(3 * slice))
    expect(world.asked).toEqual([slice, slice, slice, slice / 4])
    expect(world.got).toBe(event().repeat(3 * slice) + end)
  })

  test('waits for no answer while its slice lasts, and for no other chunk than the one that needs it', async () => {
    const late = Promise.withResolvers<boolean>()
    const world = new SlicedWorld({ answers: [late.promise] })
    for (let n = 0; n < slice; n += 1) await world.send(event())
    expect(world.got).toBe(event().repeat(slice))
    await world.send(event())
    expect([world.got, world.asked]).toEqual([event().repeat(slice), [slice]])
    late.resolve(true)
    await world.send(event())
    expect(world.got).toBe(event().repeat(slice + 2))
    await world.endUpstream()
    expect(world.results).toMatchObject([{ ending: 'complete' }])
  })

  test('asks once more before it ends, for less: what was too little for a slice may do for a part of it', async () => {
    const world = new SlicedWorld({ answers: [false, true, false, true] })
    await world.send(event().repeat(slice))
    expect(world.asked).toEqual([slice])
    await world.send(event().repeat(slice / 4))
    expect(world.asked).toEqual([slice, slice / 4, slice])
    expect(world.got).toBe(event().repeat((5 * slice) / 4))
    await world.send(event().repeat(slice))
    expect(world.asked).toEqual([slice, slice / 4, slice, slice / 4, slice, slice / 4])
    expect(world.got).toBe(event().repeat((6 * slice) / 4) + end)
  })

  test('ends where the limits do not answer, or fail', async () => {
    const silent = new SlicedWorld({
      answers: [new Promise<boolean>(() => {}), new Promise<boolean>(() => {})],
    })
    await silent.send(event().repeat(slice + 1))
    expect(silent.results).toEqual([])
    await silent.clock.advance(3_000)
    expect(silent.got).toBe(event().repeat(slice) + end)
    const failing = new SlicedWorld({ answers: [Promise.reject(new Error('reset'))] })
    await failing.send(event().repeat(slice + 1))
    expect(failing.got).toBe(event().repeat(slice) + end)
  })

  test('asks for as much as a long event needs', async () => {
    const world = new SlicedWorld({ answers: [true] })
    await world.send(event(5 * slice))
    expect(world.asked).toEqual([4 * slice, slice])
    expect(world.got).toBe(event(5 * slice))
  })

  test('is let alone once all is reserved that its client allows, which its upstream keeps', async () => {
    const world = new SlicedWorld({ outputTokensMax: 50, choices: 2, answers: [true] })
    await world.send(event().repeat(200))
    expect(world.asked).toEqual([100 - slice])
    await world.endUpstream()
    expect(world.results).toMatchObject([{ ending: 'complete' }])
    const whole = new SlicedWorld({ first: 100, outputTokensMax: 50, choices: 2 })
    await whole.send(event().repeat(200))
    expect([whole.asked, whole.got]).toEqual([[], event().repeat(200)])
  })

  test('is counted by what has been learnt of the model that it names, as it is charged', async () => {
    const world = new SlicedWorld({})
    for (let n = 0; n < 100; n += 1) world.estimator.learn('m-2026', 200, 100)
    const named = event().replace('"id"', '"model":"m-2026","id"')
    await world.send(named.repeat(slice))
    expect(world.got.startsWith(named.repeat(slice / 2))).toBe(true)
    expect(world.got.startsWith(named.repeat(slice / 2 + 1))).toBe(false)
    expect(world.results).toMatchObject([{ ending: 'limit_reached' }])
  })

  test('is not held up by what bears no text', async () => {
    const world = new SlicedWorld({})
    const usage = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":64}}\n\n'
    await world.send(event().repeat(slice) + usage + 'data: [DONE]\n\n')
    await world.endUpstream()
    expect(world.got).toBe(event().repeat(slice) + usage + 'data: [DONE]\n\n')
    expect(world.charged).toBe(world.got)
    expect(world.results).toMatchObject([{ ending: 'complete' }])
  })

  test('keeps a last event that nothing ends', async () => {
    const world = new SlicedWorld({})
    await world.send(event() + event().trimEnd())
    await world.endUpstream()
    expect([world.got, world.charged]).toEqual([event() + event().trimEnd(), event() + event().trimEnd()])
  })

  test('whose client leaves at its end is over all the same', async () => {
    const world = new SlicedWorld({ reads: false, idleMs: 5_000 })
    await world.send(event().repeat(slice + 1))
    await world.leave()
    expect(world.results).toMatchObject([{ ending: 'client_left' }])
  })

  test('whose client no longer reads gives up after the idle time', async () => {
    const world = new SlicedWorld({ first: 0, reads: false, idleMs: 5_000 })
    await world.send(event())
    await world.clock.advance(4_999)
    expect(world.results).toEqual([])
    await world.clock.advance(1)
    expect(world.results).toEqual([{ ending: 'limit_reached', bytes: 0 }])
  })

  test('is read no further for a client that has left, once nothing is reserved', async () => {
    const world = new SlicedWorld({ drainMs: 25_000 })
    await world.send(event())
    await world.leave()
    await world.send(event().repeat(slice - 1))
    expect([world.stopped, world.results]).toEqual([false, []])
    await world.send(event())
    expect(world.stopped).toBe(true)
    expect(world.results).toMatchObject([{ ending: 'client_left' }])
    expect(world.charged).toBe(event().repeat(slice))
  })
})

const reasons = [
  ['key_revoked', 'key_invalid'],
  ['slot_lost', 'limits_unavailable'],
] as const

function streaming(): StreamWorld {
  const world = new StreamWorld()
  const edits = { edit: (block: Uint8Array) => block, keepAlive: null, slices: null }
  world.deliver(deliverPump(world.body, world.terms(), edits))
  return world
}

describe('a pumped stream that is stopped', () => {
  test.each(reasons)(
    'because of %s ends with an error event that says %s, and abnormally',
    async (why, code) => {
      const world = streaming()
      await world.send(event())
      world.stopWith = why
      world.stop()
      await world.clock.advance(50)
      const [, before = '', data = ''] = /^([^]*)data: (\{"error".*\})\n\n(?::\n\n)?$/.exec(world.got) ?? []
      expect(before).toBe(event())
      expect(JSON.parse(data)).toMatchObject({ error: { code } })
      expect(world.clientEnd).toBe('broken')
      expect(world.results).toEqual([{ ending: 'stopped', bytes: event().length }])
      expect(world.seen).toBe(event())
    },
  )

  test('after it has ended is not touched', async () => {
    const world = streaming()
    await world.send(event())
    await world.endUpstream()
    await world.clock.advance(100)
    world.stop()
    await world.clock.advance(100)
    expect([world.got, world.clientEnd]).toEqual([event(), 'ended'])
    expect(world.results).toMatchObject([{ ending: 'complete' }])
  })
})
