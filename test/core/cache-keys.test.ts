import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalMembers, written } from '../../src/core/cache/canonical-json.ts'
import { cacheKey, type CacheOwner, type KeyParts } from '../../src/core/cache/cache-key.ts'
import { Flights } from '../../src/core/cache/flights.ts'
import { HotEntries } from '../../src/core/cache/hot-entries.ts'
import { Invalidations } from '../../src/core/cache/invalidations.ts'
import { llmCacheTerms } from '../../src/core/cache/llm-request.ts'
import { isCredentialed, placeOf } from '../../src/core/cache/place.ts'
import {
  noPurges,
  purgeVerdict,
  withoutOld,
  withPurge,
  type PurgeLog,
} from '../../src/core/cache/purge-log.ts'
import { cacheProfiles, defaultLlmCache } from '../../src/core/config/defaults.ts'
import { routeWith, targetWith } from '../support/routes.ts'

const route = routeWith({ id: 'r', path: '/*' })
const body = '{"model":"m","temperature":0}'
const part = fc.string({ unit: fc.constantFrom('a', '"', ',', '/', '?', '%', '[', '\\', '\ud800', ' ') })
const owner: fc.Arbitrary<CacheOwner> = fc.oneof(
  fc.constant({ kind: 'public' } as const),
  part.map((account) => ({ kind: 'account', account }) as const),
  fc.tuple(part, part).map(([account, keyId]) => ({ kind: 'key', account, keyId }) as const),
)
const parts: fc.Arbitrary<KeyParts> = fc.record({
  route: fc.constant(route),
  scheme: fc.constantFrom('http', 'https'),
  host: fc.constantFrom('a', 'b', 'a:1'),
  path: part,
  query: part,
  body: fc.option(part, { nil: null }),
})

const canonical = (text: string) => {
  const members = canonicalMembers(text)
  return members === null ? null : written(members)
}

const terms = (text: string, headers: Record<string, string> = {}, policy = defaultLlmCache) =>
  llmCacheTerms(
    { headers: new Headers(headers), account: 'a', keyId: 'k' },
    { text, askedForUsage: false, path: '/v1/chat/completions' },
    policy,
  )

const credentialedWith = (account: string | null, name: string) =>
  isCredentialed({ account, headers: new Headers({ [name]: 'a' }) })

describe('a cache key', () => {
  it('is the same for two requests only if all that it is made of is the same', () => {
    fc.assert(
      fc.property(owner, parts, owner, parts, (ownerA, a, ownerB, b) => {
        const same = JSON.stringify([ownerA, a]) === JSON.stringify([ownerB, b])
        expect(cacheKey(ownerA, a) === cacheKey(ownerB, b)).toBe(same)
      }),
      { numRuns: 2_000 },
    )
  })

  it('is a URL that the runtime leaves as it is, under the host of the request', () => {
    fc.assert(
      fc.property(owner, parts, (who, what) => {
        const url = `https://${cacheKey(who, what) ?? ''}`
        expect(new URL(url).href).toBe(url)
        expect(new URL(url).host).toBe(what.host)
      }),
    )
  })

  it('cannot be made without an owner, nor of any other text', () => {
    const what: KeyParts = { route, scheme: 'https', host: 'a', path: '/', query: '', body: null }
    // @ts-expect-error an account or `public` has to be named
    expect(() => cacheKey(undefined, what)).toThrow(TypeError)
    // @ts-expect-error a text is no key
    const key: ReturnType<typeof cacheKey> = 'text'
    expect(key).toBe('text')
  })

  it('C42: is another one when the route is, or what its upstream answers from', () => {
    const key = (other: typeof route) =>
      cacheKey(
        { kind: 'public' },
        { route: other, scheme: 'https', host: 'a', path: '/', query: '', body: null },
      )
    const others = [
      routeWith({ id: 's', path: '/*' }),
      routeWith({ id: 'r', path: '/*', rewrite: '/x/*' }),
      routeWith({ id: 'r', path: '/*' }, targetWith({ origin: 'https://other.example' })),
      routeWith({ id: 'r', path: '/*' }, targetWith({ id: 'up/1' })),
      routeWith({ id: 'r', path: '/*' }, targetWith({ models: { m: 'n' } })),
      routeWith({ id: 'r', path: '/*', requestHeaders: { remove: [], set: { a: 'b' } } }),
      routeWith({ id: 'r', path: '/*', cache: { ...cacheProfiles.safe, version: '2' } }),
    ]
    expect(new Set([route, ...others].map(key)).size).toBe(8)
    expect(key(routeWith({ id: 'r', path: '/*', bodyBytesMax: 7 }))).toBe(key(route))
  })

  it('names the account of whoever has a key, unless the route shares', () => {
    const target = { scheme: 'https', host: 'a', path: '/x', query: '?k=1', encodedSlash: false } as const
    const place = (policy: object, account: string | null) => {
      const caching = { ...route, cache: { ...cacheProfiles.safe, ...policy } }
      return placeOf(caching, target, '', { account, headers: new Headers() })
    }
    expect(place({}, 'acc')?.owner).toEqual({ kind: 'account', account: 'acc' })
    expect(place({ scope: 'public' }, 'acc')?.owner).toEqual({ kind: 'public' })
    expect(place({ scope: 'public', authorized: 'account' }, 'acc')).toMatchObject({
      owner: { kind: 'account' },
      isolated: true,
    })
    expect(place({}, null)?.owner).toEqual({ kind: 'public' })
    expect([
      credentialedWith(null, 'x'),
      credentialedWith('acc', 'x'),
      credentialedWith(null, 'x-api-key'),
      credentialedWith(null, 'authorization'),
    ]).toEqual([false, true, true, true])
  })
})

