import type { Ending } from './ending.ts'

/** What has happened to a body so far. */
export interface StreamFacts {
  readonly clientLeft: boolean
  /** The time that ran out first. */
  readonly expired: 'idle_timeout' | 'total_timeout' | null
  readonly upstream: 'open' | 'ended' | 'failed'
}

/**
 * The one ending of a body, or null while it goes on. A time that ran out is why everything after it happened; a client
 * that left did not get the rest, however well the upstream ended; a failure without either is the upstream's.
 */
export function verdict({ clientLeft, expired, upstream }: StreamFacts): Ending | null {
  if (expired !== null) return expired
  if (clientLeft) return 'client_left'
  if (upstream === 'failed') return 'upstream_failed'
  return upstream === 'ended' ? 'complete' : null
}
