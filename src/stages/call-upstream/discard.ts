import { isRefusal } from '../../core/outcome.ts'
import type { Scope } from '../../ports.ts'
import type { Tried } from './attempt-once.ts'
import { dropAnswer } from './drop-answer.ts'

/** Drops what an attempt brought: nobody will see it. Its place is free again. */
export function discard(x: Scope, { outcome, held }: Tried, nowMs: number): void {
  held.drop(nowMs)
  if (!isRefusal(outcome)) dropAnswer(x, outcome)
}
