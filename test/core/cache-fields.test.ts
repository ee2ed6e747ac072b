import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deltaMs, listedFields, parseCacheControl } from '../../src/core/cache/cache-control.ts'
import { isStrongTag, listsTag, sameStrongTag } from '../../src/core/cache/etag.ts'
import { explicitLifetimeMs, initialAgeMs, responseDirectives } from '../../src/core/cache/freshness.ts'
import { parseHttpDate } from '../../src/core/cache/http-date.ts'
import {
  joinParts,
  parseContentRange,
  parseRange,
  sliceOfPart,
  sliceOfWhole,
} from '../../src/core/cache/ranges.ts'
import { splitList } from '../../src/core/cache/split-list.ts'
import { parseTargeted } from '../../src/core/cache/targeted.ts'
import { sameSelection, selectingValues, varyNames, wantedLanguage } from '../../src/core/cache/vary.ts'

const nowMs = Date.UTC(2026, 10, 25)
const forty = Uint8Array.from({ length: 40 }, (_, at) => at)
const times = { requestedMs: nowMs, receivedMs: nowMs }

const lifetime = (headers: Record<string, string>) => {
  const all = new Headers(headers)
  return explicitLifetimeMs(all, responseDirectives(all), times)
}

const datedHeaders = (ms: number) => new Headers({ date: new Date(ms).toUTCString(), age: '5' })

const select = (value: string | null, loose: boolean, name = 'accept-language') =>
  selectingValues([name], new Headers(value === null ? {} : { [name]: value }), { looseVary: loose })

const between = ({ first, last }: { first: number; last: number }) => forty.slice(first, last + 1)

describe('Cache-Control', () => {
  it.each([
    ['max-age=3600', 3_600_000],
    ['MaX-aGe=3600', 3_600_000],
    ['max-age="3600"', 3_600_000],
    ['max-age=003600', 3_600_000],
    ['max-age=99999999999', 2_147_483_648_000],
    ['foo="max-age=3600", max-age=1', 1_000],
    ['max-age=1, foo="max-age=3600"', 1_000],
    ['foo="a\\", max-age=9", max-age=1', 1_000],
    ['max-age=3600, max-age=1', 1_000],
    ["max-age='3600'", 0],
    ['max-age=-1', 0],
    ['max-age=3600.5', 0],
    ['max-age =3600', 0],
    ['max-age= 3600', 0],
    ['max-age=a1', 0],
    ['max-age', 0],
    ['foo="max-age=3600"', undefined],
    ['', undefined],
  ])('`%s` means %s', (field, expected) => {
    expect(deltaMs(parseCacheControl(field), 'max-age')).toBe(expected)
  })

  it.each([
    'no-store',
    'NO-STORE',
    'no-store=1',
    'no-store ;',
    'a="b, no-store',
    'private no-cache, no-store',
  ])('holds to a restriction written as `%s`', (field) => {
    expect(parseCacheControl(field).has('no-store')).toBe(true)
  })

  it('lists the fields of a qualified directive', () => {
    expect(listedFields(parseCacheControl('no-cache="Set-Cookie, x-a"'), 'no-cache')).toEqual([
      'set-cookie',
      'x-a',
    ])
    expect(listedFields(parseCacheControl('no-cache'), 'no-cache')).toEqual([])
  })

  it('takes apart any text in linear time, and loses none of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('"', ',', '\\', 'a', ' ', '=') }), (text) => {
        const members = splitList(text)
        expect(members.join('').replaceAll(/[\s,]/g, '')).toBe(text.replaceAll(/[\s,]/g, ''))
      }),
    )
    expect(splitList('"'.repeat(200_000)).length).toBe(1)
  })
})

