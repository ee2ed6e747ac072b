import type { Route } from '../../core/config/types.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { Exchange, RequestBody } from '../../ports.ts'
import { limitBody } from './limit-body.ts'

/** A body ready to be sent, and what became of its limit. */
export interface SendableBody {
  readonly body: RequestBody
  cut(): 'too_large' | 'unreadable' | null
}

const uncut = () => null

/** Methods whose body has no meaning (RFC 9110 §9.3.1, §9.3.2) and is dropped, so that it can confuse nobody. */
const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/**
 * The body of a request under the route's limit. A declared length is judged before the upstream is called, an
 * undeclared one while it flows.
 * @returns refusal `body_too_large`
 */
export function requestBody(x: Exchange, route: Route): Outcome<SendableBody> {
  const { body, method, headers } = x.request
  if (body === null || bodiless.has(method)) return { body: { kind: 'none' }, cut: uncut }
  const declared = headers.get('content-length')
  if (declared !== null) {
    if (Number(declared) > route.bodyBytesMax)
      return { refused: 'body_too_large', bytesMax: route.bodyBytesMax }
    return { body: { kind: 'stream', stream: body }, cut: uncut }
  }
  const limited = limitBody(body, route.bodyBytesMax, (work) => x.defer(work))
  return { body: { kind: 'stream', stream: limited.stream }, cut: () => limited.cut() }
}
