import type { Ending } from '../../core/stream/ending.ts'
import type { Exchange, UpstreamAnswer } from '../../ports.ts'

type Told = Pick<Exchange, 'facts'>

/**
 * Takes over to tell the upstream's side how its answer ended: the end of the client's answer does not tell it any more.
 * @returns tells it; the first word counts
 */
export function takeEnding({ facts }: Told): (ending: Ending) => void {
  const tell = facts.answerEnded
  facts.answerEnded = null
  return (ending) => tell?.(ending)
}

/**
 * Tells how an upstream's answer ended that the client's does not wait for: its place is free again, another call may be
 * made, and what the store does next is not held against the target.
 */
export function endAnswer(x: Told, ending: Ending): void {
  takeEnding(x)(ending)
}

/** Gives up what is left of an answer that nobody will see; no fault of the target's. */
export function discardAnswer(x: Told, answer: UpstreamAnswer): void {
  answer.timer.stop()
  answer.abort()
  endAnswer(x, 'complete')
}
