import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withoutUsageChunk } from '../../src/core/llm/usage-chunk.ts'
import { EventBlocks } from '../../src/core/stream/event-blocks.ts'
import { bytesOf, charsOf, cutAt, joined } from '../support/byte-pieces.ts'

const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const choices = [{ index: 0, delta: { content: 'Grüße, 世界 \u{1F600}' }, finish_reason: null }]
const injected = JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [], usage })

const lineEnds = ['\n', '\r\n', '\r']

/** Events that stay, each for a reason of its own. */
const keepers: readonly (readonly [why: string, lines: readonly string[]])[] = [
  ['a chunk with text', [`data: ${JSON.stringify({ choices })}`]],
  ['a chunk with text and usage', [`data: ${JSON.stringify({ choices, usage })}`]],
  ['a chunk with no choices and usage null', [`data: ${JSON.stringify({ choices: [], usage: null })}`]],
  ['a chunk with no choices and no usage', [`data: ${JSON.stringify({ choices: [], moderation: {} })}`]],
  ['a chunk with no choices and usage that is a number', ['data: {"choices":[],"usage":5}']],
  ['a chunk that speaks of such a chunk', [`data: ${JSON.stringify({ choices, quoted: injected })}`]],
  ['a chunk with such a chunk inside', [`data: {"choices":${JSON.stringify(choices)},"inner":${injected}}`]],
  ['half a chunk', [`data: ${injected.slice(0, -1)}`]],
  ['the last event', ['data: [DONE]']],
  ['a comment', [': OPENROUTER PROCESSING']],
  ['a comment that holds such a chunk', [`: ${injected}`]],
  ['an event of another format', ['event: ping', 'data: {"type": "ping"}']],
  ['no data', ['id: 1', 'retry: 10']],
]

/** Spellings of the chunk that was asked for. */
const strippable: readonly (readonly [how: string, lines: readonly string[]])[] = [
  ['as it comes', [`data: ${injected}`]],
  ['without a space after the colon', [`data:${injected}`]],
  ['with spaces in it', [`data: {"choices" : [ ], "usage": ${JSON.stringify(usage)}}`]],
  ['with its data on two lines', ['data: {"choices": [],', `data: "usage": ${JSON.stringify(usage)}}`]],
  ['with choices null, as some servers write it', [`data: ${JSON.stringify({ choices: null, usage })}`]],
  ['without choices, as some servers write it', [`data: ${JSON.stringify({ usage })}`]],
  ['with an event line and an id', ['event: message', 'id: 7', `data: ${injected}`]],
]

function eventOf(lines: readonly string[], eol: string): string {
  return lines.map((line) => line + eol).join('') + eol
}

function stripped(text: string): string {
  return charsOf(withoutUsageChunk(bytesOf(text)))
}

describe.each([
  ['LF', '\n'],
  ['CRLF', '\r\n'],
  ['CR', '\r'],
])('in a stream with %s', (_, eol) => {
  it.each(keepers)('%s stays, byte for byte', (...[, lines]) => {
    const bytes = bytesOf(eventOf(lines, eol))
    expect(withoutUsageChunk(bytes)).toEqual(bytes)
  })

  it.each(strippable)('the usage chunk that was asked for goes, %s', (...[, lines]) => {
    const before = eventOf(keepers[0]![1], eol)
    const after = eventOf(['data: [DONE]'], eol)
    const text = before + eventOf(lines, eol) + after
    expect(stripped(text)).toBe(charsOf(bytesOf(before + after)))
  })
})

it('the bytes themselves are given back where nothing is stripped', () => {
  const block = bytesOf(eventOf(keepers[0]![1], '\n'))
  expect(withoutUsageChunk(block)).toBe(block)
  expect(withoutUsageChunk(new Uint8Array(0))).toHaveLength(0)
})

it('a last event that nothing ends is judged like the others', () => {
  expect(stripped(`data: [DONE]\n\ndata: ${injected}`)).toBe('data: [DONE]\n\n')
  expect(stripped('data: {"choices":[],"usage"')).toBe('data: {"choices":[],"usage"')
})

it('every byte outside of the stripped event is the same, however the stream is cut and whatever else is in it', () => {
  const kept = fc.oneof(
    fc.constantFrom(...keepers.map(([, lines]) => lines)),
    fc.string({ unit: 'binary' }).map((text) => [`data: ${text.replaceAll(/[\r\n]/g, '')}`]),
    fc.jsonValue().map((value) => [`data: ${JSON.stringify({ choices, value })}`]),
  )
  const event = fc.tuple(fc.boolean(), kept, fc.constantFrom(...strippable.map(([, lines]) => lines)))
  const stream = fc.tuple(fc.constantFrom(...lineEnds), fc.array(event, { maxLength: 8 }))
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 6 }), ([eol, events], cuts) => {
      const all = events.map(([goes, keeper, goer]) => eventOf(goes ? goer : keeper, eol)).join('')
      const rest = events.map(([goes, keeper]) => (goes ? '' : eventOf(keeper, eol))).join('')
      const blocks = new EventBlocks()
      const sent = cutAt(bytesOf(all), cuts).map((piece) => withoutUsageChunk(blocks.push(piece)).slice())
      const bytes = joined([...sent, withoutUsageChunk(blocks.rest())])
      // A CRLF that ends an event may be cut in two; then its LF is not part of the event that goes.
      if (eol !== '\r\n') expect(charsOf(bytes)).toBe(charsOf(bytesOf(rest)))
      else expect(eventsOf(charsOf(bytes))).toEqual(eventsOf(charsOf(bytesOf(rest))))
    }),
    { numRuns: 3_000 },
  )
})

/** What a reader takes out of a stream of CRLF lines. */
function eventsOf(chars: string): readonly string[] {
  return chars
    .split(/(?:\r\n|\n|\r){2}/)
    .map((text) => text.replace(/^\n/, ''))
    .filter((text) => text !== '')
}
