import type { Route } from '../../core/config/types.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { Clock, Exchange, RequestBody } from '../../ports.ts'
import { carryDeclared, carryUndeclared, type CarriedBody, type Cut } from './carry-body.ts'

/** A body ready to be sent, and what became of it on its way. */
export interface SendableBody {
  readonly body: RequestBody
  cut(): Cut | null
}

/** Methods whose body has no meaning (RFC 9110 §9.3.1, §9.3.2) and is dropped, so that it can confuse nobody. */
const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD'])

const nothing: SendableBody = { body: { kind: 'none' }, cut: () => null }

/**
 * The body of a request under the route's limits. A declared length is judged before the upstream is called, an
 * undeclared one while it flows.
 * @returns refusals `body_too_large`, `encoding_not_supported`
 */
export function requestBody(x: Exchange, route: Route, clock: Clock): Outcome<SendableBody> {
  const { body, method, headers } = x.request
  if (body === null || bodiless.has(method)) return nothing
  const encoding = headers.get('content-encoding') ?? 'identity'
  if (route.dialect !== 'http' && encoding !== 'identity') return { refused: 'encoding_not_supported' }
  const bytesMax = route.bodyBytesMax
  const declared = headers.get('content-length')
  if (declared !== null && Number(declared) > bytesMax) return { refused: 'body_too_large', bytesMax }
  const terms = {
    bytesMax,
    patienceMs: route.bodyMs,
    clock,
    defer: (work: Promise<unknown>) => x.defer(work),
  }
  const carried: CarriedBody =
    declared === null ? carryUndeclared(body, terms) : carryDeclared(body, Number(declared), terms)
  return { body: { kind: 'stream', stream: carried.stream }, cut: () => carried.cut() }
}
