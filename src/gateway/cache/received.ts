import { isCredentialed } from '../../core/cache/place.ts'
import type { Received } from '../../core/cache/storable.ts'
import type { Exchange } from '../../ports.ts'
import type { Asked, CacheContext } from './cache-context.ts'

/** An upstream's answer as the cache's rules see it. */
export function receivedFrom(
  { request }: Exchange,
  { answer: { response }, requestedMs }: Asked,
  { place, deps, outbound }: Pick<CacheContext, 'place' | 'deps' | 'outbound'>,
): Received {
  return {
    status: response.status,
    headers: outbound.match.route.cors === null ? response.headers : withoutCors(response.headers),
    request: request.headers,
    method: request.method,
    credentialed: isCredentialed(place.asker),
    isolated: place.isolated,
    requestedMs,
    receivedMs: deps.clock.nowMs(),
  }
}

/** Where the route has rules of its own, the upstream's allowances reach nobody, and tell nobody apart. */
function withoutCors(headers: Headers): Headers {
  const kept = new Headers(headers)
  for (const [name] of headers) if (name.startsWith('access-control-')) kept.delete(name)
  return kept
}
