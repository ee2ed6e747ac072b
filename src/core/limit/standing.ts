import type { LimitSpec } from './spec.ts'

/** How a limit stands for the holder of a key, as far as the isolate knows; a hint, never more than what is left. */
export interface LimitStanding {
  readonly spec: LimitSpec
  readonly remaining: number
  /** Milliseconds until all of it is there again, or the window is over. */
  readonly resetMs: number
}
