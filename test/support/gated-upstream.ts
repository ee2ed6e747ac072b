import { createMock } from '../../bench/mock/core.ts'
import { wait } from '../../bench/mock/wait.ts'
import { chunk, lastChunk } from './http-message.ts'
import { eventTexts } from './llm-formats.ts'
import {
  answerHead,
  startScriptedUpstream,
  type ScriptedUpstream,
  type UpstreamExchange,
} from './scripted-upstream.ts'

/** What becomes of a stream after its pause. */
export type Sequel = 'goes on' | 'stays silent' | 'dies' | 'dies in half an event'

/** One stream: where it pauses, and what the upstream saw of its own. */
export class Play {
  /** Events that have left before the pause. */
  readonly pauseAt: number
  readonly sequel: Sequel
  /** The mock's whole stream for the request as the gateway sent it. */
  events: readonly string[] = []
  /** Events written so far. */
  sent = 0
  /** Whether the stream came to its proper end with the gateway still there. */
  ended = false
  /** When the gateway closed the connection, `performance.now()`; null while it is there. */
  closedMs: number | null = null
  #release: () => void = () => {}
  readonly gate: Promise<void>

  /** @param pauseAt negative: counted from the end, -1 after the last event */
  constructor(pauseAt: number, sequel: Sequel) {
    this.pauseAt = pauseAt
    this.sequel = sequel
    this.gate = new Promise((resolve) => {
      this.#release = resolve
    })
  }

  /** Ends the pause. */
  resume(): void {
    this.#release()
  }

  /** Where the pause is in this stream. */
  get pause(): number {
    return this.pauseAt >= 0 ? this.pauseAt : this.events.length + 1 + this.pauseAt
  }
}

/** A provider whose streams are the mock's, event by event, and stop where a test wants them to. */
export interface GatedUpstream extends ScriptedUpstream {
  /** Streams for requests with this text in `x-mark`. */
  readonly plays: Map<string, Play>
}

const betweenEventsMs = 25
const never = () => {
  throw new Error('the mock hashes no bodies of streams')
}

/** Starts it. */
export async function startGatedUpstream(): Promise<GatedUpstream> {
  const up = await startScriptedUpstream()
  const mock = createMock({ now: () => performance.timeOrigin + performance.now(), wait, digest: never })
  const plays = new Map<string, Play>()
  up.on('*', async (x) => {
    await x.bodyEnd()
    const { request } = x
    const asked = new Request(`http://mock.test${request.target}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Uint8Array(request.body),
    })
    const answer = await mock.fetch(asked)
    const play = plays.get(request.field('x-mark') ?? '')
    if (play === undefined) throw new Error(`no play for ${request.target}`)
    play.events = eventTexts(await answer.text())
    const type = answer.headers.get('content-type') ?? ''
    await x.send(answerHead(answer.status, { 'content-type': type, 'transfer-encoding': 'chunked' }))
    await perform(x, play)
  })
  return { ...up, plays }
}

async function perform(x: UpstreamExchange, play: Play): Promise<void> {
  const watch = setInterval(() => {
    if (x.left) play.closedMs ??= performance.now()
  }, 2)
  try {
    for (const event of play.events.slice(0, play.pause)) await sendEvent(x, play, event)
    await play.gate
    if (play.sequel === 'stays silent') while (!x.left) await x.wait(betweenEventsMs)
    else if (play.sequel === 'goes on') await goOn(x, play)
    else await die(x, play)
  } finally {
    if (x.left) play.closedMs ??= performance.now()
    clearInterval(watch)
  }
}

async function goOn(x: UpstreamExchange, play: Play): Promise<void> {
  for (const event of play.events.slice(play.pause)) {
    await x.wait(betweenEventsMs)
    if (x.left) return
    await sendEvent(x, play, event)
  }
  await x.wait(betweenEventsMs)
  if (x.left) return
  await x.send(lastChunk)
  play.ended = true
}

async function die(x: UpstreamExchange, play: Play): Promise<void> {
  const next = play.events[play.pause] ?? ''
  if (play.sequel === 'dies in half an event' && next !== '') {
    await x.send(chunk(next.slice(0, next.length / 2)))
    await x.wait(betweenEventsMs)
  }
  x.close()
}

async function sendEvent(x: UpstreamExchange, play: Play, event: string): Promise<void> {
  await x.send(chunk(event))
  play.sent += 1
}
