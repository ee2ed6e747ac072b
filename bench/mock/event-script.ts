import type { Directive } from './directive.ts'
import type { Entry } from './ledger.ts'
import { textSource } from './source.ts'
import type { Source } from './source.ts'

/** One event, given the stamp `"mock":{"i":…,"t":…}` that those which carry one put into their JSON. */
export type Frame = (stamp: string) => string

/** A provider's stream: its events before the tokens, one event per token, its events after them. */
export interface EventScript {
  readonly head: readonly Frame[]
  /** How many of the head's events go out with the headers; the others come with the first token. */
  readonly early: number
  readonly token: (index: number, stamp: string) => string
  readonly tail: readonly Frame[]
}

/** Plays a script on the directive's clock: token k is due at `t0 + ttft + k * itl`, whenever the one before it left. */
export function scriptSource(script: EventScript, directive: Directive, t0Ms: number, entry: Entry): Source {
  const { head, early, token, tail } = script
  const { tokens, itlMs, cutAfter, stallAfter } = directive
  const lead = head.length
  const firstTokenMs = t0Ms + directive.ttftMs
  const earlyMs = directive.hold ? firstTokenMs : t0Ms

  function dueMs(index: number): number {
    if (index < early) return earlyMs
    return firstTokenMs + Math.min(Math.max(index - lead, 0), tokens - 1) * itlMs
  }

  function render(index: number, nowMs: number): string {
    const position = index - lead
    const stamp = `"mock":{"i":${position},"t":${nowMs.toFixed(3)}}`
    if (position >= 0 && position < tokens) {
      entry.tokensSent += 1
      return token(position, stamp)
    }
    const frame = position < 0 ? head[index] : tail[position - tokens]
    return frame === undefined ? '' : frame(stamp)
  }

  return textSource({ total: lead + tokens + tail.length, cutAfter, stallAfter, dueMs, render })
}

/** An event without a name: `data:` and the blank line. */
export function dataEvent(data: string): string {
  return `data: ${data}\n\n`
}

/** An event with its `event:` line. */
export function namedEvent(name: string, data: string): string {
  return `event: ${name}\ndata: ${data}\n\n`
}
