import type { GatewaySettings, Target } from '../../core/config/types.ts'
import type { Attempt } from '../../core/upstream/attempt.ts'
import { isIdempotent, type Resending } from '../../core/upstream/came-back.ts'
import type { Wish } from '../../core/upstream/choose.ts'
import type { Member } from '../../core/upstream/member.ts'
import type { Pool } from '../../core/upstream/pool.ts'
import type { Pools } from '../../core/upstream/pools.ts'
import { hashPrefix, hashText } from '../../core/upstream/sticky.ts'
import type {
  Clock,
  Exchange,
  OutboundRequest,
  Principal,
  Random,
  SendableBody,
  Upstreams,
} from '../../ports.ts'

/** What this stage needs from outside. */
export interface CallDeps {
  readonly upstreams: Upstreams
  readonly pools: Pools
  readonly clock: Clock
  readonly random: Random
}

/** Who calls, and under which settings. */
export interface Caller {
  readonly principal: Principal
  readonly settings: GatewaySettings
}

/** What all attempts of one request share. */
export interface Job {
  readonly x: Exchange
  readonly outbound: OutboundRequest
  readonly caller: Caller
  readonly deps: CallDeps
  readonly pool: Pool
  readonly wish: Wish
  readonly websocket: boolean
  readonly startedMs: number
  /** Targets that have been asked, or are. */
  readonly tried: Set<Member>
  /** Attempts begun. */
  attempts: number
}

/** Providers' caches keep prompts from about a thousand tokens on, and look for the server by less. */
const prefixBytes = 1_024

export function startJob(x: Exchange, outbound: OutboundRequest, caller: Caller, deps: CallDeps): Job {
  const nowMs = deps.clock.nowMs()
  const pool = deps.pools.of(outbound.match.route.upstream, nowMs)
  pool.budget.noteRequest()
  return {
    x,
    outbound,
    caller,
    deps,
    pool,
    wish: { stickTo: stickTo(x, outbound, caller, pool), fraction: () => deps.random.fraction() },
    websocket: x.request.headers.get('upgrade')?.toLowerCase() === 'websocket',
    startedMs: nowMs,
    tried: new Set(),
    attempts: 0,
  }
}

/** What the choice sticks to: who asks, or how the body begins; a body that flows has no beginning yet. */
function stickTo(
  x: Exchange,
  { sendable }: OutboundRequest,
  { principal, settings }: Caller,
  pool: Pool,
): number | null {
  const { choose } = pool.upstream
  if (pool.members.length < 2 || (choose !== 'sticky-key' && choose !== 'sticky-prefix')) return null
  if (choose === 'sticky-prefix' && sendable.kind === 'bytes' && sendable.body.kind === 'bytes') {
    return hashPrefix(sendable.body.bytes, prefixBytes)
  }
  if (principal.kind === 'key') return hashText(`${principal.account}/${principal.keyId}`)
  const address = settings.clientAddress === 'cloudflare' ? x.request.headers.get('cf-connecting-ip') : null
  return address === null ? null : hashText(address)
}

/** When all attempts have to have come to the headers of an answer. */
export function deadlineMs({ pool, startedMs }: Job, first: Target): number {
  return startedMs + (pool.upstream.retries.deadlineMs ?? first.timeouts.totalMs)
}

/** What decides whether the request may be sent once more, after an attempt. */
export function resendingOf(
  { x, outbound, websocket }: Job,
  { member, sendable }: { readonly member: Member; readonly sendable: SendableBody | null },
): Resending {
  const { route } = outbound.match
  return {
    replayable: !websocket && (sendable === null || sendable.kind !== 'stream'),
    harmless: route.resend.unsafe || isIdempotent(x.request.method),
    llm: route.dialect !== 'http',
    ownCredential: member.target.secret !== null,
  }
}

/** Notes an attempt for the record. */
export function noteAttempt({ x }: Job, attempt: Attempt): void {
  x.facts.attempts = [...x.facts.attempts, attempt]
}
