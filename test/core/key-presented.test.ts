import { describe, expect, test } from 'vitest'
import type { Route } from '../../src/core/config/types.ts'
import { keyTextLengthMax } from '../../src/core/key/key-text.ts'
import { presentedKey } from '../../src/core/key/presented.ts'

const a = 'slc_k1_aaaaaaaaaa_1111111111_sssssssssssssssssssssS_mmmmmmmmmmmmmmmmM'
const b = 'slc_k1_bbbbbbbbbb_1111111111_sssssssssssssssssssssS_mmmmmmmmmmmmmmmmM'
const both: Pick<Route, 'keySources' | 'keyQuery'> = {
  keySources: ['authorization', 'x-api-key'],
  keyQuery: 'key',
}
const conflict = { refused: 'key_conflict' }
const invalid = { refused: 'key_invalid' }

type Case = [name: string, headers: Record<string, string>, query: string, expected: unknown]

const cases: Case[] = [
  ['nothing', {}, '', null],
  ['a bearer token', { authorization: `Bearer ${a}` }, '', a],
  ['the scheme in any case', { authorization: `bEARER ${a}` }, '', a],
  ['more than one blank', { authorization: `Bearer   ${a}` }, '', a],
  ['another scheme', { authorization: `Basic ${a}` }, '', null],
  ['no scheme', { authorization: a }, '', null],
  ['no blank', { authorization: `Bearer${a}` }, '', null],
  ['an empty token', { authorization: 'Bearer ' }, '', null],
  ['x-api-key', { 'x-api-key': a }, '', a],
  ['another system’s keys', { authorization: 'Bearer sk-123', 'x-api-key': 'sk-ant-1' }, '?key=AIza', null],
  ['ours beside another’s', { authorization: 'Bearer sk-123', 'x-api-key': a }, '', a],
  ['the same key twice', { authorization: `Bearer ${a}`, 'x-api-key': a }, `?key=${a}`, a],
  ['two different keys in headers', { authorization: `Bearer ${a}`, 'x-api-key': b }, '', conflict],
  ['two different keys in header and query', { authorization: `Bearer ${a}` }, `?key=${b}`, conflict],
  ['the query', {}, `?x=1&key=${a}`, a],
  ['the query, percent-encoded', {}, `?%6Bey=${a.replaceAll('_', '%5F')}`, a],
  ['the query twice, different', {}, `?key=${a}&key=${b}`, conflict],
  ['the query twice, the same', {}, `?key=${a}&key=${a}`, a],
  ['another query parameter', {}, `?token=${a}`, null],
  ['x-api-key sent twice', { 'x-api-key': `${a}, ${a}` }, '', invalid],
  ['x-api-key sent twice, ours second', { 'x-api-key': `sk-1, ${a}` }, '', invalid],
  ['authorization sent twice', { authorization: `Bearer sk-1, Bearer ${a}` }, '', invalid],
  ['another’s header sent twice', { 'x-api-key': 'sk-1, sk-2' }, '', null],
  ['more than a key can be', { 'x-api-key': `slc_${'a'.repeat(keyTextLengthMax)}` }, '', invalid],
  ['a malformed key of ours', { 'x-api-key': 'slc_nonsense' }, '', 'slc_nonsense'],
]

describe('presented key', () => {
  test.each(cases)('%s', (_, headers, query, expected) => {
    expect(presentedKey(new Headers(headers), query, both)).toEqual(expected)
  })

  test('only the places a route names are looked at', () => {
    const headers = new Headers({ authorization: `Bearer ${a}`, 'x-api-key': b })
    expect(presentedKey(headers, `?key=${b}`, { keySources: ['authorization'], keyQuery: null })).toBe(a)
    expect(presentedKey(headers, `?key=${b}`, { keySources: ['x-api-key'], keyQuery: null })).toBe(b)
    expect(presentedKey(headers, `?k=${a}`, { keySources: [], keyQuery: 'k' })).toBe(a)
    expect(presentedKey(headers, '', { keySources: [], keyQuery: 'k' })).toBeNull()
  })
})
