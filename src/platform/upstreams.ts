import type { Outcome } from '../core/outcome.ts'
import type { Refusal } from '../core/refusal.ts'
import { secretValue } from '../core/upstream/secret-value.ts'
import type {
  CallTimer,
  Clock,
  RequestBody,
  Scope,
  UpstreamAnswer,
  UpstreamCall,
  Upstreams,
} from '../ports.ts'
import { createCallTimer } from './call-timer.ts'

/**
 * Calls upstreams with the runtime's `fetch`. Redirects are never followed: a followed one carries headers to an
 * origin that nobody configured.
 */
export function createUpstreams(env: Readonly<Record<string, unknown>>, clock: Clock): Upstreams {
  return {
    call: (call, scope) => callTarget(call, scope, clock),
    secret: (name) => secretValue(env, name),
  }
}

async function callTarget(call: UpstreamCall, scope: Scope, clock: Clock): Promise<Outcome<UpstreamAnswer>> {
  if (call.signal.aborted) return { refused: 'client_left' }
  const calledMs = clock.nowMs()
  const abort = new AbortController()
  const leave = () => abort.abort()
  call.signal.addEventListener('abort', leave, { once: true })
  const timer = createCallTimer(clock)
  const patience = watchPhases(call, timer, abort)
  scope.count('upstream')
  try {
    const response = await fetch(call.url, {
      method: call.method,
      headers: call.headers,
      body: bodyInit(call.body),
      redirect: 'manual',
      signal: abort.signal,
      encodeResponseBody: call.encodeResponseBody,
    })
    patience.end()
    timer.set(Infinity, () => {})
    // From here on it is the body's tier that says what a client's leaving means; an abort would lose what was sent.
    call.signal.removeEventListener('abort', leave)
    const remainingMs = Math.max(0, call.timeouts.totalMs - (clock.nowMs() - calledMs))
    return { response, abort: () => abort.abort(), remainingMs, timer }
  } catch {
    patience.end()
    timer.stop()
    return patience.expired() ?? { refused: call.signal.aborted ? 'client_left' : 'upstream_unreachable' }
  } finally {
    // From here on a client that leaves is a matter of whoever takes the body: it may be read on for its usage.
    call.signal.removeEventListener('abort', leave)
    scope.waited('upstream', clock.nowMs() - calledMs)
  }
}

/** Keeps the times of a call until its headers are there: the body's, then the first byte's, both within the total. */
function watchPhases(call: UpstreamCall, timer: CallTimer, abort: AbortController) {
  const { firstByteMs, totalMs } = call.timeouts
  let over = false
  let expired: Refusal | null = null
  const within = (ms: number, refusal: Refusal) => {
    if (over) return
    timer.set(Math.min(ms, totalMs), () => {
      expired = ms <= totalMs ? refusal : { refused: 'upstream_total_timeout', afterMs: totalMs }
      abort.abort()
    })
  }
  const firstByte = () =>
    within(firstByteMs, { refused: 'upstream_first_byte_timeout', afterMs: firstByteMs })
  const { sent, leftMs = call.bodyMs } = call.body.kind === 'stream' ? call.body : { sent: null }
  if (sent === null) firstByte()
  else {
    within(leftMs, { refused: 'body_too_slow', afterMs: call.bodyMs })
    // Aborted with the whole call, since a body that only ends would look whole to the upstream.
    void sent.then(firstByte, () => abort.abort())
  }
  return {
    end: () => {
      over = true
    },
    expired: () => expired,
  }
}

function bodyInit(body: RequestBody): BodyInit | null {
  if (body.kind === 'none') return null
  return body.kind === 'bytes' ? body.bytes : body.stream
}