describe('CDN-Cache-Control', () => {
  it.each([
    ['max-age=3600', 3_600_000],
    ['max-age=2147483648', 2_147_483_648_000],
    ['max-age=99999999999', 2_147_483_648_000],
    ['foobar, max-age=3600', 3_600_000],
    ['max-age=3600;a=1, max-age=1', 1_000],
    ['max-age=0', 0],
  ])('`%s` goes before Cache-Control and Expires', (field, expected) => {
    const others = { 'cache-control': 'max-age=7', expires: 'Thu, 01 Jan 2037 00:00:00 GMT' }
    expect(lifetime({ 'cdn-cache-control': field, ...others })).toBe(expected)
  })

  it.each(['max-age=1, &&&', 'max-age =100', 'max-age= 100', 'MaX-aGe=1', 'max-age=1,', '', 'a=(1 2'])(
    '`%s` is no Dictionary: Cache-Control holds',
    (field) => {
      expect(parseTargeted(field)).toBeNull()
      expect(lifetime({ 'cdn-cache-control': field, 'cache-control': 'max-age=7' })).toBe(7_000)
    },
  )

  it('says nothing with a directive of the wrong type, and forbids with a restriction of any type', () => {
    expect(parseTargeted('max-age="100"')).toBeNull()
    const said = parseTargeted('max-age="100", private="x", no-store=?0, no-cache;a')
    expect([...(said ?? [])]).toEqual([
      ['private', null],
      ['no-cache', null],
    ])
  })

  it.each(['a=1.5, b=:YQ==:, c=?1, d=(a "b" 1);x, e=tok/en', 'a=@1659578233, b'])(
    'knows every kind of item: `%s`',
    (field) => {
      expect(parseTargeted(field)?.size).toBeGreaterThan(0)
    },
  )
})

describe('dates', () => {
  it.each([
    ['Sun, 06 Nov 1994 08:49:37 GMT', 784_111_777_000],
    ['SUN, 06 nov 1994 08:49:37 gmt', 784_111_777_000],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 784_111_777_000],
    ['Sun Nov  6 08:49:37 1994', 784_111_777_000],
    ['Thursday, 18-Aug-50 02:01:18 GMT', Date.UTC(2050, 7, 18, 2, 1, 18)],
    ['Thursday, 18-Aug-99 02:01:18 GMT', Date.UTC(1999, 7, 18, 2, 1, 18)],
    ['Tue, 19 Jan 2038 14:14:08 GMT', Date.UTC(2038, 0, 19, 14, 14, 8)],
    ['Sun, 06 Nov 1994 08:49:37 UTC', null],
    ['Sun, 06 Nov 1994 08:49:37 AEST', null],
    ['Sun 06 Nov 1994 08:49:37 GMT', null],
    ['Sun, 06  Nov  1994 08:49:37 GMT', null],
    ['Sun, 06-Nov-1994 08:49:37 GMT', null],
    ['Sun, 06 Nov 94 08:49:37 GMT', null],
    ['Sun, 06 Nov 1994 08.49.37 GMT', null],
    ['Sun, 06 Nov 1994 8:49:37 GMT', null],
    ['Sun, 31 Feb 1994 08:49:37 GMT', null],
    ['Sun, 06 Nov 1994 24:00:00 GMT', null],
    ['0', null],
    ['Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:38 GMT', null],
  ])('`%s` is %s', (text, expected) => {
    expect(parseHttpDate(text, nowMs)).toBe(expected)
  })

  it('reads back what the runtime writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
        expect(parseHttpDate(new Date(seconds * 1000).toUTCString(), nowMs)).toBe(seconds * 1000)
      }),
    )
  })
})

describe('age', () => {
  it.each([
    ['30', 30_000],
    ['0, 7200', 0],
    ['7200, 0', 7_200_000],
    ['7200;foo=bar', 7_200_000],
    ['abc', 0],
    ['-7200', 0],
    ['7200.0', 0],
    ['', 0],
  ])('`%s` is %s ms', (age, expected) => {
    expect(initialAgeMs(new Headers({ age }), times)).toBe(expected)
  })

  it('counts the time on the way, and a clock that is behind; one that is ahead makes nothing younger', () => {
    expect(initialAgeMs(datedHeaders(nowMs), { requestedMs: nowMs - 2_000, receivedMs: nowMs })).toBe(7_000)
    expect(initialAgeMs(datedHeaders(nowMs - 60_000), times)).toBe(60_000)
    expect(initialAgeMs(datedHeaders(nowMs + 60_000), times)).toBe(5_000)
  })
})

