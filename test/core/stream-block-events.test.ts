import fc from 'fast-check'
import { expect, it } from 'vitest'
import { blockEvents } from '../../src/core/stream/block-events.ts'
import { bytesOf, charsOf } from '../support/byte-pieces.ts'

const line = fc.constantFrom('data: {"a":1}', 'event: ping', ': comment', 'data:', 'data: é€😀', '')
const end = fc.constantFrom('\n', '\r\n', '\r')
const stream = fc
  .array(fc.tuple(line, end), { maxLength: 20 })
  .map((lines) => lines.map(([text, eol]) => text + eol).join(''))

function events(text: string): string[] {
  return [...blockEvents(bytesOf(text))].map(charsOf)
}

it.each([
  ['data: 1\n\ndata: 2\n\n', ['data: 1\n\n', 'data: 2\n\n']],
  ['data: 1\r\n\r\nevent: a\r\ndata: 2\r\n\r\n', ['data: 1\r\n\r\n', 'event: a\r\ndata: 2\r\n\r\n']],
  ['data: 1\r\rdata: 2\r\r', ['data: 1\r\r', 'data: 2\r\r']],
  ['data: 1\n\ndata: 2', ['data: 1\n\n', 'data: 2']],
  ['', []],
])('%j is cut behind every blank line', (text, expected) => {
  expect(events(text)).toEqual(expected)
})

it('a block is the same bytes in its events, none of which holds a blank line before its end', () => {
  fc.assert(
    fc.property(stream, (text) => {
      const cut = events(text)
      expect(cut.join('')).toBe(charsOf(bytesOf(text)))
      for (const event of cut) {
        const inside = event.replace(/(\r\n|\n|\r)$/, '')
        expect(inside).not.toMatch(/(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))[^]/)
        expect(inside).not.toMatch(/^(?:\r\n|\n|\r(?!\n))[^]/)
      }
    }),
  )
})
