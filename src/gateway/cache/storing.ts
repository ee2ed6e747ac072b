import type { StoredResponse } from '../../core/cache/entry.ts'
import { keepMs } from '../../core/cache/reuse.ts'
import { joinBytes } from '../../core/join-bytes.ts'
import { isRefusal, type Awaitable, type Outcome } from '../../core/outcome.ts'
import type { Ending } from '../../core/stream/ending.ts'
import type { Exchange, UpstreamAnswer } from '../../ports.ts'
import type { Keepable } from '../../stages/store.ts'
import type { BodyPlan } from '../body-plan.ts'
import type { Delivered, Delivery } from '../delivery.ts'
import { contentLength } from '../native.ts'
import { readAnswerWhole } from '../whole.ts'
import type { CacheContext } from './cache-context.ts'
import { ClientPipe } from './client-pipe.ts'
import { takeEnding } from './end-answer.ts'
import { bodyNameOf, keep } from './keep.ts'

/** A body up to this length lies with its record, and is held in isolate memory. */
const inlineBytesMax = 65_536

/** A body plan that keeps what it delivers, and whether that came to pass. */
export interface StoringPlan {
  readonly plan: BodyPlan
  /** Settles when the response is kept, or will not be. Never rejects. */
  readonly kept: Promise<boolean>
  /** Settles when the body has arrived; from then on only the store is waited for. */
  readonly arrived: Promise<unknown>
}

/** What to keep, and what may still be done with its bytes first. */
export interface Keeping {
  readonly keepable: Keepable
  /** Turns the whole body into what is kept; null keeps nothing. */
  finish(bytes: Uint8Array): { readonly entry: StoredResponse; readonly bytes: Uint8Array } | null
}

/**
 * Carries a body to the client and into the store. A short declared one is read first, so one that breaks off is neither
 * kept nor passed on as whole. A longer one is split once, by the runtime; the store's branch ends whole or is thrown
 * away, whether the client stays or leaves.
 * @returns refusals `upstream_broke_off`, `upstream_total_timeout`
 */
export function planStoring(
  x: Exchange,
  answer: UpstreamAnswer,
  keeping: Keeping,
  context: CacheContext,
): Awaitable<Outcome<StoringPlan>> {
  const { body, headers } = answer.response
  if (body === null) {
    answer.timer.stop()
    const none = new Uint8Array(0)
    return {
      plan: planOf({ body: null, tier: 'none', ended: complete(0) }),
      kept: keepBytes(x, none, keeping, context),
      arrived: here,
    }
  }
  const length = contentLength(headers)
  if (length === null || length > inlineBytesMax) return split(x, answer, body, { keeping, context })
  const totalMs = x.facts.target?.timeouts.totalMs ?? 0
  return readAnswerWhole(answer, totalMs).then((bytes) => {
    if (isRefusal(bytes)) return bytes
    const ending = x.signal.aborted ? 'client_left' : 'complete'
    const delivery: Delivery = { body: bytes, tier: 'whole', ended: { ending, bytes: bytes.length } }
    const whole = bytes.length === length
    return {
      plan: planOf(delivery),
      kept: whole ? keepBytes(x, bytes, keeping, context) : never,
      arrived: here,
    }
  })
}

const never = Promise.resolve(false)
const here = Promise.resolve()

function complete(bytes: number): Delivered {
  return { ending: 'complete', bytes }
}

function planOf(delivery: Delivery): BodyPlan {
  return { delivery, meter: null }
}

async function keepBytes(
  x: Exchange,
  bytes: Uint8Array,
  keeping: Keeping,
  context: CacheContext,
): Promise<boolean> {
  const held = keeping.finish(bytes)
  return held === null ? false : keep(context.place, held, x, context.deps)
}

/** What is kept of a stream, and where. */
export interface Splitting {
  readonly keeping: Keeping
  readonly context: CacheContext
  /**
   * Told once how the reading of the stream ended: `complete`, `upstream_failed`, or `client_left` where the store gave
   * up.
   */
  readonly onRead: (ending: Ending) => void
}

