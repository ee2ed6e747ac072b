import type { CacheKey } from '../../core/cache/cache-key.ts'
import type { StoredResponse, VariantIndex } from '../../core/cache/entry.ts'
import type { StoredAnswer } from '../../core/cache/hot-entries.ts'
import { purgedWith, type CachePlace } from '../../core/cache/place.ts'
import { purgeVerdict } from '../../core/cache/purge-log.ts'
import { judgeReuse, requestDirectives, type Reuse } from '../../core/cache/reuse.ts'
import { candidateVariants, isVariantFor, slotName } from '../../core/cache/variants.ts'
import type { Awaitable } from '../../core/outcome.ts'
import type { Clock, Exchange, PurgeSource, ResponseCache } from '../../ports.ts'
import { acceptsCoding } from './accepts-coding.ts'

/** What lies in the cache for a request. */
export type Looked =
  | {
      readonly kind: 'found'
      readonly place: CachePlace
      /** Name under which it lies. */
      readonly name: string
      readonly entry: StoredResponse
      /** Null where the body lies apart. */
      readonly bytes: Uint8Array | null
      readonly reuse: Reuse
    }
  | { readonly kind: 'none'; readonly place: CachePlace; readonly reason: 'uri-miss' | 'vary-miss' }

export interface LookupDeps {
  readonly cache: ResponseCache
  readonly purges: PurgeSource
  readonly clock: Clock
}

/**
 * Looks for a stored response and judges whether it may answer. With the entry in isolate memory there is no promise;
 * else one lookup is awaited. Where what lies there varies, the variant is asked for at the same time when the isolate
 * has seen by what, and after it when not.
 */
export function lookup(x: Exchange, place: CachePlace, deps: LookupDeps): Awaitable<Looked> {
  const primary = deps.cache.find(place.key, x)
  const early = primary instanceof Promise ? guessVariant(x, place, deps) : null
  const judge = (found: StoredAnswer | null): Awaitable<Looked> => {
    if (found === null) return none(place, 'uri-miss')
    const { record, bytes } = found
    if (record.kind === 'variants') return chooseVariant(x, place, { index: record, early }, deps)
    return judged(x, place, { name: place.key, entry: record, bytes }, deps)
  }
  return primary instanceof Promise ? primary.then(judge) : judge(primary)
}

function none(place: CachePlace, reason: 'uri-miss' | 'vary-miss'): Looked {
  return { kind: 'none', place, reason }
}

/** A variant that was asked for before it was known that it is the one. */
interface Early {
  readonly name: string
  readonly found: Awaitable<StoredAnswer | null>
}

function guessVariant(x: Exchange, place: CachePlace, deps: LookupDeps): Early | null {
  const seen = deps.cache.guess(place.key)?.record
  if (seen?.kind !== 'variants') return null
  const [variant] = candidateVariants(seen, x.request.headers, place.policy)
  if (variant === undefined) return null
  const name = slotName(place.key, variant)
  return { name, found: deps.cache.find(name, x) }
}

function chooseVariant(
  x: Exchange,
  place: CachePlace,
  { index, early }: { readonly index: VariantIndex; readonly early: Early | null },
  deps: LookupDeps,
): Awaitable<Looked> {
  const names = candidateVariants(index, x.request.headers, place.policy)
  const tryNext = (at: number): Awaitable<Looked> => {
    const variant = names[at]
    if (variant === undefined) return none(place, 'vary-miss')
    const name = slotName(place.key, variant)
    const take = (found: StoredAnswer | null): Awaitable<Looked> => {
      if (found?.record.kind !== 'response') return tryNext(at + 1)
      const { record: entry, bytes } = found
      if (!isVariantFor(entry, x.request.headers, place.policy)) return tryNext(at + 1)
      return judged(x, place, { name, entry, bytes }, deps)
    }
    const found = early?.name === name ? early.found : deps.cache.find(name, x)
    return found instanceof Promise ? found.then(take) : take(found)
  }
  return tryNext(0)
}

interface Candidate {
  readonly name: string
  readonly entry: StoredResponse
  readonly bytes: Uint8Array | null
}

function judged(x: Exchange, place: CachePlace, candidate: Candidate, deps: LookupDeps): Looked {
  const { entry } = candidate
  if (!isAlive(place.key, entry, deps)) return none(place, 'uri-miss')
  const purged = purgeVerdict(deps.purges.log(purgedWith(place.owner)), entry)
  if (purged === 'hard') return none(place, 'uri-miss')
  const { headers } = x.request
  if (!acceptsCoding(headers, entry)) return none(place, 'vary-miss')
  const asked = requestDirectives(headers, place.policy)
  const reuse = purged === 'soft' ? 'validate' : judgeReuse(entry, asked, deps.clock.nowMs())
  return { kind: 'found', place, ...candidate, reuse }
}

/** What was asked for before its URL was invalidated in this isolate is dead, although it may still lie there. */
function isAlive(key: CacheKey, entry: StoredResponse, { cache }: LookupDeps): boolean {
  return cache.invalidations.holds(key, entry.requestedMs)
}
