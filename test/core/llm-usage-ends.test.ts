import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  counts,
  done,
  filler,
  fromEnds,
  fromEvents,
  messageEnd,
  read,
  start,
  text,
  usage,
} from './llm-usage-reading.ts'
import { bytesOf, joined, stream } from './llm-usage-samples.ts'

describe('what the two ends cannot know', () => {
  it('is not answered from the beginning: a report there may have been overruled', () => {
    const early = stream({ ...text, usage }, 'data: [DONE]\n\n', { note: 'x'.repeat(40_000) })
    expect(fromEnds(early)).toMatchObject({
      counts: null,
      outputIsFinal: false,
      sawTerminal: false,
      model: 'm',
    })
  })

  it('is which model it was, where the beginning is too short to name it', () => {
    const late = stream(
      { note: 'x'.repeat(9_000), model: 'm' },
      { note: 'x'.repeat(40_000) },
      { choices: [], usage },
    )
    expect(fromEnds(late)).toMatchObject({ counts: counts(3, 2), model: null })
    expect(fromEvents(late).model).toBe('m')
  })
})

describe('usage at the end of an event longer than what is kept', () => {
  const said = { input_tokens: 300, output_tokens: 20, total_tokens: 320 }
  const schema = { usage: { type: 'object', properties: { usage: { prompt_tokens: 1, input_tokens: 7 } } } }
  const tools = Array.from({ length: 300 }, () => ({
    name: 'f',
    parameters: { properties: schema, note: '"}{' },
  }))
  const created = { type: 'response.created', response: { model: 'gpt', usage: null } }

  it.each([
    ['after the tools', { tools, usage: said, metadata: { a: '}' } }],
    [
      'before the tools, as far as it is kept',
      { output: 'x'.repeat(40_000), usage: said, tools: tools.slice(0, 10) },
    ],
  ])('%s', (_, response) => {
    expect(read(created, { type: 'response.completed', response })).toEqual({
      counts: counts(300, 20),
      outputIsFinal: true,
      model: 'gpt',
      sawTerminal: true,
      endedWithError: false,
    })
  })

  it('is not taken from a schema', () => {
    const reading = read(created, { type: 'response.done', response: { tools } }, done)
    expect(reading.counts).toBeNull()
  })

  it('is not taken from an event that broke off', () => {
    const whole = stream(created, {
      type: 'response.completed',
      response: { tools, usage: said, user: 'abc' },
    })
    const cut = whole.subarray(0, whole.length - 8)
    expect(fromEnds(cut).counts).toBeNull()
    expect(fromEvents(cut).counts).toBeNull()
  })

  it('is found in lines of data too', () => {
    const lines = JSON.stringify({ type: 'response.completed', response: { tools, usage: said } }, null, 1)
    const event = `data: ${lines.replaceAll('\n', '\r\ndata: ')}\r\n\r\n`
    expect(read(created, event).counts).toEqual(counts(300, 20))
  })
})

function withLineEnds(bytes: Uint8Array, eol: string): Uint8Array {
  return bytesOf(new TextDecoder().decode(bytes).replaceAll('\n', eol))
}

describe('how a stream is read', () => {
  const other = fc.oneof(
    fc.constantFrom<unknown>(...filler.slice(0, 2), text, ': ping\n\n', { error: null }, 'data: x\n\n'),
    fc
      .string({ unit: 'grapheme', maxLength: 2_000 })
      .map((content) => ({ choices: [{ delta: { content } }] })),
  )
  const chat = fc.constantFrom({ choices: [], usage }, { choices: null, usage: null }, { ...text, usage })
  const message = fc.record({ output_tokens: fc.nat({ max: 99 }) }).map(messageEnd)
  const lineEnds = fc.constantFrom('\n', '\r\n', '\r')
  /** Of one dialect: its events, the last report, how long an event before it is, and the line ends. */
  const parts = fc.tuple(
    fc.oneof(
      fc.tuple(fc.array(fc.oneof(other, chat), { maxLength: 30 }), fc.constant({ choices: [], usage })),
      fc.tuple(fc.array(fc.oneof(other, message), { maxLength: 30 }), message),
    ),
    fc.nat({ max: 60_000 }),
    lineEnds,
  )
  type Parts = typeof parts extends fc.Arbitrary<infer T> ? T : never

  function built([[events, last], padding, eol]: Parts): Uint8Array {
    const long = { model: 'm', choices: [{ delta: { content: 'x'.repeat(padding) } }] }
    const begin = start({ input_tokens: 4, output_tokens: 1 })
    return withLineEnds(stream(begin, ...events, long, last, done), eol)
  }

  it('does not depend on where its pieces are cut', () => {
    fc.assert(
      fc.property(parts, fc.integer({ min: 1, max: 5_000 }), (of, size) => {
        const bytes = built(of)
        expect(fromEnds(bytes, size)).toEqual(fromEnds(bytes, bytes.length + 1))
      }),
    )
  })

  it('in both ways comes to the same while the last report lies in the tail', () => {
    fc.assert(
      fc.property(parts, (of) => {
        const bytes = built(of)
        const { model, ...reading } = fromEnds(bytes)
        expect(fromEvents(bytes)).toMatchObject(reading)
        expect(model).toMatch(/^(?:claude|m)$/)
      }),
    )
  })

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat({ max: 40_000 }), (noise, padding) => {
        const bytes = joined([noise, new Uint8Array(padding).fill(0x20), noise])
        expect(typeof fromEnds(bytes).sawTerminal).toBe('boolean')
        expect(typeof fromEvents(bytes).sawTerminal).toBe('boolean')
      }),
    )
  })
})
