import type { Scope, UpstreamAnswer } from '../../ports.ts'

/** An answer up to this length is read to its end rather than broken off. */
const readBytesMax = 65_536
const readMsMax = 1_000

/**
 * Drops an answer that nobody will see. A short one is read beside the request, so that its connection can be used again:
 * a target in trouble is the last one that should have to make new ones. All others are aborted.
 */
export function dropAnswer(x: Scope, answer: UpstreamAnswer): void {
  const { response, timer } = answer
  const length = Number(response.headers.get('content-length') ?? Infinity)
  timer.stop()
  if (response.body === null || !(length <= readBytesMax)) return answer.abort()
  timer.set(readMsMax, () => answer.abort())
  x.defer(
    response.arrayBuffer().then(
      () => timer.stop(),
      () => timer.stop(),
    ),
  )
}
