import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readQueryParameter, setQueryParameter } from '../../src/core/llm/query-parameter.ts'

describe('reading a parameter of a query', () => {
  it.each([
    ['', null],
    ['a=model', null],
    ['model', ''],
    ['model=', ''],
    ['a=1&model=gpt%2D4+x&b', 'gpt-4 x'],
    ['mod%65l=gpt', 'gpt'],
    ['model=a=b', 'a=b'],
    ['remodel=x&model=%E4%BD%A0', '你'],
    ['models=x', null],
  ])('%j', (query, value) => {
    expect(readQueryParameter(query, 'model')).toBe(value)
  })

  it.each([
    'model=a&model=b',
    'model=a&mod%65l=b',
    'model=a&MODEL=b',
    'Model=a',
    'model[]=a',
    'model%5B0%5D=a',
    'model%00=a',
    'x=1;model=a',
    'model=a;x=1',
    'model=a;model=b',
    'model=%ff',
    'model=%4',
    'model=%ED%A0%80',
  ])('refuses %j, which servers may read differently', (query) => {
    expect(readQueryParameter(query, 'model')).toMatchObject({ refused: 'malformed_request' })
  })

  it('reads as URLSearchParams does whatever it does not refuse', () => {
    const part = fc.constantFrom(
      'model',
      'Model',
      'a',
      '=',
      '&',
      '%6d',
      '%',
      '+',
      ';',
      'é',
      '%E2%82%AC',
      '[',
      ']',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const query = parts.join('')
        const read = readQueryParameter(query, 'model')
        if (read !== null && typeof read === 'object') return
        expect(read).toBe(new URLSearchParams(query).get('model'))
      }),
    )
  })
})

describe('setting a parameter of a query', () => {
  it.each([
    ['', 'model=a%20b%26c'],
    ['x=%7e&y', 'x=%7e&y&model=a%20b%26c'],
    ['x=+1&mod%65l=old&y=%7E', 'x=+1&mod%65l=a%20b%26c&y=%7E'],
    ['model&y', 'model=a%20b%26c&y'],
    ['model=&y', 'model=a%20b%26c&y'],
  ])('%j', (query, wanted) => {
    expect(setQueryParameter(query, 'model', 'a b&c')).toBe(wanted)
    expect(readQueryParameter(wanted, 'model')).toBe('a b&c')
  })
})
