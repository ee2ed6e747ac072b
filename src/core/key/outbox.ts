import { doublingMs } from '../doubling.ts'

/** Times of the outbox that carries a Ledger's keys to KV; milliseconds. */
const outboxTimes = {
  /** KV takes one write a second for each name. */
  betweenWritesMs: 1_000,
  backoff: { baseMs: 1_000, capMs: 60_000 },
} as const

/** A record that KV does not have yet. */
export interface Unpublished {
  readonly id: string
  readonly version: number
  /** When a version of this key was last written, 0 when never. */
  readonly publishedAtMs: number
}

/** Which records may be written now; the others wait because their key was written less than a second ago. */
export function dueNow<T extends Unpublished>(unpublished: readonly T[], nowMs: number): readonly T[] {
  return unpublished.filter(({ publishedAtMs }) => nowMs - publishedAtMs >= outboxTimes.betweenWritesMs)
}

/** How long to wait after `failures` failed rounds in a row, at least one: 1 s, 2 s, 4 s ... 60 s. */
export function backoffMs(failures: number): number {
  return doublingMs(failures, outboxTimes.backoff)
}

/**
 * When the outbox runs next, or null when nothing is left.
 * @param earliestPublishedAtMs the longest past write of a key that still waits; null when none waits
 * @param failures failed rounds in a row
 */
export function nextRoundMs(
  earliestPublishedAtMs: number | null,
  failures: number,
  nowMs: number,
): number | null {
  if (earliestPublishedAtMs === null) return null
  if (failures > 0) return nowMs + backoffMs(failures)
  return Math.max(nowMs, earliestPublishedAtMs + outboxTimes.betweenWritesMs)
}
