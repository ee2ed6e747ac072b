import type { Target } from '../../core/config/types.ts'
import { isEventStream } from '../../core/http/media.ts'
import { joinBytes } from '../../core/join-bytes.ts'
import { FirstContent } from '../../core/stream/first-content.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { UpstreamAnswer } from '../../ports.ts'
import type { Job } from './job.ts'

/** An answer whose stream has begun to say something, and whether that was an error. */
export interface Begun {
  readonly answer: UpstreamAnswer
  readonly erred: boolean
}

/** Nobody waits longer than for so many bytes: whoever sends that much is not silent. */
const heldBytesMax = 65_536

/**
 * Holds an event stream back until its first event that holds something, where the target has a time for that: until
 * then another target can still answer in its place. Other answers pass at once.
 *
 * @param spentMs what of the time has passed
 * @returns refusal `upstream_first_content_timeout`
 */
export function awaitContent(
  answer: UpstreamAnswer,
  job: Job,
  { target, spentMs }: { readonly target: Target; readonly spentMs: number },
): Promise<Begun | Refusal> | Begun {
  const { firstContentMs } = target.timeouts
  const { status, headers, body } = answer.response
  if (firstContentMs === null || status !== 200 || body === null || !isEventStream(headers))
    return { answer, erred: false }
  return holdBack(answer, body, job, { afterMs: firstContentMs, leftMs: firstContentMs - spentMs })
}

async function holdBack(
  answer: UpstreamAnswer,
  body: ReadableStream<Uint8Array>,
  job: Job,
  { afterMs, leftMs }: { readonly afterMs: number; readonly leftMs: number },
): Promise<Begun | Refusal> {
  const { x, deps, outbound } = job
  const begunMs = deps.clock.nowMs()
  const reader = body.getReader()
  const seen = new FirstContent(outbound.match.route.dialect)
  const pieces: Uint8Array[] = []
  let isLate = false
  const stop = (): void => answer.abort()
  answer.timer.set(Math.max(0, Math.min(leftMs, answer.remainingMs)), () => {
    isLate = true
    stop()
  })
  x.signal.addEventListener('abort', stop, { once: true })
  let bytes = 0
  while (seen.found === 'nothing' && bytes < heldBytesMax) {
    const read = await reader.read().catch(() => null)
    if (read === null || read.done) break
    bytes += read.value.length
    pieces.push(read.value)
    seen.push(read.value)
  }
  x.signal.removeEventListener('abort', stop)
  answer.timer.set(Infinity, () => {})
  const tookMs = deps.clock.nowMs() - begunMs
  x.waited('upstream', tookMs)
  if (x.signal.aborted) return { refused: 'client_left' }
  if (isLate) return { refused: 'upstream_first_content_timeout', afterMs }
  reader.releaseLock()
  const response = continued(answer.response, joinBytes(pieces), job)
  const remainingMs = Math.max(0, answer.remainingMs - tookMs)
  return { answer: { ...answer, response, remainingMs }, erred: seen.found === 'error' }
}

/** The answer with what was read of its body in front again; the runtime carries the rest. */
function continued(response: Response, beginning: Uint8Array, { x }: Job): Response {
  const through = new IdentityTransformStream()
  const { body, status, statusText, headers } = response
  x.defer(carry(body, beginning, through.writable).catch(() => {}))
  return new Response(through.readable, { status, statusText, headers })
}

async function carry(
  body: ReadableStream<Uint8Array> | null,
  beginning: Uint8Array,
  writable: WritableStream<Uint8Array>,
): Promise<void> {
  const writer = writable.getWriter()
  if (beginning.length > 0) {
    await writer.write(beginning).catch((error: unknown) => {
      body?.cancel().catch(() => {})
      throw error
    })
  }
  writer.releaseLock()
  await body?.pipeTo(writable)
}
