import type { Refusal } from './refusal.ts'

/** A result already in hand, or one that waits. A stage that has its answer must not return a promise of it. */
export type Awaitable<T> = T | Promise<T>

/** What was asked for, or the reason it cannot be had. Expected refusals are values; only bugs throw. */
export type Outcome<T> = T | Refusal

/** True when an outcome is a refusal. Domain values never carry a property named `refused`. */
export function isRefusal<T>(outcome: Outcome<T>): outcome is Refusal {
  return typeof outcome === 'object' && outcome !== null && 'refused' in outcome
}
