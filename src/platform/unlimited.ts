import type { Grant, Limiter } from '../ports.ts'

/** What a request holds that no limit applies to, and nobody keeps account of. */
export const unlimitedGrant: Grant = {
  reserve: () => null,
  sliced: false,
  reservedOutputTokens: 0,
  extend: () => true,
  settle() {},
  release() {},
  standing: () => [],
  onStop() {},
}

/** The limiter of a gateway without limits: admits everything and keeps no account. */
export const unlimited: Limiter = { admit: () => unlimitedGrant }
