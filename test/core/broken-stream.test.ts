import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { closingBytes } from '../../src/core/stream/broken-stream.ts'
import { completeObject } from '../../src/core/stream/half-json.ts'
import { Tail, unfinishedEvent } from '../../src/core/stream/sse-tail.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const error = { event: 'error', data: { type: 'error', error: { message: 'broke "off"' } } }

interface Parsed {
  event: string | null
  data: string
}

/** The event stream interpretation of WHATWG HTML §9.2.6, written from its text; a half event at the end is dropped. */
function interpret(stream: string): Parsed[] {
  const events: Parsed[] = []
  let event: string | null = null
  let data: string[] = []
  for (const line of stream.split(/\r\n|\r|\n/).slice(0, -1)) {
    if (line === '') {
      if (data.length > 0) events.push({ event, data: data.join('\n') })
      event = null
      data = []
    } else if (!line.startsWith(':')) {
      const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? []
      if (field === 'event') event = value
      if (field === 'data') data.push(value)
    }
  }
  return events
}

const jsonObject = fc
  .dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 })
  .map((value) => JSON.stringify(value))

describe('completing a half JSON object', () => {
  test('any prefix of any object becomes valid JSON that carries the added member', () => {
    fc.assert(
      fc.property(jsonObject, fc.nat(), fc.boolean(), (json, seed, pretty) => {
        const text = pretty ? JSON.stringify(JSON.parse(json), null, 2) : json
        const half = text.slice(0, 1 + (seed % Math.max(1, text.length - 1)))
        const rest = completeObject(half, '"error":{"code":"x"}')
        if (half === text) return
        expect(JSON.parse(half + (rest ?? ''))).toMatchObject({ error: { code: 'x' } })
      }),
      { numRuns: 20_000 },
    )
  })

  test.each(['', 'x', '[1', '{"a":1}', '"{', '{]', '{"a" "b"', '{1'])(
    'refuses %j, which it cannot complete',
    (half) => {
      expect(completeObject(half, '"error":1')).toBeNull()
    },
  )
})

describe('closing an event stream that broke off', () => {
  const chunk = { id: 'c1', choices: [{ delta: { content: 'héllo "x"\\ 🎉 {[' }, index: 0 }], usage: null }
  const whole = [
    `: hello\n\n`,
    `event: message_start\ndata: ${JSON.stringify({ type: 'message_start', n: [1, 2.5e3, true] })}\n\n`,
    `data: ${JSON.stringify(chunk)}\n\n`,
    `id: 7\nevent: content_block_delta\ndata: ${JSON.stringify({ type: 'delta', text: 'a\n\nb' })}\n\n`,
  ].join('')

  test.each(['\n', '\r\n', '\r'])(
    'cut at any byte, with line ends %j, all whole events and then one error are read',
    (eol) => {
      const bytes = encoder.encode(whole.replaceAll('\n', eol))
      const all = interpret(decoder.decode(bytes))
      for (let cut = 0; cut <= bytes.length; cut++) {
        const sent = bytes.slice(0, cut)
        const closing = closingBytes(unfinishedEvent(sent, true), error)
        expect(closing, `cut at ${cut}`).not.toBeNull()
        const events = interpret(decoder.decode(new Uint8Array([...sent, ...(closing ?? [])])))
        const last = events.pop()
        expect(last?.event).toBe('error')
        expect(JSON.parse(last?.data ?? '')).toMatchObject(error.data)
        expect(all.slice(0, events.length)).toEqual(events)
        expect(events.length).toBeGreaterThanOrEqual(interpret(decoder.decode(sent)).length)
      }
    },
  )

  test('a half [DONE] is never completed', () => {
    for (const half of ['data: [', 'data: [DO', 'data: [DONE]', 'data: [DONE]\n']) {
      const closing = closingBytes(encoder.encode(half), error)
      expect(closing).toBeNull()
    }
  })

  test('an unnamed error event keeps the data-only form of OpenAI chat', () => {
    const closing = closingBytes(new Uint8Array(0), { event: null, data: { error: { code: 'x' } } })
    expect(decoder.decode(closing ?? undefined)).toBe('data: {"error":{"code":"x"}}\n\n')
  })
})

describe('the tail of a stream', () => {
  test('finds the same unfinished event however the stream was cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('data: x', '\n', '\r\n', '\r', 'event: y', '\n\n'), { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (parts, sizes) => {
          const bytes = encoder.encode(parts.join(''))
          const tail = new Tail(1024)
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1
            tail.push(bytes.subarray(at, at + size))
            at += size
          }
          expect(tail.bytes).toBe(bytes.length)
          expect(tail.unfinished()).toEqual(unfinishedEvent(bytes, true))
        },
      ),
    )
  })

  test('an unfinished event longer than what is kept is unknown, not guessed', () => {
    const tail = new Tail(8)
    tail.push(encoder.encode(`data: ${'x'.repeat(50)}`))
    expect(tail.unfinished()).toBeNull()
    tail.push(encoder.encode('\n\nda'))
    expect(decoder.decode(tail.unfinished() ?? undefined)).toBe('da')
  })
})
