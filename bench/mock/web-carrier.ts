import type { Answer } from './answer.ts'
import type { MockDeps } from './exchange.ts'
import type { Ending, Entry } from './ledger.ts'
import type { Source } from './source.ts'

/** A request on its way through `fetch`. */
interface WebTrip {
  readonly deps: MockDeps
  readonly entry: Entry
  /** The client's, where the runtime tells us. */
  readonly signal: AbortSignal
  readonly settle: (entry: Entry, ending: Ending) => void
}

/** The longest a timer can run: for what shall never happen. A pending timer keeps workerd from calling it a hang. */
const FOREVER_MS = 2 ** 31 - 1
const CLIENT_LEFT = 499
/** An error overtakes what workerd has not sent yet; this lets the events before a cut leave first. */
const CUT_PAUSE_MS = 10

/** Carries an answer to a web `Response`: waits for its head, then lets the reader pull its body. */
export async function carryToWeb(trip: WebTrip, makeAnswer: () => Promise<Answer>): Promise<Response> {
  const { deps, entry, settle } = trip
  const left = new AbortController()
  const leave = () => {
    settle(entry, 'aborted')
    left.abort()
  }
  if (trip.signal.aborted) leave()
  trip.signal.addEventListener('abort', leave, { once: true })

  const answer = await makeAnswer().catch((error: unknown) => {
    settle(entry, 'aborted')
    throw error
  })
  const waitMs = answer.headAtMs - deps.now()
  if (waitMs > 0) await deps.wait(Math.min(waitMs, FOREVER_MS), left.signal)
  if (left.signal.aborted) return new Response(null, { status: CLIENT_LEFT })
  if (answer.status === 0) {
    settle(entry, 'cut')
    throw new Error('The mock was told to give no answer.')
  }
  const headers = pairs(answer.headers)
  if (typeof answer.body === 'string' || answer.body === null) {
    entry.tokensSent += answer.tokens
    settle(entry, 'complete')
    return new Response(answer.body, { status: answer.status, headers })
  }
  const body = bodyStream(answer.body, trip, left)
  return new Response(body, { status: answer.status, headers })
}

function bodyStream(source: Source, trip: WebTrip, left: AbortController): ReadableStream<Uint8Array> {
  const { deps, entry, settle } = trip
  const encoder = new TextEncoder()

  async function pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (!left.signal.aborted) {
      const step = source.step(deps.now())
      switch (step.kind) {
        case 'write':
          controller.enqueue(typeof step.data === 'string' ? encoder.encode(step.data) : step.data.slice())
          return
        case 'wait':
          await deps.wait(Math.min(step.untilMs - deps.now(), FOREVER_MS), left.signal)
          break
        case 'end':
          settle(entry, 'complete')
          controller.close()
          return
        case 'cut':
          await deps.wait(CUT_PAUSE_MS, left.signal)
          settle(entry, 'cut')
          controller.error(new Error('The mock was told to cut this answer.'))
          return
        case 'stall':
          entry.ended = 'stalled'
          await deps.wait(FOREVER_MS, left.signal)
      }
    }
  }

  const cancel = () => {
    settle(entry, 'aborted')
    left.abort()
  }
  return new ReadableStream({ pull, cancel }, { highWaterMark: 0 })
}

function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = []
  for (let i = 0; i + 1 < flat.length; i += 2) list.push([flat[i] ?? '', flat[i + 1] ?? ''])
  return list
}