function split(
  x: Exchange,
  answer: UpstreamAnswer,
  body: ReadableStream<Uint8Array>,
  splitting: Omit<Splitting, 'onRead'>,
): StoringPlan {
  const length = contentLength(answer.response.headers)
  const [toClient, aside] = body.tee()
  const through = length === null ? new IdentityTransformStream() : new FixedLengthStream(length)
  // The client may leave, or be stopped; the store's branch goes on without it.
  const pipe = new ClientPipe(toClient, through.writable)
  const tell = takeEnding(x)
  answer.timer.set(answer.remainingMs, () => {
    tell('total_timeout')
    pipe.breakOff('total_timeout')
    answer.abort()
  })
  const { promise: read, resolve: onRead } = Promise.withResolvers<Ending>()
  const kept = keepStream(x, aside, length, { ...splitting, onRead }).catch(() => false)
  // A store that gives up does not say how the answer ends.
  void kept.then(() => onRead('client_left'))
  const ended = pipe.done.then(
    (): Delivered => ({ ending: 'complete', bytes: length }),
    (): Delivered => ({
      ending: pipe.why ?? (x.signal.aborted ? 'client_left' : 'upstream_failed'),
      bytes: null,
    }),
  )
  pipe.breakOffWith(x.signal, splitting.context.grant)
  void bothOver(read, ended)
    .then(tell)
    .finally(() => answer.timer.stop())
  return { plan: planOf({ body: through.readable, tier: 'native', ended }), kept, arrived: read }
}

/** How an upstream's answer ended that the store and the client each read to its end, or left. */
async function bothOver(read: Promise<Ending>, ended: Promise<Delivered>): Promise<Ending> {
  const [ofStore, ofClient] = await Promise.all([read, ended])
  return ofStore === 'client_left' ? ofClient.ending : ofStore
}

/**
 * Keeps a body of any length: a short one with its record, a long one apart and before it. Rejects when it breaks off.
 * @returns whether it was kept
 */
export async function keepStream(
  x: Exchange,
  stream: ReadableStream<Uint8Array>,
  length: number | null,
  { keeping, context, onRead }: Splitting,
): Promise<boolean> {
  const { keepable } = keeping
  const reader = watched(stream.getReader(), onRead)
  const start = length === null ? await readStart(reader) : { pieces: [], ended: false }
  if (start.ended) return keepBytes(x, joinBytes(start.pieces), keeping, context)
  if (keepable.range !== null) {
    await reader.cancel()
    return false
  }
  const { place, deps } = context
  const name = bodyNameOf(place, keepable)
  const draft: StoredResponse = { ...keepable, length: length ?? 0, bodyName: name }
  const ms = keepMs(draft, place.policy, deps.clock.nowMs())
  const incoming = { stream: resumed(start.pieces, reader), length, bytesMax: place.policy.bytesMax }
  const moved = await deps.cache.putBody(name, incoming, ms + laterMs, x)
  // Only what is whole gets a record, and without one no request finds it.
  if (moved === null) return false
  return keep(place, { entry: { ...draft, length: moved }, bytes: null }, x, deps)
}

type Reader = Pick<ReadableStreamDefaultReader<Uint8Array>, 'read' | 'cancel'>

/** A reader that tells how its stream ended. */
function watched(reader: ReadableStreamDefaultReader<Uint8Array>, onRead: Splitting['onRead']): Reader {
  return {
    async read() {
      try {
        const result = await reader.read()
        if (result.done) onRead('complete')
        return result
      } catch (error) {
        onRead('upstream_failed')
        throw error
      }
    },
    cancel(reason) {
      onRead('client_left')
      return reader.cancel(reason)
    },
  }
}

/** A body outlives its record, which may be freshened meanwhile. */
const laterMs = 604_800_000

interface Start {
  readonly pieces: Uint8Array[]
  readonly ended: boolean
}

/** The first pieces of a body, up to as much as lies with its record. Rejects when it breaks off. */
async function readStart(reader: Reader): Promise<Start> {
  const pieces: Uint8Array[] = []
  let total = 0
  while (total <= inlineBytesMax) {
    const { done, value } = await reader.read()
    if (done) return { pieces, ended: true }
    total += value.length
    pieces.push(value)
  }
  return { pieces, ended: false }
}

/** What was read, and then the rest. */
function resumed(pieces: Uint8Array[], reader: Reader): ReadableStream<Uint8Array> {
  const waiting = pieces.slice()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const first = waiting.shift()
      if (first !== undefined) return controller.enqueue(first)
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
}
