import type { ErrorEvent } from '../core/dialect/dialect.ts'
import { describeRefusal, type Refusal, type RefusalFacts } from '../core/refusal.ts'
import { closingBytes } from '../core/stream/broken-stream.ts'
import type { Ending } from '../core/stream/ending.ts'
import { Tail } from '../core/stream/sse-tail.ts'
import type { Clock, UpstreamAnswer } from '../ports.ts'
import type { Delivery } from './delivery.ts'
import { SideBranch } from './side-branch.ts'

/** How much of a stream's end is kept: the longest half event that can be completed into an error event. */
const tailBytes = 16_384
/** The first sweep comes early, so that a burst at the start is not held for a whole beat. */
const firstBeatMs = 100
const beatMs = 1000
const shortBeatMs = 20
/** A short idle time is watched more closely: silence is noticed at most this part of it too late. */
const beatsPerIdle = 10
/** A beat in which more than this moved is followed by a short one: memory stays bounded, slow streams undisturbed. */
const burstBytes = 262_144
/** How long the last words of a broken stream may take to be read. */
const farewellMs = 5000

/** An event stream's reader ignores comments (WHATWG HTML §9.2.6). */
const emptyComment = new TextEncoder().encode(':\n\n')

/** What a tap needs to know beyond the body itself. */
export interface TapTerms {
  readonly answer: UpstreamAnswer
  readonly client: AbortSignal
  readonly clock: Clock
  readonly idleMs: number
  errorEvent(facts: RefusalFacts): ErrorEvent
}

/**
 * The tap tier: the client's branch is piped by the runtime with no JavaScript per event; the other branch is read in
 * large pieces about once a second. So the bytes are counted exactly, the end of the stream is known, and a stream
 * that breaks off gets an error event of its dialect. When the client leaves, both branches are cancelled, which
 * closes the upstream.
 */
export function deliverTap(body: ReadableStream<Uint8Array>, terms: TapTerms): Delivery {
  terms.answer.timer.stop()
  const [toClient, aside] = body.tee()
  const through = new IdentityTransformStream()
  const stop = new AbortController()
  const side = new SideBranch(aside, new Tail(tailBytes), terms.clock)
  const piped = toClient.pipeTo(through.writable, { signal: stop.signal, preventAbort: true }).then(
    () => 'complete' as const,
    () => 'broken' as const,
  )
  const ended = watch(Promise.race([hasLeft(terms.client), piped]), side, terms).then(async (ending) => {
    if (ending === 'complete') await side.drain()
    else await side.sweep(shortBeatMs)
    if (ending !== 'complete') await breakOff(ending)
    return { ending, bytes: side.tail.bytes }
  })
  /** Both branches must be given up for the upstream to close; bytes the side still held are read by then. */
  async function breakOff(ending: Ending): Promise<void> {
    stop.abort()
    await piped
    await side.cancel()
    if (ending !== 'client_left')
      await sayFarewell(through.writable, closingWords(ending, side.tail, terms), terms.clock)
  }
  return { body: through.readable, tier: 'tap', ended }
}

function hasLeft(client: AbortSignal): Promise<'left'> {
  return new Promise((resolve) => {
    if (client.aborted) resolve('left')
    client.addEventListener('abort', () => resolve('left'), { once: true })
  })
}

/** Waits for the end of the client's branch, sweeping the other one; ends it where a time runs out. */
async function watch(
  sent: Promise<'left' | 'complete' | 'broken'>,
  side: SideBranch,
  terms: TapTerms,
): Promise<Ending> {
  const { clock, idleMs, answer, client } = terms
  const deadlineMs = clock.nowMs() + answer.remainingMs
  let movedMs = clock.nowMs()
  let pauseMs = firstBeatMs
  for (;;) {
    const nowMs = clock.nowMs()
    const waitMs = Math.max(0, Math.min(pauseMs, deadlineMs - nowMs, movedMs + idleMs - nowMs))
    const end = await Promise.race([sent, clock.wait(waitMs)])
    if (end === 'complete') return 'complete'
    if (end === 'left' || (end === 'broken' && client.aborted)) return 'client_left'
    if (end === 'broken') return 'upstream_failed'
    const moved = await side.sweep(1)
    if (moved > 0) movedMs = clock.nowMs()
    if (clock.nowMs() >= deadlineMs) return 'total_timeout'
    if (clock.nowMs() - movedMs >= idleMs) return 'idle_timeout'
    pauseMs = moved > burstBytes ? shortBeatMs : Math.min(beatMs, idleMs / beatsPerIdle)
  }
}

function closingWords(ending: Ending, tail: Tail, terms: TapTerms): Uint8Array | null {
  const { idleMs, answer } = terms
  const reasons: Partial<Record<Ending, Refusal>> = {
    idle_timeout: { refused: 'upstream_idle_timeout', afterMs: idleMs },
    total_timeout: { refused: 'upstream_total_timeout', afterMs: answer.remainingMs },
  }
  const facts = describeRefusal(reasons[ending] ?? { refused: 'upstream_broke_off' })
  return closingBytes(tail.unfinished(), terms.errorEvent(facts))
}

/** Writes the last words of a broken stream, then breaks the connection: an orderly end would look like success. */
async function sayFarewell(
  writable: WritableStream<Uint8Array>,
  words: Uint8Array | null,
  clock: Clock,
): Promise<void> {
  const writer = writable.getWriter()
  if (words !== null) {
    // An abort overtakes what was only just taken over; when a second write is taken too, the first is on its way.
    const written = writer.write(words).then(() => writer.write(emptyComment))
    await Promise.race([written.catch(() => {}), clock.wait(farewellMs)])
  }
  await writer.abort(new Error('the upstream broke off')).catch(() => {})
}
