import { commandControl, readControl } from './control-client.ts'
import type { CacheMode, CacheStats } from './cache-service.ts'

/** Steers and counts the Cache API of a rig from outside. */
export interface CacheControl {
  /** What the cache does from now on; requests that already hang go on hanging. */
  setMode(mode: CacheMode): Promise<void>
  /** Operations since the start or the last reset, and entries held. */
  stats(): Promise<CacheStats>
  /** Throws out the bodies that lie apart from their records, as a cache may at any time. */
  dropBodies(): Promise<void>
  /** Forgets the counts and every entry. */
  reset(): Promise<void>
}

/** @param origin where the entrypoint `control` of the cache service listens */
export function cacheControl(origin: string): CacheControl {
  return {
    setMode: (mode) => commandControl(`${origin}/__cache/mode`, mode),
    stats: () => readControl(`${origin}/__cache/stats`),
    dropBodies: () => commandControl(`${origin}/__cache/drop-bodies`),
    reset: () => commandControl(`${origin}/__cache/reset`),
  }
}
