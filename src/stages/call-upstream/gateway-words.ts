import type { GatewaySettings } from '../../core/config/types.ts'
import type { Dialect } from '../../core/dialect/dialect.ts'
import { canonicalAddress } from '../../core/http/client-address.ts'
import type { GatewayWords } from '../../core/http/request-headers.ts'
import type { Exchange } from '../../ports.ts'

/** What the gateway itself says to an upstream about a request. */
export function gatewayWords(
  x: Exchange,
  settings: GatewaySettings,
  { dialect, websocket }: { readonly dialect: Dialect; readonly websocket: boolean },
): GatewayWords {
  const { headers } = x.request
  return {
    requestId: x.id,
    name: settings.name,
    clientAddress:
      settings.clientAddress === 'cloudflare'
        ? canonicalAddress(headers.get('cf-connecting-ip') ?? '')
        : null,
    host: x.target.host,
    scheme: x.target.scheme,
    acceptEncoding: dialect.headers.acceptEncoding ?? clientAcceptEncoding(x.request),
    websocket,
  }
}

/** Cloudflare puts its own wish into the header and the client's into `cf`. */
function clientAcceptEncoding(request: Request): string | null {
  const edge = request.cf as { readonly clientAcceptEncoding?: string } | undefined
  return edge?.clientAcceptEncoding ?? request.headers.get('accept-encoding')
}
