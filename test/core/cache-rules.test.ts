import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { writeCacheStatus, missed } from '../../src/core/cache/cache-status.ts'
import { readRecord, writeRecord, type StoredResponse } from '../../src/core/cache/entry.ts'
import type { CachePolicy } from '../../src/core/cache/policy.ts'
import { parseCacheControl } from '../../src/core/cache/cache-control.ts'
import { judgeReuse, keepMs, mayStandIn } from '../../src/core/cache/reuse.ts'
import { selectAnswer } from '../../src/core/cache/select.ts'
import { termsOf, type Received } from '../../src/core/cache/storable.ts'
import { freshened, updatedByHead } from '../../src/core/cache/update.ts'
import { candidateVariants, isVariantFor, withVariant } from '../../src/core/cache/variants.ts'
import { cacheProfiles } from '../../src/core/config/defaults.ts'

const { safe, full } = cacheProfiles
const nowMs = Date.UTC(2026, 10, 25)

function received(headers: Record<string, string>, more: Partial<Received> = {}): Received {
  return {
    status: 200,
    headers: new Headers(headers),
    request: new Headers(),
    method: 'GET',
    credentialed: false,
    isolated: false,
    requestedMs: nowMs,
    receivedMs: nowMs,
    ...more,
  }
}

function stored(headers: Record<string, string>, more: Partial<StoredResponse> = {}): StoredResponse {
  const terms = termsOf(received(headers), full)
  if (terms === null) throw new Error('not storable')
  const rest = {
    id: 'i',
    status: 200,
    statusText: 'OK',
    url: 'http://u/',
    target: 't',
    path: '/',
    length: 10,
  }
  return {
    kind: 'response',
    ...rest,
    requestedMs: nowMs,
    receivedMs: nowMs,
    bodyName: null,
    ...terms,
    ...more,
  }
}

const keeps = (headers: Record<string, string>, policy: CachePolicy, more: Partial<Received> = {}) =>
  termsOf(received(headers, more), policy) !== null
const lastModified = 'Mon, 23 Nov 2026 00:00:00 GMT'

const entry = stored({
  'cache-control': 'max-age=1',
  etag: '"a"',
  'content-length': '10',
  'content-encoding': 'gzip',
  'x-a': '1',
  'x-b': '1',
})

const after = (seconds: number) => nowMs + seconds * 1000

const head = (headers: Record<string, string>) =>
  updatedByHead(entry, received({ 'cache-control': 'max-age=9', ...headers }), full)

const wanting = (language: string) => new Headers({ 'accept-language': language })

const variant = (language: string): StoredResponse =>
  stored({ 'cache-control': 'max-age=9' }, { selecting: [['accept-language', `=${language}`]] })

const judge = (control: string, seconds: number, asked = '') =>
  judgeReuse(stored({ 'cache-control': control, etag: '"a"' }), parseCacheControl(asked), after(seconds))

const chosenBy = (allowed: string, vary: string) =>
  termsOf(
    received({ 'cache-control': 'max-age=9', 'access-control-allow-origin': allowed, vary }),
    safe,
  )?.selecting.map(([name]) => name)

