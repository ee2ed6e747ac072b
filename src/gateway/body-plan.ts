import type { Route } from '../core/config/types.ts'
import { dialectOf } from '../core/dialect/dialect.ts'
import type { Clock, Exchange, UpstreamAnswer } from '../ports.ts'
import type { Delivery } from './delivery.ts'
import { deliverNative } from './native.ts'
import { deliverTap } from './tap.ts'

/** Whether the headers announce an event stream whose bytes can be read as they are. */
export function isEventStream(headers: Headers): boolean {
  const type = headers.get('content-type') ?? ''
  return (
    /^\s*text\/event-stream\b/i.test(type) && (headers.get('content-encoding') ?? 'identity') === 'identity'
  )
}

/**
 * Decides once who consumes a response body, in the cheapest tier that can do what is asked: no body, native for plain
 * bodies, tap for event streams.
 */
export function planBody(answer: UpstreamAnswer, x: Exchange, route: Route, clock: Clock): Delivery {
  const { body, headers } = answer.response
  if (body === null) {
    answer.timer.stop()
    return { body: null, tier: 'none', ended: { ending: 'complete', bytes: 0 } }
  }
  if (!isEventStream(headers)) return deliverNative(answer, body, x.signal)
  const dialect = dialectOf(route.dialect)
  return deliverTap(body, {
    answer,
    client: x.signal,
    clock,
    idleMs: x.facts.target?.timeouts.idleMs ?? Infinity,
    errorEvent: (facts) => dialect.errorEvent(facts, x.id, x.target.path),
  })
}
