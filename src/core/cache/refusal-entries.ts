import type { Entries } from '../refusal.ts'

/** The part of the catalogue of refusals that the cache brings about. */
export const cacheEntries: Entries<'only_if_cached'> = {
  only_if_cached: () => ({
    status: 504,
    title: 'Not in the cache',
    message: 'The cache has no answer that may be used, and `only-if-cached` forbids asking the upstream.',
  }),
}