describe('what may be kept', () => {
  it.each([
    ['max-age', { 'cache-control': 'max-age=1' }, true, true],
    ['nothing said', {}, false, false],
    ['no-store', { 'cache-control': 'no-store, max-age=1' }, false, false],
    [
      'no-store that is not understood',
      { 'cache-control': 'no-store, must-understand, max-age=1' },
      true,
      true,
    ],
    ['private', { 'cache-control': 'private, max-age=1' }, false, false],
    ['private fields', { 'cache-control': 'private="x", max-age=1' }, false, true],
    ['a cookie', { 'cache-control': 'max-age=1', 'set-cookie': 'a=b' }, false, true],
    ['Last-Modified alone', { 'last-modified': lastModified }, false, true],
    ['no-cache with a tag', { 'cache-control': 'no-cache', etag: '"a"' }, true, true],
    ['no-cache without one', { 'cache-control': 'no-cache' }, false, false],
    ['max-age=0 without a validator', { 'cache-control': 'max-age=0' }, false, false],
    ['an Expires that is no date', { expires: '0' }, false, false],
    ['Vary: *', { 'cache-control': 'max-age=1', vary: '*' }, false, false],
    [
      'CDN-Cache-Control over no-store',
      { 'cache-control': 'no-store', 'cdn-cache-control': 'max-age=1' },
      true,
      true,
    ],
    [
      'CDN-Cache-Control: private',
      { 'cache-control': 'max-age=1', 'cdn-cache-control': 'private' },
      false,
      false,
    ],
  ] as const)('of %s', (_what, headers, bySafe, byFull) => {
    expect([keeps(headers, safe), keeps(headers, full)]).toEqual([bySafe, byFull])
  })

  it('C38: of an answer to credentials only what RFC 9111 §3.5 allows, or what one account keeps for itself', () => {
    const asked = { credentialed: true }
    expect(keeps({ 'cache-control': 'max-age=1' }, full, asked)).toBe(false)
    for (const word of ['public', 's-maxage=1', 'must-revalidate']) {
      expect(keeps({ 'cache-control': `max-age=1, ${word}` }, safe, asked), word).toBe(true)
    }
    expect(keeps({ 'cache-control': 'max-age=1' }, safe, { credentialed: true, isolated: true })).toBe(true)
    expect(
      keeps({ 'cache-control': 'private, max-age=1' }, safe, { credentialed: true, isolated: true }),
    ).toBe(false)
  })

  it('C46: no 1xx, no 304, no status nobody knows under must-understand; errors at most 10 s', () => {
    const fresh = { 'cache-control': 'max-age=600' }
    expect([103, 304, 600].map((status) => keeps(fresh, full, { status }))).toEqual([false, false, false])
    expect(keeps({ 'cache-control': 'max-age=1, must-understand' }, full, { status: 599 })).toBe(false)
    expect(termsOf(received(fresh, { status: 503 }), safe)?.lifetimeMs).toBe(10_000)
  })

  it('without the fields of the connection, those that it names, and those that may not be kept', () => {
    const headers = {
      'cache-control': 'max-age=60, no-cache="x-b"',
      connection: 'x-a, keep-alive',
      'keep-alive': 'timeout=5',
      'x-a': '1',
      'x-b': '2',
      'x-c': '3',
      age: '5',
      'cache-tag': 'one, two',
    }
    const terms = termsOf(received(headers), full)
    expect(terms?.fields.map(([name]) => name)).toEqual(['cache-control', 'x-c'])
    expect([terms?.tags, terms?.noCache]).toEqual([['one', 'two'], false])
  })

  it('C64: an allowance for one origin only for that origin', () => {
    expect(chosenBy('https://a.example', 'accept')).toEqual(['accept', 'origin'])
    expect(chosenBy('*', 'accept')).toEqual(['accept'])
  })

  it('a part whose length contradicts its range only where that is said to be fine', () => {
    const headers = { 'cache-control': 'max-age=1', 'content-range': 'bytes 4-9/10', 'content-length': '5' }
    expect([keeps(headers, safe, { status: 206 }), keeps(headers, full, { status: 206 })]).toEqual([
      false,
      true,
    ])
  })
})

describe('whether it may answer', () => {
  it.each([
    ['max-age=10', 9, '', 'fresh'],
    ['max-age=10', 10, '', 'validate'],
    ['max-age=10, stale-while-revalidate=5', 14, '', 'stale-while-revalidate'],
    ['max-age=10, stale-while-revalidate=5', 15, '', 'validate'],
    ['max-age=10, must-revalidate, stale-while-revalidate=5', 14, '', 'validate'],
    ['no-cache, max-age=10', 1, '', 'validate'],
    ['max-age=10', 5, 'no-cache', 'validate'],
    ['max-age=10', 5, 'max-age=4', 'validate'],
    ['max-age=10', 0, 'max-age=0', 'validate'],
    ['max-age=10', 5, 'min-fresh=6', 'validate'],
    ['max-age=10', 15, 'max-stale', 'stale'],
    ['max-age=10', 15, 'max-stale=4', 'validate'],
    ['max-age=10, must-revalidate', 15, 'max-stale', 'validate'],
    ['s-maxage=5, max-age=100', 6, '', 'validate'],
    ['s-maxage=50, max-age=1', 6, '', 'fresh'],
  ] as const)('%s after %i s, asked `%s`: %s', (control, seconds, asked, expected) => {
    expect(judge(control, seconds, asked)).toBe(expected)
  })

  it.each([
    ['max-age=1', 'disconnected', true],
    ['max-age=1', 'error', false],
    ['max-age=1, stale-if-error=60', 'error', true],
    ['max-age=1, must-revalidate, stale-if-error=60', 'error', false],
    ['max-age=1, proxy-revalidate', 'disconnected', false],
    ['s-maxage=1', 'disconnected', false],
    ['no-cache', 'disconnected', false],
  ] as const)('%s stands in for an upstream that is %s: %s', (control, failure, expected) => {
    expect(mayStandIn(stored({ 'cache-control': control, etag: '"a"' }), failure, safe, after(10))).toBe(
      expected,
    )
  })

  it('is worth its place while it is fresh or can be validated', () => {
    const weekMs = 604_800_000
    expect(keepMs(stored({ 'cache-control': 'max-age=10', etag: '"a"' }), safe, nowMs)).toBe(weekMs + 10_000)
    expect(keepMs(stored({ 'cache-control': 'max-age=10, must-revalidate' }), safe, nowMs)).toBe(70_000)
  })

  it('conditions go before ranges, and If-None-Match before If-Modified-Since', () => {
    const dated = stored({ 'cache-control': 'max-age=9', etag: '"a"', 'last-modified': lastModified })
    const select = (headers: Record<string, string>) =>
      selectAnswer(dated, 'GET', new Headers(headers), nowMs).kind
    expect(select({ 'if-none-match': '"a"', range: 'bytes=0-1' })).toBe('not-modified')
    expect(select({ 'if-none-match': '"b"', 'if-modified-since': lastModified })).toBe('whole')
    expect(select({ 'if-modified-since': 'Monday, 23-Nov-26 00:00:00 GMT' })).toBe('not-modified')
    expect(select({ range: 'bytes=0-1', 'if-range': '"b"' })).toBe('whole')
    expect(select({ range: 'bytes=0-1', 'if-range': lastModified })).toBe('whole')
    expect(select({ range: 'bytes=0-1' })).toBe('slice')
    expect(selectAnswer(dated, 'HEAD', new Headers({ range: 'bytes=0-1' }), nowMs).kind).toBe('whole')
  })
})

