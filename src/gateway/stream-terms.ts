import type { ErrorEvent } from '../core/dialect/dialect.ts'
import { describeRefusal, type Refusal, type RefusalFacts } from '../core/refusal.ts'
import type { Ending } from '../core/stream/ending.ts'
import type { Clock, StopReason, UpstreamAnswer } from '../ports.ts'

/** What a tier that watches a body needs to know beyond the body itself. */
export interface StreamTerms {
  readonly answer: UpstreamAnswer
  readonly client: AbortSignal
  readonly clock: Clock
  readonly idleMs: number
  /** The length to keep; null where there is none, or closing words may follow. */
  readonly length: number | null
  /** How long the upstream is read on after the client has left; 0 stops it at once. */
  readonly drainMs: number
  /** Sees every byte of the body, in pieces; their buffers are used again. */
  see(piece: Uint8Array): void
  /** Calls `stop` once if the body must not go on. */
  onStop(stop: () => void): void
  /** What to send after a body that broke off; null where nothing can be sent that would not be misread. */
  closingWords(ending: Ending): Uint8Array | null
}

/** What is known of how a body was broken off. */
export interface BreakFacts {
  readonly idleMs: number
  readonly totalMs: number
  /** Why it was stopped, where it was. */
  readonly stopped: StopReason | null
}

/** The error event for an ending, in the dialect. */
export function errorEventFor(
  ending: Ending,
  { idleMs, totalMs, stopped }: BreakFacts,
  inDialect: (facts: RefusalFacts) => ErrorEvent,
): ErrorEvent {
  const reasons: Partial<Record<Ending, Refusal>> = {
    idle_timeout: { refused: 'upstream_idle_timeout', afterMs: idleMs },
    total_timeout: { refused: 'upstream_total_timeout', afterMs: totalMs },
    stopped:
      stopped === 'key_revoked'
        ? { refused: 'key_invalid' }
        : { refused: 'limits_unavailable', retryAfterMs: slotRetryMs },
  }
  return inDialect(describeRefusal(reasons[ending] ?? { refused: 'upstream_broke_off' }))
}

/** A slot that was lost is free again when its time has run out; a retry has to take a new one. */
const slotRetryMs = 1_000

/** Resolves when the client goes away. */
export function hasLeft(client: AbortSignal): Promise<'left'> {
  return new Promise((resolve) => {
    if (client.aborted) resolve('left')
    client.addEventListener('abort', () => resolve('left'), { once: true })
  })
}

/** How long the last words of a broken stream may take to be read. */
const farewellMs = 5000
/** An event stream's reader ignores comments (WHATWG HTML §9.2.6). */
const emptyComment = new TextEncoder().encode(':\n\n')

/** Writes the last words of a broken stream, then breaks the connection: an orderly end would look like success. */
export async function sayFarewell(
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
