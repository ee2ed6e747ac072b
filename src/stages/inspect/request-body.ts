import type { Route } from '../../core/config/types.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { Exchange, SendableBody } from '../../ports.ts'
import { carryDeclared, carryPieces, type CarriedBody } from './carry-body.ts'

/** Methods whose body has no meaning (RFC 9110 §9.3.1, §9.3.2) and is dropped, so that it can confuse nobody. */
const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/**
 * A declared body up to this size is handed to the runtime as it is: watching it costs more than sending it, and one
 * that does not arrive is caught by the time to the first byte.
 */
const unwatchedBytesMax = 65_536

const uncut = () => null
export const noBody: SendableBody = { body: { kind: 'none' }, kind: 'none', cut: uncut }

/** The body a request has, and its declared length; null where there is none to speak of. */
export interface FoundBody {
  readonly stream: ReadableStream<Uint8Array>
  readonly length: number | null
}

/** @returns refusal `body_too_large` for a declared length over the route's limit */
export function findBody(x: Exchange, route: Route): Outcome<FoundBody | null> {
  const { body, method, headers } = x.request
  if (body === null || bodiless.has(method)) return null
  const declared = headers.get('content-length')
  const length = declared === null ? null : Number(declared)
  if (length !== null && length > route.bodyBytesMax) {
    return { refused: 'body_too_large', bytesMax: route.bodyBytesMax }
  }
  return length === 0 ? null : { stream: body, length }
}

/** A body that is passed on as it is, under the route's limit where its length is not declared. */
export function passOn({ stream, length }: FoundBody, route: Route): SendableBody {
  if (length !== null && length <= unwatchedBytesMax) {
    return { body: { kind: 'stream', stream, sent: null }, kind: 'stream', cut: uncut }
  }
  return sendable(() =>
    length === null ? carryPieces(stream, route.bodyBytesMax, null) : carryDeclared(stream, length),
  )
}

/**
 * A body that is carried once it is asked for: a request that is refused before has touched nothing of it.
 * @param leftMs what is left of the time that it may take; null for all of it
 */
export function sendable(carry: () => CarriedBody, leftMs: number | null = null): SendableBody {
  let carried: CarriedBody | null = null
  return {
    kind: 'stream',
    get body() {
      carried ??= carry()
      const { stream, sent } = carried
      // A request that is refused after this has nobody who waits for its body.
      sent.catch(() => {})
      return { kind: 'stream', stream, sent, ...(leftMs !== null && { leftMs }) } as const
    },
    cut: () => carried?.cut() ?? null,
  }
}

export function sendableBytes(bytes: Uint8Array): SendableBody {
  return { body: { kind: 'bytes', bytes }, kind: 'bytes', cut: uncut }
}