describe('canonical JSON', () => {
  const shuffled = (value: unknown, seed: number): string => {
    if (Array.isArray(value)) return `[ ${value.map((each) => shuffled(each, seed + 1)).join(' ,\n')}]`
    if (typeof value !== 'object' || value === null) return JSON.stringify(value)
    const entries = Object.entries(value)
    const turned = entries.map((_, at) => entries[(at + seed) % entries.length] ?? ['', null])
    return `{ ${turned.map(([name, each]) => `${JSON.stringify(name)} : ${shuffled(each, seed + 1)}`).join(',')} }`
  }
  const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }))

  it('is equal for two objects exactly when they are', () => {
    fc.assert(
      fc.property(object, object, fc.nat(5), (a, b, seed) => {
        expect(canonical(shuffled(a, seed))).toBe(canonical(JSON.stringify(a)))
        const same =
          JSON.stringify(JSON.parse(canonical(JSON.stringify(a)) ?? '')) ===
          JSON.stringify(JSON.parse(canonical(JSON.stringify(b)) ?? ''))
        expect(canonical(JSON.stringify(a)) === canonical(JSON.stringify(b))).toBe(same)
      }),
    )
  })

  it('keeps numbers apart that a double cannot', () => {
    expect(canonical('{"a":12345678901234567890}')).not.toBe(canonical('{"a":12345678901234567891}'))
    expect(canonical('{"a":"\\u0061"}')).toBe(canonical('{"a":"a"}'))
  })

  it.each([
    '',
    '[]',
    '1',
    '{"a":1,"a":2}',
    '{"a":1',
    '{"a":01}',
    '{"a":1}x',
    '{a:1}',
    '{"a":"\n"}',
    '{"a":1,}',
  ])('is not made of %s', (text) => {
    expect(canonicalMembers(text)).toBeNull()
  })

  it('is not made of what is nested without end', () => {
    expect(canonicalMembers(`{"a":${'['.repeat(100_000)}`)).toBeNull()
  })
})

describe('a request to a model', () => {
  it('belongs to its key, and to nobody without one', () => {
    expect(terms(body)?.owner).toEqual({ kind: 'key', account: 'a', keyId: 'k' })
    const nobody = { headers: new Headers(), account: null, keyId: null }
    const asked = { text: body, askedForUsage: false, path: '/' }
    expect(llmCacheTerms(nobody, asked, defaultLlmCache)).toBeNull()
    expect(llmCacheTerms(nobody, asked, { ...defaultLlmCache, scope: 'public' })?.owner).toEqual({
      kind: 'public',
    })
  })

  it('may shorten its time and not lengthen it, and name its own key where nobody else shares', () => {
    expect(terms(body, { 'x-sluice-cache-ttl': '1' })?.ttlMs).toBe(1_000)
    expect(terms(body, { 'x-sluice-cache-ttl': '9999999' })?.ttlMs).toBe(300_000)
    expect(terms(body, { 'x-sluice-cache-key': 'mine' })?.identity).toEqual({ given: 'mine' })
    const shared = { ...defaultLlmCache, scope: 'public' } as const
    expect(terms(body, { 'x-sluice-cache-key': 'mine' }, shared)?.identity).toHaveProperty('canonical')
  })
})

