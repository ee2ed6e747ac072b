import type { StoredResponse } from '../core/cache/entry.ts'
import type { CachePlace } from '../core/cache/place.ts'
import { hexOf } from '../core/hex.ts'
import { termsOf, type Received } from '../core/cache/storable.ts'
import type { Exchange, Random } from '../ports.ts'

/** A response that will be kept once its body is there whole. */
export type Keepable = Omit<StoredResponse, 'length' | 'bodyName'>

/** What the cache knows of an answer beside the answer. */
export interface StoreFacts {
  readonly received: Received
  readonly statusText: string
  /** URL the upstream was asked for. */
  readonly url: string
  /** As the upstream was asked: the gateway's own key is not in it. */
  readonly query: string
}

/**
 * Decides whether an upstream's answer is kept, and on what terms.
 * @returns null when it is not
 */
export function store(
  x: Exchange,
  place: CachePlace,
  { received, statusText, url, query }: StoreFacts,
  deps: { readonly random: Random },
): Keepable | null {
  const type = received.headers.get('content-type') ?? ''
  // A stream of events is news, and has no end to wait for.
  if (received.method !== 'GET' || /^\s*text\/event-stream\b/i.test(type)) return null
  const length = received.headers.get('content-length')
  if (length !== null && Number(length) > place.policy.bytesMax) return null
  const terms = termsOf(received, place.policy)
  if (terms === null) return null
  return {
    kind: 'response',
    id: hexOf(deps.random.bytes(8)),
    status: received.status,
    statusText,
    url,
    target: x.facts.target?.id ?? '',
    path: x.target.path + query,
    requestedMs: received.requestedMs,
    receivedMs: received.receivedMs,
    ...terms,
  }
}
