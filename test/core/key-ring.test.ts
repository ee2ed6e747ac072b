import { describe, expect, test } from 'vitest'
import { parseKeyRing, type KeyRing } from '../../src/core/key/key-ring.ts'

const bytes32 = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
const bytes16 = 'AAECAwQFBgcICQoLDA0ODw'
const bytes15 = 'AAECAwQFBgcICQoLDA0O'

function ringOf(text: string): KeyRing {
  const ring = parseKeyRing(text)
  if (ring === null || 'problem' in ring) throw new Error(ring === null ? 'no ring' : ring.problem)
  return ring
}

describe('key ring', () => {
  test('the first entry issues, every entry verifies', () => {
    const ring = ringOf(`new=${bytes32},old=${bytes16}`)
    expect(ring.issuing.name).toBe('new')
    expect(ring.issuing.bytes).toEqual(Uint8Array.from({ length: 32 }, (_, index) => index))
    expect([...ring.entries.keys()]).toEqual(['new', 'old'])
  })

  test('padding, url-safe digits and a line feed at the end are read', () => {
    expect(ringOf(`a=${bytes16}==\n`).issuing.bytes).toHaveLength(16)
    expect(ringOf('a=-_-_-_-_-_-_-_-_-_-_-_-_').issuing.bytes[0]).toBe(0xfb)
  })

  test.each([undefined, '', '  \n'])('%j is no ring', (text) => {
    expect(parseKeyRing(text)).toBeNull()
  })

  test.each([
    ['no name', bytes32],
    ['an empty name', `=${bytes32}`],
    ['a long name', `ninechars=${bytes32}`],
    ['capitals in a name', `Ring=${bytes32}`],
    ['an underscore in a name', `r_1=${bytes32}`],
    ['a blank after the comma', `a=${bytes32}, b=${bytes32}`],
    ['nothing after the comma', `a=${bytes32},`],
    ['a name twice', `a=${bytes32},a=${bytes16}`],
    ['no bytes', 'a='],
    ['fewer than 16 bytes', `a=${bytes15}`],
    ['digits of plain base64', `a=${bytes32.slice(0, -1)}+`],
    ['a length no base64 has', `a=${bytes16}AAA`],
    ['one bad entry among good ones', `a=${bytes32},b=${bytes15}`],
  ])('with %s it is refused as a whole, and its bytes are not repeated', (_, text) => {
    const ring = parseKeyRing(text)
    expect(ring).toEqual({ problem: expect.any(String) })
    expect(JSON.stringify(ring)).not.toContain(bytes15)
  })
})
