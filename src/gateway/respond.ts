import { dialectOf } from '../core/dialect/dialect.ts'
import { refusalHeaders } from '../core/dialect/refusal-headers.ts'
import { addCors } from '../core/http/cors.ts'
import type { HeaderFields } from '../core/limit/headers.ts'
import { isRefusal, type Outcome } from '../core/outcome.ts'
import { describeRefusal, type Refusal } from '../core/refusal.ts'
import type { Answer } from './answer.ts'
import type { Deps } from './deps.ts'
import type { RequestLife } from './exchange.ts'
import { settle } from './settle.ts'

/** Makes the Response of an outcome and sees to it that the exchange is settled when its body has ended. */
export function respond(x: RequestLife, outcome: Outcome<Answer>, deps: Deps): Response {
  return isRefusal(outcome) ? refuse(x, outcome, deps) : answer(x, outcome, deps)
}

function answer(
  x: RequestLife,
  { status, statusText, headers, delivery, webSocket, meter, profiled }: Answer,
  deps: Deps,
): Response {
  addGatewayHeaders(x, headers, deps)
  addLimits(x, headers, deps)
  if (profiled) headers.set('x-sluice-profile', profile(x))
  const response = new Response(delivery.body, {
    status,
    statusText,
    headers,
    webSocket,
    encodeBody: 'manual',
  })
  const answered = { status, refusal: null, tier: delivery.tier, meter }
  if (delivery.ended instanceof Promise) {
    x.defer(
      delivery.ended.then(
        (delivered) => settle(x, answered, delivered, deps),
        (bug: unknown) => {
          deps.recorder.bug(x.id, bug)
          settle(x, answered, { ending: 'upstream_failed', bytes: null }, deps)
        },
      ),
    )
  } else settle(x, answered, delivery.ended, deps)
  return response
}

/** A refusal in the dialect of its route, or as problem details where there is none. */
function refuse(x: RequestLife, refusal: Refusal, deps: Deps): Response {
  const { route } = x.facts
  const dialect = dialectOf(route?.dialect ?? 'http')
  const told = describeRefusal(refusal)
  // A refusal by the limits knows how they stood; any other one comes while they stand as the grant says.
  const facts = told.standings.length > 0 ? told : { ...told, standings: x.grant?.standing() ?? [] }
  const { contentType, body } = dialect.errorBody(facts, x.id)
  const time = { nowMs: deps.clock.nowMs(), jitter: deps.random.fraction() }
  const fields = refusalHeaders(facts, dialect, time)
  const headers = new Headers(fields)
  headers.set('content-type', contentType)
  headers.set('cache-control', 'no-store')
  if (route?.cors) addCors(headers, route.cors, x.request.headers.get('origin'))
  expose(headers, fields)
  addGatewayHeaders(x, headers, deps)
  // Waits would tell a key that was looked up from one that was refused at once.
  if (refusal.refused === 'key_invalid') headers.delete('server-timing')
  const bytes = new TextEncoder().encode(body)
  const ending = refusal.refused === 'client_left' ? 'client_left' : 'refused'
  settle(
    x,
    { status: facts.status, refusal, tier: 'none', meter: null },
    { ending, bytes: bytes.length },
    deps,
  )
  return new Response(bytes, { status: facts.status, headers })
}

/** How the limits of the request stand, in place of what an upstream says of its own. */
function addLimits(x: RequestLife, headers: Headers, deps: Deps): void {
  const standings = x.grant?.standing() ?? []
  if (standings.length === 0) return
  const dialect = dialectOf(x.facts.route?.dialect ?? 'http')
  const fields = dialect.limitHeaders(standings, deps.clock.nowMs())
  for (const [name, value] of Object.entries(fields)) headers.set(name, value)
  expose(headers, fields)
}

/** Lets a page that may read the response read these fields too (Fetch standard, CORS protocol). */
function expose(headers: Headers, fields: HeaderFields): void {
  if (!headers.has('access-control-allow-origin')) return
  const names = Object.keys(fields)
  if (names.length > 0) headers.append('access-control-expose-headers', names.join(', '))
}

function addGatewayHeaders(x: RequestLife, headers: Headers, deps: Deps): void {
  headers.set('x-request-id', x.id)
  const dialect = x.facts.route?.dialect
  if (dialect !== undefined) headers.set(dialectOf(dialect).requestIdHeader, x.id)
  const snapshot = deps.config.snapshot()
  if (isRefusal(snapshot) || !snapshot.settings.serverTiming) return
  const waits = Object.entries(x.waits).map(([operation, ms]) => `${operation};dur=${ms}`)
  if (waits.length > 0) headers.append('server-timing', waits.join(', '))
}

/** Stages with the time at which each ended (ms since the request began), operations counted, waits in ms. */
function profile(x: RequestLife): string {
  const stages = Object.fromEntries(x.marks.map(([stage, endedMs]) => [stage, endedMs - x.startedMs]))
  return JSON.stringify({ stages, operations: x.operations, waits: x.waits })
}