describe('an update', () => {
  it('by a 304 takes its fields over, but not those about the bytes, and its age', () => {
    const later = nowMs + 5_000
    const headers = {
      'cache-control': 'max-age=60',
      etag: '"z"',
      'content-length': '0',
      'content-encoding': 'br',
      'x-a': '2',
      age: '7',
    }
    const got = freshened(
      entry,
      received(headers, { status: 304, requestedMs: later, receivedMs: later }),
      full,
    )
    expect(Object.fromEntries(got?.fields ?? [])).toEqual({
      'cache-control': 'max-age=60',
      etag: '"a"',
      'content-length': '10',
      'content-encoding': 'gzip',
      'x-a': '2',
      'x-b': '1',
    })
    expect([got?.lifetimeMs, got?.initialAgeMs, got?.receivedMs]).toEqual([60_000, 7_000, later])
  })

  it('by a 304 that forbids keeping ends it', () => {
    expect(freshened(entry, received({ 'cache-control': 'no-store' }, { status: 304 }), full)).toBeNull()
  })

  it('by a HEAD only of the same thing', () => {
    expect(head({ etag: '"a"', 'x-a': '3' })?.lifetimeMs).toBe(9_000)
    expect([head({ etag: '"b"' }), head({ 'content-length': '11' })]).toEqual([null, null])
  })
})

describe('variants', () => {
  it('are found by the values that choose them, in this generation only', () => {
    const { index, name } = withVariant(null, variant('de'), 'g1')
    expect(candidateVariants(index, wanting('de'), safe)).toEqual([name])
    expect(candidateVariants(index, wanting('fr'), safe)).toEqual([])
    expect(withVariant(null, variant('de'), 'g2').name).not.toBe(name)
    expect(isVariantFor(variant('de'), wanting('DE'), safe)).toBe(true)
    expect(isVariantFor(variant('de'), wanting('fr'), safe)).toBe(false)
  })

  it('of one URL are at most 64, however many there are', () => {
    let index = withVariant(null, variant('l0'), 'g0').index
    for (let at = 1; at < 10_000; at += 1) {
      const next = withVariant(index, variant(`l${at}`), `g${at}`)
      index = next.index
      expect(index.variants.at(-1)).toBe(next.name)
    }
    expect(index.variants.length).toBeLessThanOrEqual(64)
    expect(writeRecord(index).length).toBeLessThan(10_000)
  })
})

describe('a record', () => {
  it('comes back as it was, as printable ASCII', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const record = stored({ 'cache-control': 'max-age=1' }, { statusText: text, path: text })
        const written = writeRecord(record)
        expect(written).toMatch(/^[\x20-\x7e]*$/)
        expect(readRecord(written)).toMatchObject(record)
      }),
    )
  })

  it.each([null, '', 'null', '{}', '{"version":2,"kind":"response"}', '{"version":1,"kind":"x"}'])(
    'is not read from `%s`',
    (text) => {
      expect(readRecord(text)).toBeNull()
    },
  )
})

it.each([
  [{ ...missed, hit: true, ttlMs: -1_500 }, 'gw; hit; ttl=-2'],
  [{ ...missed, forwardStatus: 304, stored: true }, 'gw; fwd=uri-miss; fwd-status=304; stored'],
  [{ ...missed, hit: true, collapsed: true, detail: 'd' }, 'gw; hit; collapsed; detail=d'],
])('Cache-Status says what happened (RFC 9211)', (status, expected) => {
  expect(writeCacheStatus('gw', status)).toBe(expected)
  expect(writeCacheStatus('1 "gw"', status)).toMatch(/^"1 \\"gw\\""; /)
})
