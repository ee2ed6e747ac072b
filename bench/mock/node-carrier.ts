import type { ServerResponse } from 'node:http'
import type { Answer } from './answer.ts'
import type { Entry } from './ledger.ts'
import type { Source, Step } from './source.ts'

const TIMER_MS_MAX = 2 ** 31 - 1

/** What the carrier tells its host; `now` is the clock the answer's deadlines are on. */
interface NodeTrip {
  readonly entry: Entry
  readonly now: () => number
  readonly cut: () => void
}

/**
 * Carries an answer onto Node's response: no web streams, no promise and at most one timer at a time.
 * Once the response has closed, nothing of it runs any more.
 */
export function carryToNode(answer: Answer, response: ServerResponse, trip: NodeTrip): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  response.on('close', () => clearTimeout(timer))

  function at(untilMs: number, next: () => void): void {
    if (untilMs === Infinity) return
    timer = setTimeout(next, Math.min(Math.max(Math.ceil(untilMs - trip.now()), 1), TIMER_MS_MAX))
  }

  function sendHead(): void {
    if (answer.headAtMs > trip.now()) return at(answer.headAtMs, sendHead)
    if (answer.status === 0) return kill(response, trip)
    trip.entry.tokensSent += answer.tokens
    if (typeof answer.body === 'object' && answer.body !== null) return sendSource(answer.body)
    sendWhole(answer, answer.body, response)
  }

  /** The head waits in Node for the first write, so that both leave together; it goes alone only before a pause. */
  function sendSource(source: Source): void {
    let headLeft = false
    response.writeHead(answer.status, answer.headers)

    function pump(): void {
      while (!response.destroyed) {
        const step = source.step(trip.now())
        if (step.kind !== 'write') return pause(step)
        headLeft = true
        if (step.last) return void response.end(step.data)
        if (!response.write(step.data)) return void response.once('drain', pump)
        if (step.alone) return void setImmediate(pump)
      }
    }

    function pause(step: Exclude<Step, { kind: 'write' }>): void {
      if (step.kind === 'end') return void response.end()
      if (!headLeft) response.flushHeaders()
      headLeft = true
      if (step.kind === 'wait') return at(step.untilMs, pump)
      if (step.kind === 'cut') return kill(response, trip)
      trip.entry.ended = 'stalled'
    }

    pump()
  }

  sendHead()
}

function sendWhole(answer: Answer, body: string | null, response: ServerResponse): void {
  const length = body === null ? [] : ['content-length', String(Buffer.byteLength(body))]
  response.writeHead(answer.status, [...length, ...answer.headers]).end(body ?? undefined)
}

/** Ends the connection without ending the body, once what was written has left: a FIN in mid-message. */
function kill(response: ServerResponse, trip: NodeTrip): void {
  trip.cut()
  const { socket } = response
  const destroyWhenDrained = () => {
    if (socket === null || socket.destroyed) return
    if (socket.writableLength > 0) setImmediate(destroyWhenDrained)
    else socket.destroy()
  }
  setImmediate(destroyWhenDrained)
}
