import { describe, expect, test } from 'vitest'
import { bytesOf } from '../support/byte-pieces.ts'
import { FakeClock } from '../support/fake-clock.ts'
import {
  bodyOf,
  inspectAt,
  json,
  llmRoute,
  passed,
  refusalOf,
  sending,
  sentBytes,
} from './support/inspection.ts'

describe('a body that is read whole', () => {
  const framings = [
    ['declared', { declared: 10 }],
    ['not declared', {}],
  ] as const

  test.each(framings)('may take as long as the route says, then it is 408: %s', async (_, framing) => {
    const clock = new FakeClock()
    const { readable, writable } = new IdentityTransformStream()
    const writer = writable.getWriter()
    writer.write(bytesOf('{"a"')).catch(() => {})
    const sent = { body: readable, headers: json, ...framing }
    const { outcome } = inspectAt(llmRoute({ bodyMs: 7_000 }), sent, { clock })
    const { value, tookMs } = await clock.until(outcome)
    expect([value, tookMs]).toEqual([{ refused: 'body_too_slow', afterMs: 7_000 }, 7_000])
  })

  const ends = [
    ['ends too early', (writer: WritableStreamDefaultWriter<Uint8Array>) => writer.close()],
    ['breaks off', (writer: WritableStreamDefaultWriter<Uint8Array>) => writer.abort(new Error('reset'))],
  ] as const

  test.each(ends.flatMap(([what, end]) => framings.map(([how, framing]) => ({ what, how, end, framing }))))(
    'and $what is malformed: $how',
    async ({ end, framing }) => {
      const { readable, writable } = new IdentityTransformStream()
      const writer = writable.getWriter()
      const { outcome } = inspectAt(llmRoute(), { body: readable, headers: json, ...framing })
      await writer.write(bytesOf('{'))
      await end(writer)
      expect(await refusalOf(outcome)).toMatchObject({ refused: 'malformed_request' })
    },
  )

  test('and is not declared may be empty no more than one that is', async () => {
    const { outcome } = inspectAt(llmRoute(), {
      body: bodyOf([new Uint8Array(0), new Uint8Array(0)]),
      headers: json,
    })
    expect(await refusalOf(outcome)).toMatchObject({ refused: 'malformed_request' })
  })

  test.each([100, 300_000])(
    'and is not declared may have %d bytes where its route says so',
    async (bytesMax) => {
      const route = llmRoute({ bodyBytesMax: bytesMax })
      const empty = '{"model":"m","x":""}'
      const text = (length: number) => empty.replace('""', `"${'x'.repeat(length - empty.length)}"`)
      const fits = await passed(inspectAt(route, sending(text(bytesMax), false)).outcome)
      expect((await sentBytes(fits)).length).toBe(bytesMax)
      const { outcome } = inspectAt(route, sending(text(bytesMax + 1), false))
      const tooLarge = { refused: 'body_too_large', bytesMax }
      if (bytesMax < 262_144) return expect(await refusalOf(outcome)).toEqual(tooLarge)
      const outbound = await passed(outcome)
      await expect(sentBytes(outbound)).rejects.toThrow('cut')
      expect(outbound.sendable.cut()).toEqual(tooLarge)
    },
  )

  test('and goes on beyond 256 KiB has what is left of its time for the rest', async () => {
    const clock = new FakeClock()
    const { readable, writable } = new IdentityTransformStream()
    const writer = writable.getWriter()
    const { outcome } = inspectAt(llmRoute({ bodyMs: 7_000 }), { body: readable, headers: json }, { clock })
    await clock.advance(3_000)
    writer.write(bytesOf(`{"x":"${'x'.repeat(262_144)}`)).catch(() => {})
    const { sendable } = await passed(outcome)
    expect(sendable.body).toMatchObject({ kind: 'stream', leftMs: 4_000 })
  })
})
