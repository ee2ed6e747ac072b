import type { CachePlace } from '../../core/cache/place.ts'
import type { StoredResponse, VariantIndex } from '../../core/cache/entry.ts'
import { keepMs } from '../../core/cache/reuse.ts'
import { leadsTo, slotName, withVariant } from '../../core/cache/variants.ts'
import { hexOf } from '../../core/hex.ts'
import type { Clock, Random, ResponseCache, Scope } from '../../ports.ts'
import type { Held } from './cache-context.ts'

export interface KeepDeps {
  readonly cache: ResponseCache
  readonly clock: Clock
  readonly random: Random
}

/**
 * Keeps a whole response under its place; one that varies, under its variant's name and an index that leads there.
 * What was invalidated while it was on its way is not kept.
 * @returns whether it was kept
 */
export async function keep(place: CachePlace, held: Held, scope: Scope, deps: KeepDeps): Promise<boolean> {
  const { cache, clock } = deps
  const { entry } = held
  const isAlive = (): boolean => cache.invalidations.holds(place.key, entry.requestedMs)
  if (!isAlive()) return false
  const ms = keepMs(entry, place.policy, clock.nowMs())
  const answer = { record: entry, bytes: held.bytes }
  const kept =
    entry.selecting.length === 0
      ? await cache.put(place.key, answer, ms, scope)
      : await keepVariant(place, held, { scope, ms }, deps)
  if (kept && !isAlive()) {
    await cache.drop(place.key, scope)
    return false
  }
  return kept
}

async function keepVariant(
  place: CachePlace,
  { entry, bytes }: Held,
  { scope, ms }: { readonly scope: Scope; readonly ms: number },
  { cache, random }: KeepDeps,
): Promise<boolean> {
  const current = indexOf(await cache.find(place.key, scope))
  const { index, name } = withVariant(current, entry, hexOf(random.bytes(8)))
  if (!(await cache.put(slotName(place.key, name), { record: entry, bytes }, ms, scope))) return false
  const names = entry.selecting.map(([each]) => each)
  if (current !== null && leadsTo(current, name, names)) return true
  return cache.put(place.key, { record: index, bytes: null }, Math.max(ms, indexKeepMs), scope)
}

/** An index that outlives its variants costs nothing; one that dies first hides them. */
const indexKeepMs = 86_400_000

function indexOf(found: Awaited<ReturnType<ResponseCache['find']>>): VariantIndex | null {
  return found?.record.kind === 'variants' ? found.record : null
}

/** Name of the body of a response that lies apart from it. */
export function bodyNameOf(place: CachePlace, { id }: Pick<StoredResponse, 'id'>): string {
  return slotName(place.key, `body.${id}`)
}
