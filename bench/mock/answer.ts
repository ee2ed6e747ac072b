import type { BodyDigest, Call } from './call.ts'
import type { Directive } from './directive.ts'
import type { Entry } from './ledger.ts'
import { problemJson } from './problem.ts'
import type { Problem } from './problem.ts'
import { providerHeaders } from './provider-headers.ts'
import { scriptSource } from './event-script.ts'
import type { EventScript } from './event-script.ts'
import { pieceSource } from './source.ts'
import type { Source } from './source.ts'
import type { Target } from './target.ts'

/** One request being answered: what asked, and how the answer shall behave. */
export interface Exchange {
  readonly call: Call
  readonly entry: Entry
  readonly target: Target
  readonly directive: Directive
  readonly requestId: string
  /** Where the answer's deadlines count from. */
  readonly t0Ms: number
  readonly hang: boolean
  readonly digest: () => BodyDigest
}

/** An answer as a plan. The carrier (`node-carrier.ts`, `web-carrier.ts`) does all the waiting. */
export interface Answer {
  /** 0: close the connection without a byte. */
  readonly status: number
  /** Flat: name, value, name, value. */
  readonly headers: string[]
  /** Infinity: never. */
  readonly headAtMs: number
  readonly body: string | Source | null
  /** Tokens in a body that goes out whole; a source counts its own. */
  readonly tokens: number
}

const JSON_TYPE = ['content-type', 'application/json']
const EVENT_STREAM_TYPE = ['content-type', 'text/event-stream; charset=utf-8', 'cache-control', 'no-cache']

/** A JSON answer after `lat`. With `cut` or `stall` it stops half-way through its body. */
export function jsonAnswer(x: Exchange, status: number, json: string): Answer {
  const headers = [...JSON_TYPE, ...providerHeaders(x.target.dialect, x.requestId)]
  const headAtMs = headTime(x, x.t0Ms + x.directive.latMs)
  const { cutAfter, stallAfter } = x.directive
  if (cutAfter === Infinity && stallAfter === Infinity)
    return { status, headers, headAtMs, body: json, tokens: 0 }
  const bytes = new TextEncoder().encode(json)
  const body = pieceSource(
    {
      total: 2,
      cutAfter: cutAfter === Infinity ? Infinity : 1,
      stallAfter: stallAfter === Infinity ? Infinity : 1,
      dueMs: () => 0,
      render: () => bytes.subarray(0, bytes.length / 2),
    },
    false,
  )
  return { status, headers: ['content-length', String(bytes.length), ...headers], headAtMs, body, tokens: 0 }
}

/** A refusal in the provider's shape. */
export function problemAnswer(x: Exchange, problem: Problem): Answer {
  const answer = jsonAnswer(x, problem.status, problemJson(problem, x.target.dialect, x.requestId))
  const { retryAfterS } = x.directive
  if (retryAfterS === null) return answer
  return { ...answer, headers: ['retry-after', String(retryAfterS), ...answer.headers] }
}

/** A `text/event-stream` answer that plays a script; `hold` keeps its head back until the first token. */
export function eventsAnswer(x: Exchange, script: EventScript): Answer {
  const headers = [...EVENT_STREAM_TYPE, ...providerHeaders(x.target.dialect, x.requestId)]
  const body = scriptSource(script, x.directive, x.t0Ms, x.entry)
  return { status: 200, headers, headAtMs: streamHeadTime(x), body, tokens: 0 }
}

/** When the head of a stream may go. */
export function streamHeadTime(x: Exchange): number {
  return headTime(x, x.directive.hold ? x.t0Ms + x.directive.ttftMs : x.t0Ms)
}

function headTime(x: Exchange, dueMs: number): number {
  return x.hang ? Infinity : dueMs
}
