import type { Outcome } from '../core/outcome.ts'
import type { UpstreamAnswer } from '../ports.ts'

/** A declared answer of at most this size is read before it is passed on. */
export const wholeBytesMax = 262_144

/**
 * Reads a short answer into memory: that costs less than a pipe, and one that breaks off becomes a refusal instead of a
 * broken success.
 *
 * @param totalMs the time of which `remainingMs` is left
 * @returns refusals `upstream_broke_off`, `upstream_total_timeout`
 */
export async function readAnswerWhole(answer: UpstreamAnswer, totalMs: number): Promise<Outcome<Uint8Array>> {
  const { response, timer, remainingMs } = answer
  let late = false
  timer.set(remainingMs, () => {
    late = true
    answer.abort()
  })
  try {
    return new Uint8Array(await response.arrayBuffer())
  } catch {
    return late ? { refused: 'upstream_total_timeout', afterMs: totalMs } : { refused: 'upstream_broke_off' }
  } finally {
    timer.stop()
  }
}
