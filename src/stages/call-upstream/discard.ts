import { isRefusal } from '../../core/outcome.ts'
import type { Tried } from './attempt-once.ts'

/** Drops what an attempt brought: nobody will see it. Its place is free again. */
export function discard({ outcome, held }: Tried, nowMs: number): void {
  held.drop(nowMs)
  if (isRefusal(outcome)) return
  outcome.timer.stop()
  outcome.abort()
}
