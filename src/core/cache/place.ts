import { cacheKey, type CacheKey, type CacheOwner } from './cache-key.ts'
import type { CachePolicy } from './policy.ts'
import type { Route } from '../config/types.ts'
import type { CanonicalTarget } from '../route/canonical-target.ts'

/** Where a request's answer lies in the cache, and whose it would be. */
export interface CachePlace {
  readonly key: CacheKey
  readonly policy: CachePolicy
  readonly owner: CacheOwner
  readonly asker: Asker
  /** Whether what is kept is kept for one account alone, by the route's own word. */
  readonly isolated: boolean
}

/** Who asks, as far as the cache tells clients from one another. */
export interface Asker {
  /** Null where there is no key. */
  readonly account: string | null
  readonly headers: Headers
}

const credentialFields = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'proxy-authorization']

/**
 * Where the answer to a GET of this target lies.
 * @param query as the upstream is asked
 * @returns null where no answer can lie
 */
export function placeOf(
  route: Route & { readonly cache: CachePolicy },
  target: CanonicalTarget,
  query: string,
  asker: Asker,
): CachePlace | null {
  const { cache: policy } = route
  const owner = ownerOf(policy, asker.account)
  const key = cacheKey(owner, { route, ...target, query, body: null })
  if (key === null) return null
  const isolated = owner.kind === 'account' && policy.authorized === 'account'
  return { key, policy, owner, asker, isolated }
}

/** Whether a request carried credentials, of the gateway or of the origin. */
export function isCredentialed({ account, headers }: Asker): boolean {
  return account !== null || credentialFields.some((name) => headers.has(name))
}

/** An account has its own entries, unless the route shares what may be shared. */
function ownerOf(policy: CachePolicy, account: string | null): CacheOwner {
  const apart = policy.scope === 'account' || policy.authorized === 'account'
  return account !== null && apart ? { kind: 'account', account } : { kind: 'public' }
}

/** A route that caches, as such. */
export function isCaching(route: Route): route is Route & { readonly cache: CachePolicy } {
  return route.cache !== null
}

/** The account whose purges concern what lies there; null for what is everyone's. */
export function purgedWith(owner: CacheOwner): string | null {
  return owner.kind === 'public' ? null : owner.account
}
