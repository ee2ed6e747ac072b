import type { Ending } from '../core/stream/ending.ts'
import { verdict, type StreamFacts } from '../core/stream/verdict.ts'
import type { Delivery } from './delivery.ts'
import { hasLeft, sayFarewell, type StreamTerms } from './stream-terms.ts'
import { SideBranch } from './side-branch.ts'

/** The first sweep comes early, so that a burst at the start is not held for a whole beat. */
const firstBeatMs = 100
const beatMs = 1000
const shortBeatMs = 20
/** A short idle time is watched more closely: silence is noticed at most this part of it too late. */
const beatsPerIdle = 10
/** A beat in which more than this moved is followed by a short one: memory stays bounded, slow streams undisturbed. */
const burstBytes = 262_144
/** How long the rest of a stream that has ended for the client may take to be read. */
const restMs = 5000

/**
 * The tap tier: the client's branch is piped by the runtime with no JavaScript per event; the other branch is read in
 * large pieces about once a second. So the bytes are counted exactly, the end of the stream is known, and a stream
 * that breaks off gets an error event of its dialect. When the client leaves, both branches are cancelled, which
 * closes the upstream; or the other branch is read on for its usage, where the route says so.
 */
export function deliverTap(body: ReadableStream<Uint8Array>, terms: StreamTerms): Delivery {
  terms.answer.timer.stop()
  const [toClient, aside] = body.tee()
  const through = terms.length === null ? new IdentityTransformStream() : new FixedLengthStream(terms.length)
  const stop = new AbortController()
  let bytes = 0
  const take = (piece: Uint8Array) => {
    bytes += piece.length
    terms.see(piece)
  }
  const side = new SideBranch(aside, take, terms.clock)
  const piped = toClient.pipeTo(through.writable, { signal: stop.signal, preventAbort: true }).then(
    () => 'ended' as const,
    () => 'failed' as const,
  )
  const ended = watch(Promise.race([hasLeft(terms.client), piped, isStopped(terms)]), side, terms).then(
    async (ending) => {
      const counted = !side.isGivenUp
      if (ending === 'complete') await side.drain(restMs)
      else await breakOff(ending)
      return { ending, bytes: counted ? bytes : null }
    },
  )
  /** Both branches must be given up for the upstream to close; bytes the side still held are read by then. */
  async function breakOff(ending: Ending): Promise<void> {
    const drains = ending === 'client_left' && terms.drainMs > 0
    if (!drains) {
      // Of an upstream that went on sending, the side would never be read to its end.
      terms.answer.abort()
      await side.sweep(shortBeatMs)
    }
    stop.abort()
    await piped
    if (drains) await side.drain(terms.drainMs)
    await side.cancel()
    if (ending !== 'client_left') await sayFarewell(through.writable, terms.closingWords(ending), terms.clock)
  }
  return { body: through.readable, tier: 'tap', ended }
}

/** What can end the client's branch. */
type BranchEnd = 'left' | 'ended' | 'failed' | 'stopped'

const goingOn: StreamFacts = { clientLeft: false, cut: null, upstream: 'open' }

function factsOf(end: BranchEnd, client: AbortSignal): StreamFacts {
  if (end === 'stopped') return { ...goingOn, cut: end }
  if (end === 'left' || (end === 'failed' && client.aborted)) return { ...goingOn, clientLeft: true }
  return { ...goingOn, upstream: end }
}

/** Resolves when the stream must not go on. */
function isStopped(terms: StreamTerms): Promise<'stopped'> {
  return new Promise((resolve) => {
    terms.onStop(() => resolve('stopped'))
  })
}

/** Waits for the end of the client's branch, sweeping the other one; ends it where a time runs out. */
async function watch(
  sent: Promise<BranchEnd>,
  side: SideBranch,
  { clock, idleMs, answer, client }: StreamTerms,
): Promise<Ending> {
  const deadlineMs = clock.nowMs() + answer.remainingMs
  let movedMs = clock.nowMs()
  let pauseMs = firstBeatMs
  for (;;) {
    const nowMs = clock.nowMs()
    const waitMs = Math.max(0, Math.min(pauseMs, deadlineMs - nowMs, movedMs + idleMs - nowMs))
    const end = await Promise.race([sent, clock.wait(waitMs)])
    const moved = end === undefined ? await side.sweep(1) : 0
    // Nothing is seen of a stream that is counted no further, so it is not silent either.
    if (moved > 0 || side.isGivenUp) movedMs = clock.nowMs()
    const facts = end === undefined ? { ...goingOn, cut: expiry() } : factsOf(end, client)
    const ending = verdict(facts)
    if (ending !== null) return ending
    pauseMs = moved > burstBytes ? shortBeatMs : Math.min(beatMs, idleMs / beatsPerIdle)
  }
  function expiry(): 'idle_timeout' | 'total_timeout' | null {
    const nowMs = clock.nowMs()
    if (nowMs >= deadlineMs) return 'total_timeout'
    return nowMs - movedMs >= idleMs ? 'idle_timeout' : null
  }
}
