import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VisibleTextCounter } from '../../src/core/llm/visible-text.ts'
import { bytesOf, corpus, joined, ownRecordings, pieceSizes, piecesOf, stream } from './llm-usage-samples.ts'
import { textInStream, type TextCount } from './llm-usage-text-oracle.ts'

function counted(pieces: Iterable<Uint8Array>, body: 'events' | 'answer' = 'events'): TextCount {
  const counter = new VisibleTextCounter(body)
  for (const piece of pieces) counter.push(piece)
  return { bytes: counter.bytes, texts: counter.texts }
}

/** One event, as text bytes and texts. */
function inEvent(event: unknown): readonly [number, number] {
  const { bytes, texts } = counted([stream(event)])
  return [bytes, texts]
}

const names =
  'choices delta content text reasoning tool_calls function arguments name content_block thinking ' +
  'partial_json refusal usage id de deltas žš'
const anyString = fc.string({ unit: 'binary', maxLength: 12 })
const halfPairs = fc.string({
  unit: fc.constantFrom('\ud83d', '\ude00', 'a', '\n', '\\', '"', 'é'),
  maxLength: 6,
})

/** Trees of names that matter and names that nearly do. */
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'medium', maxDepth: 7 },
    fc.oneof(anyString, halfPairs),
    fc.oneof(fc.integer(), fc.double({ noNaN: true }), fc.constantFrom(true, false, null)),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      fc.oneof({ weight: 8, arbitrary: fc.constantFrom('', ...names.split(' ')) }, anyString),
      tie('value'),
      {
        maxKeys: 4,
      },
    ),
  ),
})).value

/** Trees in which there is text. */
const message = fc.record(
  {
    content: fc.oneof(anyString, halfPairs),
    reasoning: json,
    tool_calls: fc.array(fc.record({ function: json })),
  },
  { requiredKeys: [] },
)
const event = fc.oneof(
  json,
  fc.record({ id: anyString, choices: fc.array(fc.record({ index: fc.nat(), delta: message })) }),
  fc.record({ type: anyString, delta: fc.oneof(anyString, fc.record({ text: anyString, x: json })) }),
)

const lineEnds = fc.constantFrom('\n', '\r\n', '\r')

