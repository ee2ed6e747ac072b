import type { Ending } from './ending.ts'

/** Why the gateway ended a body itself. */
export type Cut = Extract<Ending, 'idle_timeout' | 'total_timeout' | 'limit_reached' | 'stopped'>

/** What has happened to a body so far. */
export interface StreamFacts {
  readonly clientLeft: boolean
  /** Why the gateway ended it, where it did: the first reason there was. */
  readonly cut: Cut | null
  readonly upstream: 'open' | 'ended' | 'failed'
}

/**
 * The one ending of a body, or null while it goes on. What the gateway ended is why everything after it happened; a
 * client that left did not get the rest, however well the upstream ended; a failure without either is the upstream's.
 */
export function verdict({ clientLeft, cut, upstream }: StreamFacts): Ending | null {
  if (cut !== null) return cut
  if (clientLeft) return 'client_left'
  if (upstream === 'failed') return 'upstream_failed'
  return upstream === 'ended' ? 'complete' : null
}
