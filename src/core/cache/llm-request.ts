import { canonicalMembers, written } from './canonical-json.ts'
import { deltaMs, parseCacheControl } from './cache-control.ts'
import type { CacheOwner } from './cache-key.ts'
import type { LlmCachePolicy } from './llm-policy.ts'

/** What tells one request to a model from another. */
type Identity = { readonly given: string } | { readonly canonical: string }

/** How a request to a model takes part in the cache. */
export interface LlmCacheTerms {
  readonly owner: CacheOwner
  readonly identity: Identity
  /** How long the answer will be fresh, in milliseconds. */
  readonly ttlMs: number
  /** Oldest answer that the client takes, in milliseconds. */
  readonly ageMsMax: number
  /** Whether what is stored may answer; else only a new answer does, and is kept. */
  readonly mayReuse: boolean
}

export interface LlmAsker {
  readonly headers: Headers
  /** Null where there is no key. */
  readonly account: string | null
  readonly keyId: string | null
}

export interface LlmBody {
  readonly text: string
  /** Whether the gateway asked for usage that the client will not see. */
  readonly askedForUsage: boolean
  /** Path that the upstream is asked for. */
  readonly path: string
}

/** Requests that refer to what the provider keeps; the same words mean something else each time. */
const stateful = ['previous_response_id', 'conversation', 'background', 'store'] as const

/**
 * How a request takes part: by its body, or by the key that its client gives it, within what its owner may see.
 * @returns null when it does not: `no-store`, no owner, a body that is not canonical JSON, one that may be answered
 *   differently each time
 */
export function llmCacheTerms(asker: LlmAsker, body: LlmBody, policy: LlmCachePolicy): LlmCacheTerms | null {
  const owner = ownerFor(asker, policy)
  const asked = parseCacheControl(asker.headers.get('cache-control'))
  if (owner === null || asked.has('no-store')) return null
  const members = canonicalMembers(body.text)
  if (members === null) return null
  if (stateful.some((name) => (members.get(name) ?? 'false') !== 'false')) return null
  if (!policy.sampled && !isDetermined(members.get('temperature'), body.path)) return null
  const given = asker.headers.get('x-sluice-cache-key')
  const ttl = asker.headers.get('x-sluice-cache-ttl')
  const wishedMs = ttl !== null && /^\d{1,10}$/.test(ttl) ? Number(ttl) * 1000 : policy.ttlMs
  return {
    owner,
    identity: isUsable(given, policy)
      ? { given }
      : { canonical: JSON.stringify([body.askedForUsage, written(without(members, policy.ignore))]) },
    ttlMs: Math.min(wishedMs, policy.ttlMs),
    ageMsMax: deltaMs(asked, 'max-age') ?? Infinity,
    mayReuse: !asked.has('no-cache') && deltaMs(asked, 'max-age') !== 0,
  }
}

function ownerFor({ account, keyId }: LlmAsker, { scope }: LlmCachePolicy): CacheOwner | null {
  if (scope === 'public') return { kind: 'public' }
  if (account === null || keyId === null) return null
  return scope === 'account' ? { kind: 'account', account } : { kind: 'key', account, keyId }
}

/** What nobody samples is the same each time; embeddings are not sampled at all. */
function isDetermined(temperature: string | undefined, path: string): boolean {
  return path.endsWith('/embeddings') || (temperature !== undefined && Number(temperature) === 0)
}

/** Where everyone shares, one client's words must not stand for another's. */
function isUsable(given: string | null, { scope }: LlmCachePolicy): given is string {
  return given !== null && scope !== 'public' && /^[\x21-\x7e]{1,256}$/.test(given)
}

function without(
  members: ReadonlyMap<string, string>,
  names: readonly string[],
): ReadonlyMap<string, string> {
  return new Map([...members].filter(([name]) => !names.includes(name)))
}
