import { describe, expect, test } from 'vitest'
import { DEFAULT_DIRECTIVE, directiveOfModel, parseDirective } from '../../bench/mock/directive.ts'

describe('directive', () => {
  test('a model name without the prefix means the defaults', () => {
    expect(directiveOfModel('gpt-4o,n=99')).toEqual(DEFAULT_DIRECTIVE)
  })

  test('every key reaches its own field and no other', () => {
    const text =
      'ttft=50,itl=2.5,n=64,lat=7,size=1k,err=0.02:503,retry=3,stall=20,cut=30,hold=1,tool=1,seed=7'
    expect(directiveOfModel(`mock/${text}`)).toEqual({
      ttftMs: 50,
      itlMs: 2.5,
      tokens: 64,
      latMs: 7,
      sizeBytes: 1024,
      errShare: 0.02,
      errStatus: 503,
      retryAfterS: 3,
      stallAfter: 20,
      cutAfter: 30,
      hold: true,
      tool: true,
      seed: 7,
    })
  })

  test('the empty directive is the defaults', () => {
    expect(parseDirective('')).toEqual(DEFAULT_DIRECTIVE)
  })

  test.each([
    ['ttl=5', "unknown key 'ttl'"],
    ['fast', "unknown key 'fast'"],
    ['toString=1', "unknown key 'toString'"],
    ['n=0', "'0' is not a value for 'n'"],
    ['n=', "'' is not a value for 'n'"],
    ['ttft=-1', "'-1' is not a value for 'ttft'"],
    ['hold=yes', "'yes' is not a value for 'hold'"],
    ['err=2:500', "'2:500' is not a value for 'err'"],
    ['err=0.5', "'0.5' is not a value for 'err'"],
    ['err=1:200', "'1:200' is not a value for 'err'"],
    ['n=1000000,size=1k', 'n times size'],
  ])('%s is refused with a reason, never ignored', (text, reason) => {
    expect(parseDirective(text)).toEqual({ fault: expect.stringContaining(reason) })
  })
})
