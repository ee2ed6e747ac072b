import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import page from '../../docs/keys.md?raw'
import { encodeBase62, randomBase62, randomLower32 } from '../../src/core/key/base62.ts'
import { equalBytes, equalText } from '../../src/core/key/constant-time.ts'
import {
  formatKeyText,
  isIdentifier,
  keyTextLengthMax,
  macInput,
  macText,
  newIdentifier,
  newSecret,
  parseKeyText,
} from '../../src/core/key/key-text.ts'

const draw = (count: number): Uint8Array => crypto.getRandomValues(new Uint8Array(count))

function someKey(): string {
  const parts = { ring: 'k1', account: newIdentifier(draw), id: newIdentifier(draw), secret: newSecret(draw) }
  return formatKeyText({ ...parts, mac: macText(draw(32)) })
}

describe('key text', () => {
  test('10,000 keys are unique and match the expression documented for secret scanners', () => {
    const documented = /```regex\n(.+)\n```/.exec(page)?.[1]
    expect(documented).toBeDefined()
    const expression = new RegExp(`^${documented}$`)
    const keys = new Set(Array.from({ length: 10_000 }, someKey))
    expect(keys.size).toBe(10_000)
    for (const key of keys) expect(key).toMatch(expression)
  })

  test('what is formatted is parsed back, and nothing else is', () => {
    const key = someKey()
    const parts = parseKeyText(key)
    expect(parts).not.toBeNull()
    expect(parts === null ? '' : formatKeyText(parts)).toBe(key)
    const wrong = [
      '',
      'slc_',
      ` ${key}`,
      `${key} `,
      `${key}\n`,
      `${key}0`,
      key.slice(0, -1),
      key.toUpperCase(),
      key.replace('slc_', 'SLC_'),
      key.replace('_k1_', '__'),
      key.replace('_k1_', '_ninechars_'),
      key.replace('_k1_', '_K1_'),
      key.replaceAll('_', '-'),
      `${key},${key}`,
      `${key}${'a'.repeat(1_000_000)}`,
      key.replace(/.$/, 'é'),
    ]
    for (const text of wrong) expect(parseKeyText(text), text.slice(0, 100)).toBeNull()
  })

  test('any text is parsed or refused without throwing, and what is parsed formats to the same text', () => {
    const shaped = fc.stringMatching(
      /^slc_[0-9a-z]{0,9}_[0-9a-z]{9,11}_[0-9a-z]{10}_[0-9A-Za-z]{22}_[0-9A-Za-z]{16,18}$/,
    )
    fc.assert(
      fc.property(fc.oneof(fc.string(), shaped), (text) => {
        const parts = parseKeyText(text)
        return parts === null || (formatKeyText(parts) === text && text.length <= keyTextLengthMax)
      }),
    )
  })

  test('the MAC covers version, ring, account, id and secret, and no two keys share an input', () => {
    const part = fc.stringMatching(/^[0-9a-z]{1,8}$/)
    const parts = fc.record({ ring: part, account: part, id: part, secret: part })
    expect(macInput({ ring: 'r', account: 'a', id: 'i', secret: 's' })).toBe('slc1|r|a|i|s')
    fc.assert(
      fc.property(parts, parts, (left, right) => {
        const same = JSON.stringify(left) === JSON.stringify(right)
        return (macInput(left) === macInput(right)) === same
      }),
    )
  })

  test.each(['', 'short', 'elevenchars', 'UPPERCASE1', '../../abcd', 'abcdefghi\n'])(
    '%j is no identifier',
    (text) => {
      expect(isIdentifier(text)).toBe(false)
    },
  )
})

describe('base 62', () => {
  test('96 bits take 17 characters, and different bits different characters', () => {
    const bytes = fc.uint8Array({ minLength: 12, maxLength: 12 })
    expect(encodeBase62(new Uint8Array(12).fill(255), 17)).toHaveLength(17)
    expect(encodeBase62(new Uint8Array(12), 17)).toBe('0'.repeat(17))
    fc.assert(
      fc.property(bytes, bytes, (left, right) => {
        const [a, b] = [encodeBase62(left, 17), encodeBase62(right, 17)]
        return a.length === 17 && (a === b) === equalBytes(left, right)
      }),
    )
  })

  test('no character of a secret is favoured: bytes that would be are drawn again', () => {
    const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const counts = new Map<string, number>()
    for (const character of randomBase62(248, () => everyByte)) {
      counts.set(character, (counts.get(character) ?? 0) + 1)
    }
    expect([counts.size, new Set(counts.values())]).toEqual([62, new Set([4])])
    const drawn: number[] = []
    const secret = randomBase62(3, (count) => {
      drawn.push(count)
      return new Uint8Array(count).fill(drawn.length === 1 ? 255 : 61)
    })
    expect([secret, drawn]).toEqual(['zzz', [3, 3]])
  })

  test('identifiers use 32 characters evenly', () => {
    const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const text = randomLower32(256, () => everyByte)
    expect(new Set(text).size).toBe(32)
    for (const character of new Set(text)) expect(text.split(character)).toHaveLength(9)
  })
})

test('constant-time comparison agrees with plain comparison', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (left, right) => equalText(left, right) === (left === right)),
  )
  fc.assert(fc.property(fc.string(), (text) => equalText(text, text) && !equalText(text, `${text}0`)))
  const bytes = fc.uint8Array({ maxLength: 4, max: 1 })
  fc.assert(
    fc.property(bytes, bytes, (left, right) => equalBytes(left, right) === (left.join() === right.join())),
  )
})
