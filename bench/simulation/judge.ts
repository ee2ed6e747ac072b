/** Judges of what was admitted; they know limits and times, and nothing of how the gateway keeps them. */

/** Something admitted at the instant it left its isolate. */
export interface Admit {
  readonly atMs: number
  readonly cost: number
}

/** A token bucket: at most `burst` at once, `perMs` flowing in. */
export interface BucketLimit {
  readonly burst: number
  readonly perMs: number
}

/**
 * By how much the worst interval exceeds `burst + perMs * length` (Lindley's recursion, exact over all intervals).
 * @param admits in the order of their times
 */
export function bucketExcess(admits: readonly Admit[], { burst, perMs }: BucketLimit): number {
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

/** By how much the fullest window of `windowMs` exceeds `max`; windows are half open, (t - windowMs, t]. */
export function windowExcess(admits: readonly Admit[], windowMs: number, max: number): number {
  let sum = 0
  let from = 0
  let worst = 0
  for (const admit of admits) {
    sum += admit.cost
    for (let first = admits[from]; first !== undefined && first.atMs <= admit.atMs - windowMs;) {
      sum -= first.cost
      from += 1
      first = admits[from]
    }
    worst = Math.max(worst, sum - max)
  }
  return worst
}

/** What a bucket without any distance would have admitted of the same requests, and of which cost. */
export function idealBucket(asked: readonly Admit[], { burst, perMs }: BucketLimit): number {
  let level = burst
  let lastMs = asked[0]?.atMs ?? 0
  let admitted = 0
  for (const { atMs, cost } of asked) {
    level = Math.min(burst, level + perMs * (atMs - lastMs))
    lastMs = atMs
    if (level < cost) continue
    level -= cost
    admitted += cost
  }
  return admitted
}

/** What a sliding log of the last `windowMs` would have admitted of the same requests, and of which cost. */
export function idealWindow(asked: readonly Admit[], windowMs: number, max: number): number {
  const log: Admit[] = []
  let from = 0
  let sum = 0
  let admitted = 0
  for (const request of asked) {
    for (let first = log[from]; first !== undefined && first.atMs <= request.atMs - windowMs;) {
      sum -= first.cost
      from += 1
      first = log[from]
    }
    if (sum + request.cost > max) continue
    sum += request.cost
    admitted += request.cost
    log.push(request)
  }
  return admitted
}
