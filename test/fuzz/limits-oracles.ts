/** Judges of the list of what left the isolates. They know the limits, and nothing of how they are kept. */

/** Something admitted, at the instant it left its isolate. */
export interface Admit {
  readonly atMs: number
  readonly cost: number
}

/**
 * By how much the worst interval exceeds `burst + perMs * length`: Lindley's recursion, over all intervals at once.
 * @param admits in the order of their times
 */
export function bucketExcess(admits: readonly Admit[], burst: number, perMs: number): number {
  let level = burst
  let lastMs = admits[0]?.atMs ?? 0
  let worst = 0
  for (const { atMs, cost } of admits) {
    level = Math.min(burst, level + perMs * (atMs - lastMs)) - cost
    lastMs = atMs
    worst = Math.max(worst, -level)
  }
  return worst
}

/** The same by its definition, over all pairs. */
export function bucketExcessOfPairs(admits: readonly Admit[], burst: number, perMs: number): number {
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

/** By how much the fullest window exceeds `max`: two pointers, windows (t - windowMs, t]. */
export function windowExcess(admits: readonly Admit[], windowMs: number, max: number): number {
  let from = 0
  let sum = 0
  let worst = 0
  for (const { atMs, cost } of admits) {
    sum += cost
    for (
      let first = admits[from];
      first !== undefined && first.atMs <= atMs - windowMs;
      first = admits[from]
    ) {
      sum -= first.cost
      from += 1
    }
    worst = Math.max(worst, sum - max)
  }
  return worst
}

/** The same by its definition, over all windows that end with an admit. */
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
