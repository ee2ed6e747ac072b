import type { LimitSpec } from '../spec.ts'
import {
  capacityOf,
  guardMs,
  leasedMaxOf,
  leaseMsOf,
  periodMsOf,
  replyWithinMs,
  unstoredMaxOf,
} from './lease-terms.ts'

/** What is stored of a bucket: never more than what it holds. */
export interface BucketRow {
  readonly v: 1
  readonly kind: 'bucket'
  readonly level: number
  readonly atMs: number
  readonly capacity: number
  readonly perMs: number
  readonly strict: boolean
  /** Permits that may be in leases. */
  readonly leased: number
  readonly leaseMs: number
  /** Nothing was out when the row was written, and nothing was given since: it holds exactly. */
  readonly clean: boolean
}

/** A bucket as a Ledger finds it when it begins. */
export interface BucketStart {
  readonly level: number
  /** Permits that isolates may still hold from the life before. */
  readonly leased: number
  readonly leasedUntilMs: number
}

/** What permits that flow in while replies are under way may come to at most. Milliseconds. */
const flightMs = replyWithinMs + guardMs
/** A row is written this much below what the bucket holds, so that it need not be written with each request. */
const headroom = 0.05

export function perMsOf(spec: LimitSpec): number {
  return spec.max / periodMsOf(spec)
}

/** @returns null for anything but a bucket's row */
export function parseBucketRow(text: string | null): BucketRow | null {
  if (text === null) return null
  const row: unknown = JSON.parse(text)
  return typeof row === 'object' && row !== null && 'kind' in row && row.kind === 'bucket'
    ? (row as BucketRow)
    : null
}

/**
 * A bucket after a restart. Without a row it is full. In strict durability, unless the row is clean, isolates may hold
 * all that may be leased; and what flowed in while the last replies were under way may have been lost.
 */
export function startOf(row: BucketRow | null, spec: LimitSpec, nowMs: number): BucketStart {
  if (row === null) return { level: capacityOf(spec), leased: 0, leasedUntilMs: nowMs }
  const { level, atMs, capacity, perMs, strict, leased, leaseMs, clean } = row
  const grown = level + Math.max(0, nowMs - atMs) * perMs
  if (clean) return { level: Math.min(capacity, grown), leased: 0, leasedUntilMs: nowMs }
  if (!strict) return { level: Math.min(capacity, grown - flightMs * perMs), leased: 0, leasedUntilMs: nowMs }
  return {
    level: Math.min(capacity - leased, grown) - flightMs * perMs,
    leased,
    leasedUntilMs: nowMs + leaseMs + guardMs,
  }
}

/** How a bucket stands. */
export interface BucketState {
  readonly level: number
  readonly atMs: number
  /** Permits that may still be used somewhere, and those of them that are leased. */
  readonly out: number
  readonly leased: number
}

/** Whether the stored row promises more than the bucket holds. */
export function mustStore(row: BucketRow | null, spec: LimitSpec, state: BucketState): boolean {
  const capacity = capacityOf(spec)
  const strict = spec.durability === 'strict'
  const grown = row === null ? capacity : row.level + (state.atMs - row.atMs) * row.perMs
  if (row === null || row.clean) {
    if (strict) return state.out > 0 || state.level < Math.min(capacity, grown)
    return state.level < Math.min(grown, capacity - leasedMaxOf(spec) - unstoredMaxOf(spec))
  }
  const least = strict ? capacity - row.leased : capacity - leasedMaxOf(spec) - unstoredMaxOf(spec)
  return state.level < Math.min(grown, least)
}

/** The row of a bucket in use. */
export function rowOf(spec: LimitSpec, state: BucketState): BucketRow {
  const capacity = capacityOf(spec)
  return {
    v: 1,
    kind: 'bucket',
    level: state.level - headroom * capacity,
    atMs: state.atMs,
    capacity,
    perMs: perMsOf(spec),
    strict: spec.durability === 'strict',
    leased: Math.max(leasedMaxOf(spec), state.leased),
    leaseMs: leaseMsOf(spec),
    clean: false,
  }
}
