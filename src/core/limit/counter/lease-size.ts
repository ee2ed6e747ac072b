import type { LimitSpec } from '../spec.ts'
import { leasedMaxOf } from './lease-terms.ts'

/** What is known when a lease is sized. Amounts are permits. */
export interface LeaseSizing {
  readonly spec: LimitSpec
  /** What the isolate would use, and what it has. */
  readonly want: number
  readonly have: number
  readonly left: number
  /** In leases now, of all isolates. */
  readonly leased: number
  readonly demand: { readonly others: number; readonly share: number }
}

/**
 * Permits to lease: what the isolate lacks, but at most half of what is left (or its share of it where others ask as
 * well), so that the last permits are granted one by one to whoever needs them.
 */
export function leaseSize({ spec, want, have, left, leased, demand }: LeaseSizing): number {
  const fair = Math.min(0.5, Math.max(1 / (demand.others + 1), (2 / 3) * demand.share))
  const part = demand.others === 0 ? left / 2 : left * fair
  return Math.max(0, Math.floor(Math.min(want - have, part, leasedMaxOf(spec) - leased)))
}
