/**
 * A module for `workerd bench`: what it costs to decide on a hit once the entry is in memory. `decision` finds the
 * place, looks it up, judges its age, conditions and ranges; `varying` goes through an index of variants; `terms` judges
 * a new response.
 */
import { routeWith } from '../../test/support/routes.ts'
import type { StoredResponse } from '../../src/core/cache/entry.ts'
import { Flights } from '../../src/core/cache/flights.ts'
import { HotEntries } from '../../src/core/cache/hot-entries.ts'
import { Invalidations } from '../../src/core/cache/invalidations.ts'
import { placeOf, type CachePlace } from '../../src/core/cache/place.ts'
import { noPurges, withPurge } from '../../src/core/cache/purge-log.ts'
import { selectAnswer } from '../../src/core/cache/select.ts'
import { termsOf } from '../../src/core/cache/storable.ts'
import { slotName, withVariant } from '../../src/core/cache/variants.ts'
import { cacheProfiles } from '../../src/core/config/defaults.ts'
import { lookup, type Looked } from '../../src/stages/lookup/lookup.ts'
import type { Clock, Exchange, ResponseCache } from '../../src/ports.ts'

interface Bench {
  run(name: string, measured: () => unknown): void
  blackBox(value: unknown): void
}

const nowMs = 1_000_000
const clock: Clock = { nowMs: () => nowMs, wait: async () => {}, after: () => () => {} }
const policy = cacheProfiles.safe
const route = { ...routeWith({ id: 'r', path: '/v1/*' }), cache: policy }
const target = {
  scheme: 'https',
  host: 'gw.example',
  path: '/v1/models/gpt-4o-mini',
  query: '?a=1&b=2',
  encodedSlash: false,
} as const
const request = new Request('https://gw.example/', { headers: { 'accept-language': 'de, en;q=0.5' } })
const response = new Headers({
  'cache-control': 'public, max-age=600, stale-while-revalidate=30',
  'content-type': 'application/json',
  'last-modified': 'Wed, 01 Jan 2020 00:00:00 GMT',
  date: 'Thu, 01 Jan 1970 00:16:40 GMT',
  etag: '"abcdef"',
  vary: 'accept-language',
})
const received = {
  status: 200,
  headers: response,
  request: request.headers,
  method: 'GET',
  credentialed: false,
  isolated: false,
  requestedMs: nowMs,
  receivedMs: nowMs,
}
let purges = noPurges
for (let at = 0; at < 100; at += 1) purges = withPurge(purges, { kind: 'tag', tag: `t${at}` }, true, 1)
for (let at = 0; at < 100; at += 1)
  purges = withPurge(purges, { kind: 'prefix', prefix: `/p${at}/x` }, true, 1)

function placeFor(account: string | null): CachePlace {
  const place = placeOf(route, target, target.query, { account, headers: request.headers })
  if (place === null) throw new Error('no place')
  return place
}

const terms = termsOf(received, policy)
if (terms === null) throw new Error('not storable')
const entry: StoredResponse = {
  kind: 'response',
  id: 'i',
  status: 200,
  statusText: 'OK',
  url: 'https://up.example/',
  target: 't',
  path: target.path + target.query,
  requestedMs: nowMs,
  receivedMs: nowMs,
  length: 0,
  bodyName: null,
  ...terms,
}
const hot = new HotEntries({ weightMax: 1_000_000, bodyBytesMax: 65_536, trustedMs: 1_000 })
const cache: ResponseCache = {
  find: (name) => hot.get(name, nowMs)?.answer ?? null,
  guess: (name) => hot.guess(name),
  openBody: async () => null,
  put: async () => false,
  putBody: async () => null,
  drop: async () => {},
  flights: new Flights(),
  invalidations: new Invalidations(),
}
const bytes = new Uint8Array(0)
hot.confirm(placeFor('plain').key, { record: { ...entry, selecting: [] }, bytes }, nowMs)
const { index, name } = withVariant(null, entry, 'g')
hot.confirm(placeFor('varying').key, { record: index, bytes: null }, nowMs)
hot.confirm(slotName(placeFor('varying').key, name), { record: entry, bytes }, nowMs)

const x = { request, defer() {}, count() {}, waited() {} } as unknown as Exchange
const deps = { cache, purges: { log: () => purges }, clock }

function decide(account: string): string {
  const looked = lookup(x, placeFor(account), deps) as Looked
  if (looked.kind === 'none' || looked.reuse !== 'fresh') throw new Error('no hit')
  return selectAnswer(looked.entry, 'GET', request.headers, nowMs).kind
}

export default {
  bench(b: Bench): void {
    b.run('decision', () => b.blackBox(decide('plain')))
    b.run('varying', () => b.blackBox(decide('varying')))
    b.run('terms', () => b.blackBox(termsOf(received, policy)))
  },
}