describe('purges', () => {
  const entry = { path: '/a/b?x=1', tags: ['t'], requestedMs: 10_000 }
  const after = (log: PurgeLog, kind: object, hard: boolean, atMs = 9_000) =>
    purgeVerdict(withPurge(log, kind as never, hard, atMs), entry)

  it.each([
    [{ kind: 'all' }, true],
    [{ kind: 'url', url: '/a/b?x=1' }, true],
    [{ kind: 'url', url: '/a/b' }, false],
    [{ kind: 'prefix', prefix: '/a' }, true],
    [{ kind: 'prefix', prefix: '/a/' }, true],
    [{ kind: 'prefix', prefix: '/' }, true],
    [{ kind: 'prefix', prefix: '/a/b' }, true],
    [{ kind: 'prefix', prefix: '/a/bc' }, false],
    [{ kind: 'prefix', prefix: '/b' }, false],
    [{ kind: 'tag', tag: 't' }, true],
    [{ kind: 'tag', tag: '__proto__' }, false],
  ])('of %o concern it: %s', (kind, concerned) => {
    expect(after(noPurges, kind, true)).toBe(concerned ? 'hard' : 'valid')
    expect(after(noPurges, kind, false)).toBe(concerned ? 'soft' : 'valid')
  })

  it('never serve what was asked for before, or within 2 s after', () => {
    expect(after(noPurges, { kind: 'all' }, true, 8_000)).toBe('hard')
    expect(after(noPurges, { kind: 'all' }, true, 7_999)).toBe('valid')
    expect(after(noPurges, { kind: 'all' }, true, 10_001)).toBe('hard')
  })

  it('hold in any order, and whatever is folded together or forgotten', () => {
    const subject = fc.oneof(
      fc.constant({ kind: 'all' } as const),
      fc.constantFrom('/a', '/b', '').map((prefix) => ({ kind: 'prefix', prefix }) as const),
      fc.constantFrom('t', 'u').map((tag) => ({ kind: 'tag', tag }) as const),
    )
    const purge = fc.tuple(subject, fc.boolean(), fc.integer({ min: 1, max: 20_000 }))
    fc.assert(
      fc.property(fc.array(purge, { maxLength: 8 }), (purges) => {
        const log = purges.reduce((each, [what, hard, atMs]) => withPurge(each, what, hard, atMs), noPurges)
        const strict = ['valid', 'soft', 'hard'] as const
        const worst = Math.max(
          0,
          ...purges.map(([what, hard, atMs]) => strict.indexOf(after(noPurges, what, hard, atMs))),
        )
        expect(purgeVerdict(log, entry)).toBe(strict[worst])
        expect(log.epoch).toBe(purges.length)
      }),
    )
    let log = noPurges
    for (let at = 0; at < 2_000; at += 1)
      log = withPurge(log, { kind: 'tag', tag: `t${at}` }, true, 5_000 + at)
    expect(JSON.stringify(log).length).toBeLessThan(60_000)
    expect(purgeVerdict(log, { path: '/', tags: ['t3'], requestedMs: 100 })).toBe('hard')
    expect(withoutOld(log, 1_000, 1_000_000).tags).toEqual({})
  })
})

describe('what an isolate remembers', () => {
  const record = { kind: 'variants', generation: 'g', sets: [], variants: [], languages: {} } as const

  it('is trusted for a second after the store was seen to have it, and confirmed by one request at a time', () => {
    const hot = new HotEntries({ weightMax: 100_000, bodyBytesMax: 100, trustedMs: 1_000 })
    hot.confirm('a', { record, bytes: null }, 0)
    expect([hot.get('a', 400)?.due, hot.get('a', 600)?.due, hot.get('a', 700)?.due]).toEqual([
      false,
      true,
      false,
    ])
    expect([hot.get('a', 1_001), hot.get('a', -1)]).toEqual([null, null])
    hot.drop('a')
    expect([hot.get('a', 0), hot.weight]).toEqual([null, 0])
  })

  it('is bounded, however many there are, and the least recently used go first', () => {
    const hot = new HotEntries({ weightMax: 100_000, bodyBytesMax: 1_000, trustedMs: 1_000 })
    for (let at = 0; at < 10_000; at += 1) {
      hot.confirm(`n${at}`, { record, bytes: new Uint8Array(at % 1_500) }, 0)
      hot.get('n1', 0)
      expect(hot.weight).toBeLessThanOrEqual(100_000)
    }
    expect(hot.get('n1', 0)).not.toBeNull()
    expect(hot.get('n2', 0)).toBeNull()
  })

  it('of invalidations is bounded, and what is forgotten holds for all', () => {
    const invalidations = new Invalidations()
    for (let at = 0; at < 10_001; at += 1) invalidations.note(`n${at}`, at + 1)
    expect([invalidations.holds('n5', 6), invalidations.holds('n5', 7)]).toEqual([false, true])
    expect([invalidations.holds('other', 1), invalidations.holds('other', 2)]).toEqual([false, true])
  })

  it('of flights: one leads, the others hear of it, and what is not kept is not waited for', async () => {
    const flights = new Flights()
    expect(flights.join('a', 0)).toBe('lead')
    const waiting = flights.join('a', 1)
    flights.land('a', 'stored', null)
    expect(await (waiting as { landed: Promise<string> }).landed).toBe('stored')
    expect(flights.join('a', 2)).toBe('lead')
    flights.land('a', 'again', null)
    expect(flights.join('a', 2)).toBe('lead')
    flights.land('a', 'go', 2)
    expect([flights.join('a', 3), flights.join('a', 10_002)]).toEqual([null, 'lead'])
  })
})
