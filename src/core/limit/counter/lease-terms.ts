import type { LimitSpec } from '../spec.ts'

const dayMs = 86_400_000

/** How much later than the isolate an authority ends a lease: clocks that stand still and drift fit in. Milliseconds. */
export const guardMs = 100

/** The longest a reply may take from sending before it brings nothing. Milliseconds. */
export const replyWithinMs = 1000

/** For how long an isolate goes on at its last share while the Ledger does not answer. Milliseconds. */
export const coastMs = 15_000

/** For how long after the Ledger's last word that share is known to be the isolate's own. Milliseconds. */
export const coastFreshMs = 30_000

const rateLeaseMs = 5000
const windowLeaseMs = 30_000
/** Calls in a second that one counter takes from isolates that were refused, at most. */
const pollsPerSecond = 200

/** Whether a limit is a bucket that refills, not a window. */
export function isRate(spec: LimitSpec): boolean {
  return spec.kind === 'request-rate' || spec.kind === 'token-rate'
}

/** Whether a limit is on what is under way at the same time. */
export function isSlots(spec: LimitSpec): boolean {
  return spec.kind === 'concurrent-requests' || spec.kind === 'concurrent-streams'
}

/** The most that can be granted at once. */
export function capacityOf(spec: LimitSpec): number {
  return isRate(spec) ? (spec.burst ?? spec.max) : spec.max
}

/** The time in which `max` flows in, or is over; for months, of 30 days. Milliseconds. */
export function periodMsOf(spec: LimitSpec): number {
  if (spec.periodMs !== null) return spec.periodMs
  return spec.calendar === 'month' ? 30 * dayMs : dayMs
}

/** How long a lease lasts: rates a quarter of the time they need to fill, at most 5 s; windows a twentieth, at most 30 s. */
export function leaseMsOf(spec: LimitSpec): number {
  if (isRate(spec)) return Math.min(rateLeaseMs, (capacityOf(spec) * periodMsOf(spec)) / (4 * spec.max))
  return Math.min(windowLeaseMs, periodMsOf(spec) / 20)
}

/** Permits that may be out in leases at once: a quarter, of rates at most 4.8 s worth. Whole. */
export function leasedMaxOf(spec: LimitSpec): number {
  const quarter = capacityOf(spec) / 4
  return Math.floor(isRate(spec) ? Math.min(quarter, (4800 * spec.max) / periodMsOf(spec)) : quarter)
}

/** What a bucket of default durability may fall short of full before anything is stored: a tenth, at most 3 s worth. */
export function unstoredMaxOf(spec: LimitSpec): number {
  return Math.min(capacityOf(spec) / 10, (3000 * spec.max) / periodMsOf(spec))
}

/**
 * For how long an isolate that was refused is to refuse without asking: until a permit has come in, but long enough
 * that all who ask together stay within 200 calls a second; that part 10 % to and fro, by the isolate's ordinal.
 */
export function denyMsOf(
  spec: LimitSpec,
  waitMs: number,
  isolates: { count: number; ordinal: number },
): number {
  const fillMs = (capacityOf(spec) * periodMsOf(spec)) / spec.max
  const leastMs = Math.max(Math.min(2000, fillMs / 10), (isolates.count * 1000) / pollsPerSecond)
  return Math.max(waitMs, leastMs * (0.9 + (isolates.ordinal % 21) / 100))
}

/**
 * Whether a bucket is so small that what flows in while the Ledger waits to hear that a request has left would be lost,
 * and a client within the limit refused for it. Then the isolate is to tell at once.
 */
export function isTight(spec: LimitSpec, cost: number): boolean {
  return (
    isRate(spec) && capacityOf(spec) - cost < (2 * (replyWithinMs + guardMs) * spec.max) / periodMsOf(spec)
  )
}
