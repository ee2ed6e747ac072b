/** One attempt of a request, as its record tells it. */
export interface Attempt {
  /** `upstream/index` */
  readonly target: string
  /** Milliseconds that the request waited before it: for a place, or after the attempt before. */
  readonly waitMs: number
  /** Milliseconds until the headers of the answer, or until there would be none. */
  readonly tookMs: number
  /** `answered`, the code of a refusal, `error_event`, or `hedge_lost`. */
  readonly result: string
  /** Status of the answer; null where there was none. */
  readonly status: number | null
}

/** An attempt, and what it cost beside the request's own cost. */
export interface AttemptRecord extends Attempt {
  /** Micro-dollars by estimate of a call that was given up for another one; null for all others. */
  readonly costMicroUsd: number | null
}
