import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventBlocks } from '../../src/core/stream/event-blocks.ts'
import { bytesOf, charsOf, cutAt, joined } from '../support/byte-pieces.ts'

interface Cut {
  readonly blocks: readonly string[]
  readonly rest: string
  readonly isBetweenEvents: boolean
}

function cut(pieces: readonly Uint8Array[]): Cut {
  const events = new EventBlocks()
  const blocks = pieces.map((piece) => {
    // A reader may use a piece's buffer again, so what is held must be a copy.
    const lent = piece.slice()
    const block = charsOf(events.push(lent))
    lent.fill(0x21)
    return block
  })
  return { blocks, rest: charsOf(events.rest()), isBetweenEvents: events.isBetweenEvents }
}

const blank = /(?:\r\n|\n|\r){2}$/
const line = fc.constantFrom('data: {"a":1}', 'event: ping', ': comment', 'data:', 'id: 1', 'data: é€😀', 'x')
const end = fc.constantFrom('\n', '\r\n', '\r')
const stream = fc
  .array(fc.tuple(line, end, fc.boolean()), { maxLength: 12 })
  .map((lines) => lines.map(([text, eol, closes]) => text + eol + (closes ? eol : '')).join(''))

describe('blocks of whole events', () => {
  it.each([
    ['\n', 'data: a\n\ndata: b\n\nda', ['data: a\n\ndata: b\n\n'], 'da'],
    ['CRLF', 'data: a\r\n\r\ndata: b\r\n', ['data: a\r\n\r\n'], 'data: b\r\n'],
    ['CR', 'data: a\r\rdata: b', ['data: a\r\r'], 'data: b'],
    ['no event', 'data: a\n', [''], 'data: a\n'],
  ])('of a stream with %s hold all events that have ended', (_, text, blocks, rest) => {
    expect(cut([bytesOf(text)])).toEqual({ blocks, rest, isBetweenEvents: true })
  })

  it('and what is left are the stream, whatever it is and however it is cut, and no block ends inside an event', () => {
    const anything = fc.oneof(stream, fc.string({ unit: 'binary' }))
    fc.assert(
      fc.property(anything, fc.array(fc.nat()), (text, cuts) => {
        const { blocks, rest } = cut(cutAt(bytesOf(text), cuts))
        expect(blocks.join('') + rest).toBe(charsOf(bytesOf(text)))
        for (const block of blocks) if (block !== '') expect(block).toMatch(blank)
      }),
      { numRuns: 3_000 },
    )
  })

  it('come as soon as their last byte is there, with every cut in two', () => {
    const bytes = bytesOf('data: a\n\nevent: x\r\ndata: b\r\n\r\ndata: c\r\r')
    for (let at = 0; at <= bytes.length; at += 1) {
      const { blocks, rest } = cut([bytes.subarray(0, at), bytes.subarray(at)])
      expect(blocks.join(''), String(at)).toBe(charsOf(bytes))
      expect(rest, String(at)).toBe('')
    }
  })

  it('leave nothing out of an event longer than a megabyte, which passes as it comes from there on', () => {
    const piece = new Uint8Array(65_536).fill(0x61)
    const events = new EventBlocks()
    const head = bytesOf('data: before\n\ndata: ')
    const given = [events.push(head)]
    for (let n = 0; n < 20; n += 1) given.push(events.push(piece))
    given.push(events.push(bytesOf('\n\ndata: after')))
    expect(charsOf(given[0] ?? piece)).toBe('data: before\n\n')
    expect(given.slice(1, 16).every((block) => block.length === 0)).toBe(true)
    expect(given.slice(17).every((block) => block.length > 0)).toBe(true)
    const sent = joined([...given, events.rest()])
    expect(sent.length).toBe(head.length + 20 * piece.length + 13)
    expect(charsOf(sent.subarray(-13))).toBe('\n\ndata: after')
    expect(events.isBetweenEvents).toBe(false)
  })
})
