import type { Outcome } from '../core/outcome.ts'
import type { Refusal } from '../core/refusal.ts'
import type { Clock, RequestBody, Scope, UpstreamAnswer, UpstreamCall, Upstreams } from '../ports.ts'

/**
 * Calls upstreams with the runtime's `fetch`. Redirects are never followed: a followed one carries headers to an
 * origin that nobody configured.
 */
export function createUpstreams(env: Readonly<Record<string, unknown>>, clock: Clock): Upstreams {
  return {
    call: (call, scope) => callTarget(call, scope, clock),
    secret(name) {
      const value = env[name]
      return typeof value === 'string' && value !== '' ? value : null
    },
  }
}

async function callTarget(call: UpstreamCall, scope: Scope, clock: Clock): Promise<Outcome<UpstreamAnswer>> {
  const { firstByteMs, totalMs } = call.timeouts
  const calledMs = clock.nowMs()
  const abort = new AbortController()
  const leave = () => abort.abort()
  call.signal.addEventListener('abort', leave, { once: true })
  const patienceMs = Math.min(firstByteMs, totalMs)
  let late = false
  const cancelTimer = clock.after(patienceMs, () => {
    late = true
    abort.abort()
  })
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
    const remainingMs = Math.max(0, totalMs - (clock.nowMs() - calledMs))
    return { response, abort: () => abort.abort(), remainingMs }
  } catch {
    if (late) return tooLate(call, patienceMs)
    return { refused: call.signal.aborted ? 'client_left' : 'upstream_unreachable' }
  } finally {
    cancelTimer()
    scope.waited('upstream', clock.nowMs() - calledMs)
  }
}

function tooLate(call: UpstreamCall, afterMs: number): Refusal {
  const first = call.timeouts.firstByteMs <= call.timeouts.totalMs
  return { refused: first ? 'upstream_first_byte_timeout' : 'upstream_total_timeout', afterMs }
}

function bodyInit(body: RequestBody): BodyInit | null {
  if (body.kind === 'none') return null
  return body.kind === 'bytes' ? body.bytes : body.stream
}
