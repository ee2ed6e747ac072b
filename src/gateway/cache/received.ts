import { isCredentialed } from '../../core/cache/place.ts'
import type { Received } from '../../core/cache/storable.ts'
import type { Exchange } from '../../ports.ts'
import type { Asked, CacheContext } from './cache-context.ts'

/** An upstream's answer as the cache's rules see it. */
export function receivedFrom(
  { request }: Exchange,
  { answer: { response }, requestedMs }: Asked,
  { place, deps }: Pick<CacheContext, 'place' | 'deps'>,
): Received {
  return {
    status: response.status,
    headers: response.headers,
    request: request.headers,
    method: request.method,
    credentialed: isCredentialed(place.asker),
    isolated: place.isolated,
    requestedMs,
    receivedMs: deps.clock.nowMs(),
  }
}
