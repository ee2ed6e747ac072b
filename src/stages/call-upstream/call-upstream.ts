import type { Conditions } from '../../core/cache/reuse.ts'
import type { GatewaySettings, Target } from '../../core/config/types.ts'
import { dialectOf, type Dialect } from '../../core/dialect/dialect.ts'
import { canonicalAddress } from '../../core/http/client-address.ts'
import {
  hasPassed,
  upstreamHeaders,
  type GatewayWords,
  type InjectedSecret,
} from '../../core/http/request-headers.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { Refusal } from '../../core/refusal.ts'
import { upstreamPath } from '../../core/route/rewrite.ts'
import type { Exchange, OutboundRequest, UpstreamAnswer, Upstreams } from '../../ports.ts'
import { judgeAnswer } from './judge-answer.ts'

/**
 * Calls the route's upstream and answers once its response headers are there.
 * @returns refusals `upstream_*`, `headers_too_large`, `loop_detected`, `upgrade_not_allowed`, `client_left`, and why the
 *   body was cut
 */
export function callUpstream(
  x: Exchange,
  outbound: OutboundRequest,
  settings: GatewaySettings,
  deps: { readonly upstreams: Upstreams },
): Promise<Outcome<UpstreamAnswer>> | Refusal {
  const { match, sendable } = outbound
  const { route } = match
  const dialect = dialectOf(route.dialect)
  const websocket = x.request.headers.get('upgrade')?.toLowerCase() === 'websocket'
  if (websocket && !route.websocket) return { refused: 'upgrade_not_allowed' }
  if (hasPassed(x.request.headers.get('via'), settings.name)) return { refused: 'loop_detected' }
  const target = route.upstream.targets[0]
  if (target === undefined) return { refused: 'misconfigured' }
  const secret = injectedSecret(target, deps.upstreams)
  if (isRefusal(secret)) return secret
  const words = gatewayWords(x, settings, { dialect, websocket })
  const headers = upstreamHeaders(x.request.headers, { route, dialect, secret }, words)
  if (isRefusal(headers)) return headers
  if (outbound.conditions !== null) setConditions(headers, outbound.conditions)
  x.facts.target = target
  const answered = deps.upstreams.call(
    {
      target,
      url: target.origin + upstreamPath(match, target) + outbound.query,
      method: x.request.method,
      headers,
      body: sendable.body,
      encodeResponseBody: 'manual',
      signal: x.signal,
      timeouts: target.timeouts,
      bodyMs: route.bodyMs,
    },
    x,
  )
  return answered.then((answer) =>
    judgeAnswer(x, answer, { cut: sendable.cut(), secret: secret?.value ?? null }),
  )
}

/** The cache's own conditions take the place of the client's. */
function setConditions(headers: Headers, conditions: Conditions): void {
  for (const [name, value] of Object.entries(conditions)) {
    if (value === null) headers.delete(name)
    else headers.set(name, value)
  }
}

function injectedSecret(target: Target, upstreams: Upstreams): Outcome<InjectedSecret | null> {
  if (target.secret === null) return null
  const value = upstreams.secret(target.secret.secret)
  if (value === null) return { refused: 'upstream_credential_missing', secret: target.secret.secret }
  return { reference: target.secret, value }
}

function gatewayWords(
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
