import { describe, expect, it } from 'vitest'
import { cacheKey } from '../../src/core/cache/cache-key.ts'
import type { StoredResponse } from '../../src/core/cache/entry.ts'
import { Flights } from '../../src/core/cache/flights.ts'
import type { StoredAnswer } from '../../src/core/cache/hot-entries.ts'
import { Invalidations } from '../../src/core/cache/invalidations.ts'
import type { CachePlace } from '../../src/core/cache/place.ts'
import { noPurges, withPurge } from '../../src/core/cache/purge-log.ts'
import { slotName, withVariant } from '../../src/core/cache/variants.ts'
import { cacheProfiles } from '../../src/core/config/defaults.ts'
import { lookup, type LookupDeps } from '../../src/stages/lookup/lookup.ts'
import type { Exchange, ResponseCache } from '../../src/ports.ts'
import { CountingScope } from '../support/counting-scope.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { routeWith } from '../support/routes.ts'

const route = routeWith({ id: 'r', path: '/*', cache: cacheProfiles.safe })
const key = cacheKey(
  { kind: 'public' },
  { route, scheme: 'https', host: 'a', path: '/', query: '', body: null },
)
if (key === null) throw new Error('no key')
const place: CachePlace = {
  key,
  policy: cacheProfiles.safe,
  owner: { kind: 'public' },
  asker: { account: null, headers: new Headers() },
  isolated: false,
}
const entry: StoredResponse = {
  kind: 'response',
  id: 'i',
  status: 200,
  statusText: '',
  fields: [],
  url: '',
  target: '',
  path: '/x',
  tags: ['t'],
  requestedMs: 1_000,
  receivedMs: 1_000,
  initialAgeMs: 0,
  lifetimeMs: 60_000,
  noCache: false,
  neverStale: false,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  selecting: [],
  range: null,
  length: 0,
  bodyName: null,
}

/** A store of what it is given, in memory or at hand only later. */
class World implements LookupDeps {
  readonly held = new Map<string, StoredAnswer>()
  readonly clock = new FakeClock(2_000)
  readonly finds: string[] = []
  /** What the isolate saw a while ago. */
  readonly seen = new Map<string, StoredAnswer>()
  readonly #inMemory: boolean
  purged = noPurges
  readonly purges = { log: () => this.purged }
  readonly cache: ResponseCache = {
    find: (name) => {
      this.finds.push(name)
      const found = this.held.get(name) ?? null
      return this.#inMemory ? found : Promise.resolve(found)
    },
    guess: (name) => this.seen.get(name) ?? null,
    openBody: async () => null,
    put: async () => false,
    putBody: async () => null,
    drop: async () => {},
    flights: new Flights(),
    invalidations: new Invalidations(),
  }

  constructor(inMemory: boolean) {
    this.#inMemory = inMemory
  }

  look(headers: Record<string, string> = {}) {
    const x = Object.assign(new CountingScope(), {
      request: new Request('https://a/', { headers }),
    }) as unknown as Exchange
    return lookup(x, place, this)
  }
}

describe('a lookup', () => {
  it('of what is in memory is no promise, hit or miss, varying or not', () => {
    const world = new World(true)
    expect(world.look()).toMatchObject({ kind: 'none', reason: 'uri-miss' })
    world.held.set(key, { record: entry, bytes: new Uint8Array(0) })
    expect(world.look()).toMatchObject({ kind: 'found', reuse: 'fresh' })
    const varying = { ...entry, selecting: [['accept', '=a']] as const }
    const { index, name } = withVariant(null, varying, 'g')
    world.held.set(key, { record: index, bytes: null })
    world.held.set(slotName(key, name), { record: varying, bytes: new Uint8Array(0) })
    expect(world.look({ accept: 'a' })).toMatchObject({ kind: 'found' })
    expect(world.look({ accept: 'b' })).toMatchObject({ kind: 'none', reason: 'vary-miss' })
  })

  it('asks the store once, and twice where what lies there varies', async () => {
    const world = new World(false)
    world.held.set(key, { record: entry, bytes: new Uint8Array(0) })
    await world.look()
    expect(world.finds).toEqual([key])
    const varying = { ...entry, selecting: [['accept', '=a']] as const }
    const { index, name } = withVariant(null, varying, 'g')
    world.held.set(key, { record: index, bytes: null })
    world.held.set(slotName(key, name), { record: varying, bytes: new Uint8Array(0) })
    await world.look({ accept: 'a' })
    expect(world.finds).toEqual([key, key, slotName(key, name)])
  })

  it('asks for index and variant at the same time when the isolate has seen the index, and believes the present one', async () => {
    const world = new World(false)
    const varying = { ...entry, selecting: [['accept', '=a']] as const }
    const { index, name } = withVariant(null, varying, 'g')
    world.seen.set(key, { record: index, bytes: null })
    world.held.set(key, { record: index, bytes: null })
    world.held.set(slotName(key, name), { record: varying, bytes: new Uint8Array(0) })
    const looking = world.look({ accept: 'a' })
    expect(world.finds).toEqual([key, slotName(key, name)])
    expect(await looking).toMatchObject({ kind: 'found' })
    world.held.set(key, { record: withVariant(null, varying, 'later').index, bytes: null })
    expect(await world.look({ accept: 'a' })).toMatchObject({ kind: 'none', reason: 'vary-miss' })
    world.held.delete(key)
    expect(await world.look({ accept: 'a' })).toMatchObject({ kind: 'none', reason: 'uri-miss' })
  })

  it('finds nothing that was asked for before its URL was written to', () => {
    const world = new World(true)
    world.held.set(key, { record: entry, bytes: new Uint8Array(0) })
    world.cache.invalidations.note(key, 1_000)
    expect(world.look()).toMatchObject({ kind: 'none' })
  })

  it.each([
    [true, { kind: 'none' }],
    [false, { kind: 'found', reuse: 'validate' }],
  ])('takes a purge (hard: %s) for what it is', (hard, expected) => {
    const world = new World(true)
    world.held.set(key, { record: entry, bytes: new Uint8Array(0) })
    world.purged = withPurge(noPurges, { kind: 'tag', tag: 't' }, hard, 900)
    expect(world.look()).toMatchObject(expected)
  })

  it.each([
    ['gzip', 'found'],
    ['br, *', 'found'],
    ['gzip;q=0', 'none'],
    ['br', 'none'],
    ['', 'none'],
  ])('gives compressed bytes to a client that accepts `%s`: %s', (accepted, expected) => {
    const world = new World(true)
    const record = { ...entry, fields: [['content-encoding', 'gzip']] as const }
    world.held.set(key, { record, bytes: new Uint8Array(0) })
    expect(world.look({ 'accept-encoding': accepted })).toMatchObject({ kind: expected })
  })
})
