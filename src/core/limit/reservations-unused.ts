import { isOnSlots } from './applied-limits.ts'
import type { OpenedReservation, SettledReservation, Take } from './messages.ts'
import type { AppliedLimit } from './spec.ts'

/** Tokens and money; slots are freed and not settled. */
export function takesOf(applied: readonly AppliedLimit[], costs: readonly number[]): readonly Take[] {
  return applied.flatMap((limit, at) =>
    isOnSlots(limit) ? [] : { counter: limit.counter, cost: costs[at] ?? 0 },
  )
}

/**
 * Gives back permits that nothing was done with, as a reservation of their own.
 * @param owner whose they were; its id must be one that nothing else is settled under
 */
export function unused(
  owner: OpenedReservation,
  takes: readonly Take[],
  endedMs: number,
): SettledReservation {
  return {
    ...owner,
    takes,
    costs: takes.map(({ counter }) => ({ counter, cost: 0 })),
    inputTokens: 0,
    outputTokens: 0,
    microUsd: owner.microUsd === null ? null : 0,
    source: 'measured',
    endedMs,
  }
}
