import type { Admit, BucketLimit } from '../../bench/simulation/judge.ts'

/** Judges of the list of what left the isolates. They know the limits, and nothing of how they are kept. */

/** What `bucketExcess` is by its definition, over all pairs. */
export function bucketExcessOfPairs(admits: readonly Admit[], { burst, perMs }: BucketLimit): number {
  let worst = 0
  for (const [at, first] of admits.entries()) {
    let sum = 0
    for (const { atMs, cost } of admits.slice(at)) {
      sum += cost
      worst = Math.max(worst, sum - burst - perMs * (atMs - first.atMs))
    }
  }
  return worst
}

/** What `windowExcess` is by its definition, over all windows that end with an admit. */
export function windowExcessOfPairs(admits: readonly Admit[], windowMs: number, max: number): number {
  const sums = admits.map(({ atMs }) =>
    admits.reduce(
      (sum, other) => (other.atMs <= atMs && other.atMs > atMs - windowMs ? sum + other.cost : sum),
      0,
    ),
  )
  return Math.max(0, ...sums.map((sum) => sum - max))
}

/** By how much the fullest calendar window, of UTC, exceeds `max`. */
export function calendarExcess(admits: readonly Admit[], unit: 'day' | 'month', max: number): number {
  const sums = new Map<string, number>()
  for (const { atMs, cost } of admits) {
    const window = new Date(atMs).toISOString().slice(0, unit === 'day' ? 10 : 7)
    sums.set(window, (sums.get(window) ?? 0) + cost)
  }
  return Math.max(0, ...[...sums.values()].map((sum) => sum - max))
}
