import type { Route } from '../../core/config/types.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { Exchange, RequestBody } from '../../ports.ts'
import { carryDeclared, carryUndeclared, type Cut } from './carry-body.ts'

/** A body ready to be sent, and what became of it on its way. */
export interface SendableBody {
  readonly body: RequestBody
  cut(): Cut | null
}

/** Methods whose body has no meaning (RFC 9110 §9.3.1, §9.3.2) and is dropped, so that it can confuse nobody. */
const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/**
 * A declared body up to this size is handed to the runtime as it is: watching it costs more than sending it, and one
 * that does not arrive is caught by the time to the first byte.
 */
const unwatchedBytesMax = 65_536

const uncut = () => null
const nothing: SendableBody = { body: { kind: 'none' }, cut: uncut }

/**
 * The body of a request under the route's limits. A declared length is judged before the upstream is called, an
 * undeclared one while it flows.
 * @returns refusals `body_too_large`, `encoding_not_supported`
 */
export function requestBody(x: Exchange, route: Route): Outcome<SendableBody> {
  const { body, method, headers } = x.request
  if (body === null || bodiless.has(method)) return nothing
  const encoding = headers.get('content-encoding') ?? 'identity'
  if (route.dialect !== 'http' && encoding !== 'identity') return { refused: 'encoding_not_supported' }
  const bytesMax = route.bodyBytesMax
  const declared = headers.get('content-length')
  const length = declared === null ? null : Number(declared)
  if (length !== null && length > bytesMax) return { refused: 'body_too_large', bytesMax }
  if (length !== null && length <= unwatchedBytesMax) {
    return { body: { kind: 'stream', stream: body, sent: null }, cut: uncut }
  }
  const carried = length === null ? carryUndeclared(body, bytesMax) : carryDeclared(body, length)
  return { body: { kind: 'stream', stream: carried.stream, sent: carried.sent }, cut: () => carried.cut() }
}