describe('entity tags', () => {
  it('compare weakly in If-None-Match and strongly in If-Range', () => {
    expect(listsTag('"a", W/"b"', '"b"')).toBe(true)
    expect(listsTag('"a, b"', '"a"')).toBe(false)
    expect(listsTag('*', null)).toBe(true)
    expect(listsTag('"a"', null)).toBe(false)
    expect([sameStrongTag('"a"', '"a"'), sameStrongTag('W/"a"', 'W/"a"'), sameStrongTag('a', 'a')]).toEqual([
      true,
      false,
      false,
    ])
    expect(isStrongTag('"\u00fc"')).toBe(true)
  })
})

describe('Vary', () => {
  it.each([
    [null, []],
    ['Foo, bar,, Foo', ['bar', 'foo']],
    ['*', null],
    ['foo, *', null],
    ['a b', null],
    ['Authorization', null],
    ['accept, COOKIE', null],
    [Array.from({ length: 17 }, (_, at) => `h${at}`).join(), null],
  ])('`%s` names %s', (vary, expected) => {
    expect(varyNames(vary)).toEqual(expected)
  })

  it('takes space and, in Accept fields, case and order for nothing, and absence for something', () => {
    expect(sameSelection(select('en, de', false), select('EN ,de', false))).toBe(true)
    expect(sameSelection(select('en, de', false), select('de, en', false))).toBe(false)
    expect(sameSelection(select('en, de', true), select('de, en', true))).toBe(true)
    expect(sameSelection(select('1, 2', true, 'foo'), select('2, 1', true, 'foo'))).toBe(false)
    expect(sameSelection(select('', true), select(null, true))).toBe(false)
  })

  it('gives the one language that is wanted most', () => {
    expect(wantedLanguage('fr;q=0.5, de;q=1.0')).toBe('de')
    expect([
      wantedLanguage('fr, de'),
      wantedLanguage('*'),
      wantedLanguage('de;q=0'),
      wantedLanguage(null),
    ]).toEqual([null, null, null, null])
  })
})

describe('ranges', () => {
  it.each(['bytes=0-1,3-4', 'items=0-1', 'bytes=2-1', 'bytes=-', 'bytes=a-b', ''])(
    '`%s` is none',
    (range) => {
      expect(parseRange(range)).toBeNull()
    },
  )

  it.each(['bytes 4-9/9', 'bytes 9-4/10', 'bytes */10', 'bytes 0-1'])('`%s` is no Content-Range', (value) => {
    expect(parseContentRange(value)).toBeNull()
  })

  it('a slice of a whole or of a part is what slicing the whole gives', () => {
    const whole = Uint8Array.from({ length: 50 }, (_, at) => at)
    const bound = fc.nat({ max: 60 })
    const asked = fc.oneof(
      fc.tuple(bound, bound).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
      bound.map((first) => ({ first, last: null })),
      bound.map((suffix) => ({ suffix })),
    )
    const held = fc
      .tuple(fc.nat({ max: 49 }), fc.nat({ max: 49 }))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)])
    fc.assert(
      fc.property(asked, held, (wanted, [first = 0, last = 0]) => {
        const expected = sliceOfWhole(wanted, whole.length)
        const part = whole.subarray(first, last + 1)
        const got = sliceOfPart(wanted, { first, last, total: 50 }, part.length)
        if (got.kind !== 'slice') return
        if (expected.kind !== 'slice') throw new Error('a part answered what the whole cannot')
        expect([...part.subarray(got.from, got.to)]).toEqual([...whole.subarray(expected.from, expected.to)])
        expect(got.range).toEqual(expected.range)
      }),
    )
  })

  it('joined parts are the whole between them', () => {
    const part = fc
      .tuple(fc.nat({ max: 39 }), fc.nat({ max: 39 }))
      .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b), total: 40 }))
    fc.assert(
      fc.property(part, part, (one, other) => {
        const joined = joinParts({ range: one, bytes: between(one) }, { range: other, bytes: between(other) })
        const gap = Math.max(one.first, other.first) > Math.min(one.last, other.last) + 1
        expect(joined === null).toBe(gap)
        if (joined !== null) expect([...joined.bytes]).toEqual([...between(joined.range)])
      }),
    )
  })
})
