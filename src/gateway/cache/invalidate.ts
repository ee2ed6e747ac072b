import type { CacheKey } from '../../core/cache/cache-key.ts'
import { isCaching, placeOf, type CachePlace } from '../../core/cache/place.ts'
import type { Snapshot } from '../../core/config/snapshot.ts'
import { isRefusal } from '../../core/outcome.ts'
import { canonicalTarget, type CanonicalTarget } from '../../core/route/canonical-target.ts'
import { matchRoute } from '../../core/route/route-index.ts'
import { forwardedQuery } from '../../stages/inspect/forwarded-query.ts'
import type { Principal } from '../../ports.ts'
import type { Answer } from '../answer.ts'
import type { Deps } from '../deps.ts'
import type { RequestLife } from '../exchange.ts'

/** Methods that change nothing (RFC 9110 §9.2.1). */
const safe: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** Whether an exchange may change what others have stored. */
export function isWrite(x: RequestLife): boolean {
  return !safe.has(x.request.method)
}

export interface Writing {
  readonly snapshot: Snapshot
  readonly deps: Deps
  /** Where the write's own answer is kept, if it is. */
  readonly kept: CacheKey | null
}

/**
 * Invalidates what a write that succeeded makes untrue (RFC 9111 §4.4): its own URL, and those of the same host that
 * Location and Content-Location name. Whatever route answers a GET there, its entries of this account and the common
 * ones go.
 */
export function invalidateWritten(
  x: RequestLife,
  answer: Answer,
  principal: Principal,
  { snapshot, deps, kept }: Writing,
): void {
  if (answer.status < 200 || answer.status > 399) return
  const targets = [x.target, ...namedBy(x, answer.headers)]
  for (const target of targets) {
    for (const place of placesOf(target, x, principal, snapshot)) {
      if (place.key === kept) continue
      deps.cache.invalidations.note(place.key, deps.clock.nowMs())
      x.defer(deps.cache.drop(place.key, x))
    }
  }
}

function namedBy(x: RequestLife, headers: Headers): readonly CanonicalTarget[] {
  const own = `${x.target.scheme}://${x.target.host}`
  return ['location', 'content-location'].flatMap((name) => {
    const url = URL.parse(headers.get(name) ?? '', `${own}${x.target.path}`)
    if (url === null || !headers.has(name)) return []
    const target = canonicalTarget(url.href, null)
    return isRefusal(target) || target.host !== x.target.host ? [] : [target]
  })
}

/** Where answers to a GET of the target may lie, as far as this principal's writes concern them. */
function placesOf(
  target: CanonicalTarget,
  x: RequestLife,
  principal: Principal,
  snapshot: Snapshot,
): readonly CachePlace[] {
  const matched = matchRoute(snapshot.index, target, 'GET')
  if (isRefusal(matched) || matched.kind !== 'route') return []
  const { route } = matched
  if (!isCaching(route)) return []
  const accounts = principal.kind === 'key' ? [principal.account, null] : [null]
  // What is stored lies under the query that the upstream was asked, which holds no key.
  const query = forwardedQuery(target.query, route)
  return accounts.flatMap(
    (account) => placeOf(route, target, query, { account, headers: x.request.headers }) ?? [],
  )
}
