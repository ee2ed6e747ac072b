import { describe, expect, it } from 'vitest'
import { TokenEstimator } from '../../src/core/llm/estimate.ts'
import { lengthEndOf } from '../../src/core/llm/length-end.ts'
import { VisibleTextCounter } from '../../src/core/llm/visible-text.ts'
import { EventBlocks } from '../../src/core/stream/event-blocks.ts'
import { FlowMeter } from '../../src/gateway/meter.ts'
import { Slices } from '../../src/gateway/slices.ts'
import type { LlmRequest } from '../../src/ports.ts'
import { charsOf, joined } from '../support/byte-pieces.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { corpus, eventsIn, ownRecordings, piecesOf, pieceSizes, type Recording } from './llm-usage-samples.ts'

const llm: LlmRequest = {
  forecast: { model: null, bodyBytes: 100, outputTokensMax: null, choices: 1, stream: true },
  facts: () => ({ asked: null, model: null, stream: true, askedForUsage: false, bodyBytes: 100 }),
}

interface Passed {
  readonly bytes: Uint8Array
  readonly over: boolean
  readonly meter: FlowMeter
}

/** A recorded stream as it passes, in pieces of one size, where so many tokens are reserved and no more. */
async function passOf({ bytes }: Recording, size: number, reserved: number): Promise<Passed> {
  const meter = new FlowMeter('events', llm)
  const slices = new Slices({
    grant: { reservedOutputTokens: reserved, extend: () => false },
    llm,
    estimator: new TokenEstimator(),
    end: lengthEndOf('openai', '/v1/chat/completions', true),
    clock: new FakeClock(),
    see: (event) => meter.push(event),
  })
  const blocks = new EventBlocks()
  const got: Uint8Array[] = []
  const pass = async (block: Uint8Array): Promise<boolean> => {
    const passage = await slices.pass(block)
    got.push(passage.bytes.slice())
    return passage.over
  }
  for (const piece of piecesOf(bytes, size)) {
    if (await pass(blocks.push(piece))) return { bytes: joined(got), over: true, meter }
  }
  return { over: await pass(blocks.rest()), bytes: joined(got), meter }
}

function tokensIn(bytes: Uint8Array): number {
  const text = new VisibleTextCounter('events')
  text.push(bytes)
  return new TokenEstimator().estimateOutput(null, { textBytes: text.bytes, texts: text.texts })
}

describe.each([...ownRecordings, ...corpus])('the recorded stream $name', (recording) => {
  const { bytes } = recording

  it('passes whole where enough is reserved, and is counted as it is without slices', async () => {
    const whole = new FlowMeter('events', llm)
    whole.push(bytes)
    for (const size of pieceSizes) {
      const passed = await passOf(recording, size, 1_000_000)
      expect(charsOf(passed.bytes)).toBe(charsOf(bytes))
      expect(passed.over).toBe(false)
      expect(passed.meter.usage(new TokenEstimator())).toEqual(whole.usage(new TokenEstimator()))
    }
  })

  it('passes as far as its tokens are reserved, and not an event less or more', async () => {
    const all = tokensIn(bytes)
    for (const reserved of new Set(
      [0, 1, Math.floor(all / 2), all - 1].filter((each) => each >= 0 && each < all),
    )) {
      for (const size of [7, 300, Number.MAX_SAFE_INTEGER]) {
        const passed = await passOf(recording, size, reserved)
        expect(passed.over).toBe(true)
        expect(charsOf(bytes).startsWith(charsOf(passed.bytes))).toBe(true)
        expect(tokensIn(passed.bytes)).toBeLessThanOrEqual(reserved)
        const next = eventsIn(bytes.subarray(passed.bytes.length)).find((event) => event.length > 2)
        expect(tokensIn(joined([passed.bytes, next ?? new Uint8Array(0)]))).toBeGreaterThan(reserved)
      }
    }
  })
})
