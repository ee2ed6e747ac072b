import type { Builtin, Route } from '../core/config/types.ts'
import { preflightHeaders } from '../core/http/cors.ts'
import type { Awaitable } from '../core/outcome.ts'
import type { Clock, Exchange, Readiness } from '../ports.ts'
import { ownAnswer, type Answer } from './answer.ts'
import type { KeyBuiltin } from './key-builtin.ts'

/** What the gateway answers without a key. */
export type OpenBuiltin = Exclude<Builtin, KeyBuiltin>

type Deps = { readonly clock: Clock; readonly readiness: Readiness }

/** `GET /health` (with `?ready`, whether the bindings answer) and `GET /`. */
export function answerBuiltin(builtin: OpenBuiltin, x: Exchange, deps: Deps): Awaitable<Answer> {
  if (builtin === 'index') return ownAnswer(200, new Headers(), whatThisIs)
  const timestamp = new Date(deps.clock.nowMs()).toISOString()
  if (!new URLSearchParams(x.target.query).has('ready')) {
    return ownAnswer(200, new Headers(), { status: 'ok', timestamp })
  }
  return deps.readiness.check(x).then((bindings) => {
    const ready = Object.values(bindings).every((state) => state === 'ok')
    const body = { status: ready ? 'ok' : 'failing', timestamp, bindings }
    return ownAnswer(ready ? 200 : 503, new Headers(), body)
  })
}

const whatThisIs = {
  name: 'Sluice',
  description:
    'Edge gateway for HTTP and LLM APIs. Send your gateway key as `Authorization: Bearer slc_...`.',
  health: '/health',
}

/** The answer to a CORS preflight of a route (Fetch standard, "CORS-preflight fetch"). */
export function answerPreflight(x: Exchange, route: Route): Answer {
  const { headers } = x.request
  const wanted = headers.get('access-control-request-method') ?? ''
  const methods = route.methods.length === 0 ? [wanted] : route.methods
  if (route.cors === null) return ownAnswer(204, new Headers(), null)
  return ownAnswer(204, preflightHeaders(route.cors, methods, headers.get('origin')), null)
}