/** JSON as any server may write it: some escaped as ASCII, some over several data lines. */
function written(value: unknown, ascii: boolean, pretty: boolean, eol: string): string {
  const plain = JSON.stringify(value, null, pretty ? 1 : 0)
  const text = ascii
    ? plain.replaceAll(/[^ -~\n]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : plain
  const lines = text.split('\n').map((line) => `data:${pretty ? '' : ' '}${line}${eol}`)
  return `event: x${eol}${lines.join('')}${eol}`
}

const streams = fc
  .tuple(lineEnds, fc.array(fc.tuple(event, fc.boolean(), fc.boolean()), { maxLength: 6 }), fc.boolean())
  .map(([eol, events, hasMark]) => {
    const texts = events.map(([value, ascii, pretty]) => written(value, ascii, pretty, eol))
    return bytesOf(`${hasMark ? '\u{feff}' : ''}: hello${eol}${eol}${texts.join('')}data: [DONE]${eol}${eol}`)
  })

describe('visible text', () => {
  it.each([
    [{ choices: [{ delta: { content: 'Hi' } }], obfuscation: 'padding' }, [2, 1]],
    [{ choices: [{ delta: { reasoning_content: 'é' } }, { delta: { reasoning: '日' } }] }, [5, 2]],
    [{ choices: [{ delta: { content: null, refusal: 'No' } }] }, [2, 1]],
    [
      { choices: [{ delta: { tool_calls: [{ id: 'x', function: { name: 'f', arguments: '{"a":1}' } }] } }] },
      [8, 2],
    ],
    [{ choices: [{ delta: { content: [{ type: 'text', text: 'abc' }] } }] }, [3, 1]],
    [{ choices: [{ text: 'legacy', index: 0 }] }, [6, 1]],
    [{ choices: [{ delta: {}, message: { content: 'all of it again' } }] }, [0, 0]],
    [{ type: 'response.output_text.delta', delta: '\u{1f600}', obfuscation: 'xyz', item_id: 'i' }, [4, 1]],
    [{ type: 'response.output_text.done', text: 'all of it again' }, [0, 0]],
    [{ type: 'response.completed', response: { output: [{ content: [{ text: 'again' }] }] } }, [0, 0]],
    [{ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'ab\n' } }, [3, 1]],
    [
      { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{"' } },
      [2, 1],
    ],
    [{ type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Hm' } }, [2, 1]],
    [
      { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } },
      [0, 0],
    ],
    [{ type: 'content_block_start', content_block: { type: 'tool_use', name: 'get', input: {} } }, [3, 1]],
    [{ delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 3 } }, [0, 0]],
    ['data: [DONE]\n\n', [0, 0]],
    [': keep-alive {"delta":"no"}\n\n', [0, 0]],
    ['data: {"\\u0064elta":"\\u00e9\\ud83d\\ude00\\ud83d"}\n\n', [9, 1]],
  ])('of %j is %j', (of, expected) => {
    expect(inEvent(of)).toEqual(expected)
  })

  it('of an unfinished event counts as far as it was delivered', () => {
    const whole = bytesOf('data: {"choices":[{"delta":{"content":"Hello wor')
    expect(counted([whole])).toEqual({ bytes: 9, texts: 1 })
  })

  it('goes on with the next event after one that broke off inside a string', () => {
    const broken = 'data: {"delta":"ab\ndata: "delta":"cd"}\n\ndata: {"delta":"efg"}\n\n'
    expect(counted([bytesOf(broken)])).toEqual({ bytes: 5, texts: 2 })
  })

  it('of a whole answer counts in the shapes of all dialects', () => {
    const answers = [
      { choices: [{ message: { content: 'Hi', tool_calls: [{ function: { arguments: '{}' } }] } }] },
      {
        content: [
          { type: 'text', text: 'Hi' },
          { type: 'tool_use', name: 'Ž', input: { n: 'x' } },
        ],
      },
      { output: [{ type: 'message', content: [{ text: 'Hi' }] }, { arguments: '{}' }], usage: {} },
    ]
    for (const answer of answers) {
      const pieces = piecesOf(bytesOf(JSON.stringify(answer, null, 2)), 3)
      expect(counted(pieces, 'answer')).toEqual({ bytes: 4, texts: 2 })
    }
  })

  const recordings = [...ownRecordings, ...corpus]

  it.each(recordings)('of the recorded stream $name is what parsing every event gives', ({ bytes }) => {
    const expected = textInStream(bytes)
    for (const size of pieceSizes) expect(counted(piecesOf(bytes, size))).toEqual(expected)
  })

  it('of any stream is what parsing every event gives', () => {
    fc.assert(
      fc.property(streams, (bytes) => {
        expect(counted([bytes])).toEqual(textInStream(bytes))
      }),
      { numRuns: 3_000 },
    )
  })

  it('does not depend on where the pieces are cut', () => {
    fc.assert(
      fc.property(streams, fc.array(fc.nat({ max: 40 }), { minLength: 1 }), (bytes, sizes) => {
        const pieces: Uint8Array[] = []
        for (let at = 0, n = 0; at < bytes.length; n += 1) {
          const size = sizes[n % sizes.length] ?? 1
          pieces.push(bytes.slice(at, at + Math.max(1, size)))
          at += Math.max(1, size)
        }
        expect(joined(pieces)).toEqual(bytes)
        expect(counted(pieces)).toEqual(counted([bytes]))
      }),
      { numRuns: 1_000 },
    )
  })

  it('of what is no event stream at all ends in some count', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 300 }), (noise, cut) => {
        const text = stream({ delta: 'abc' })
        const { bytes, texts } = counted([noise.subarray(0, cut), noise.subarray(cut), bytesOf('\n\n'), text])
        expect(bytes).toBeGreaterThanOrEqual(3)
        expect(texts).toBeGreaterThanOrEqual(1)
      }),
    )
  })
})
