import type { Conditions } from '../../core/cache/reuse.ts'
import type { Target, Timeouts } from '../../core/config/types.ts'
import { dialectOf } from '../../core/dialect/dialect.ts'
import { upstreamHeaders, type InjectedSecret } from '../../core/http/request-headers.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import { upstreamPath } from '../../core/route/rewrite.ts'
import type { Attempt } from '../../core/upstream/attempt.ts'
import { healthReport, type CameBack } from '../../core/upstream/came-back.ts'
import { HeldCall } from '../../core/upstream/held-call.ts'
import type { Member } from '../../core/upstream/member.ts'
import { retryAfterMs } from '../../core/upstream/retry-after.ts'
import type { Slot } from '../../core/upstream/slots.ts'
import type {
  Scope,
  SendableBody,
  TargetRequest,
  UpstreamAnswer,
  UpstreamCall,
  Upstreams,
} from '../../ports.ts'
import { awaitContent } from './first-content.ts'
import { gatewayWords } from './gateway-words.ts'
import { deadlineMs, type Job } from './job.ts'

/** One attempt that has come to an answer or to none. */
export interface Tried {
  readonly member: Member
  readonly held: HeldCall
  readonly outcome: Outcome<UpstreamAnswer>
  readonly came: CameBack
  /** What the answer asked for with `Retry-After`. */
  readonly retryAfterMs: number | null
  /** Null where nothing was sent. */
  readonly sendable: SendableBody | null
  readonly secret: string | null
  /** For the record. */
  readonly attempt: Attempt
}

/** What one attempt has of its own. */
export interface AttemptTerms {
  readonly member: Member
  readonly slot: Slot
  /** How long the request waited for it. */
  readonly waitMs: number
  readonly signal: AbortSignal
  readonly scope: Scope
}

/** How long a place may be held beyond the times of its call, before it is taken to be forgotten. */
const graceMs = 5_000
/** Longest time for which a target is left alone because it asked for it, and the time where it does not say how long. */
const restMsMax = 60_000
const restMs = 1_000

/** When a place that is taken now is taken back at the latest. */
export function holdUntilMs({ deps, outbound }: Job, { target }: Member): number {
  return deps.clock.nowMs() + target.timeouts.totalMs + outbound.match.route.bodyMs + graceMs
}

/** Calls a target once. The call is on its way when this returns. What came of it is noted for the pool. */
export async function attemptOnce(job: Job, terms: AttemptTerms): Promise<Tried> {
  const { clock } = job.deps
  const begunMs = clock.nowMs()
  const held = begin(job, terms, begunMs)
  try {
    return await attempt(job, terms, held, begunMs)
  } catch (bug) {
    held.drop(clock.nowMs())
    throw bug
  }
}

async function attempt(job: Job, terms: AttemptTerms, held: HeldCall, begunMs: number): Promise<Tried> {
  const { member } = terms
  const { clock } = job.deps
  const prepared = prepareCall(job, terms, begunMs)
  if (isRefusal(prepared)) return conclude(job, terms, { held, begunMs, outcome: prepared, erred: false })
  const answered = await job.deps.upstreams.call(prepared.call, terms.scope)
  const firstByteMs = clock.nowMs() - begunMs
  const begun = isRefusal(answered)
    ? answered
    : await awaitContent(answered, job, { target: member.target, spentMs: firstByteMs })
  const { outcome, erred } = isRefusal(begun)
    ? { outcome: begun, erred: false }
    : { outcome: begun.answer, erred: begun.erred }
  return conclude(job, terms, { held, begunMs, outcome, erred, firstByteMs, prepared })
}

function begin(job: Job, { member, slot }: AttemptTerms, nowMs: number): HeldCall {
  job.attempts += 1
  job.tried.add(member)
  job.x.facts.target = member.target
  if (member.health.condition(nowMs) === 'probe') member.health.beginProbe(nowMs)
  return new HeldCall(member, slot, job.pool.upstream.concurrency.until === 'end')
}

interface Prepared {
  readonly call: UpstreamCall
  readonly sendable: SendableBody
  readonly secret: string | null
}

/** The request as the target gets it: its URL, its secret, its names for models, and nothing of another target's. */
function prepareCall(job: Job, terms: AttemptTerms, nowMs: number): Outcome<Prepared> {
  const { x, outbound, deps, websocket, caller } = job
  const { target } = terms.member
  const request: Outcome<TargetRequest> = outbound.forTarget?.(target) ?? outbound
  if (isRefusal(request)) return request
  const secret = injectedSecret(target, deps.upstreams)
  if (isRefusal(secret)) return secret
  const { route } = outbound.match
  const dialect = dialectOf(route.dialect)
  const words = gatewayWords(x, caller.settings, { dialect, websocket })
  const headers = upstreamHeaders(x.request.headers, { route, dialect, secret }, words)
  if (isRefusal(headers)) return headers
  if (outbound.conditions !== null) setConditions(headers, outbound.conditions)
  const call: UpstreamCall = {
    target,
    url: target.origin + upstreamPath(request.match, target) + request.query,
    method: x.request.method,
    headers,
    body: request.sendable.body,
    encodeResponseBody: 'manual',
    signal: terms.signal,
    timeouts: timesLeft(job, target, nowMs),
    bodyMs: route.bodyMs,
  }
  return { call, sendable: request.sendable, secret: secret?.value ?? null }
}

/** The cache's own conditions take the place of the client's. */
function setConditions(headers: Headers, conditions: Conditions): void {
  for (const [name, value] of Object.entries(conditions)) {
    if (value === null) headers.delete(name)
    else headers.set(name, value)
  }
}

/** The credential of a target. @returns refusal `upstream_credential_missing` */
export function injectedSecret(target: Target, upstreams: Upstreams): Outcome<InjectedSecret | null> {
  if (target.secret === null) return null
  const value = upstreams.secret(target.secret.secret)
  if (value === null) return { refused: 'upstream_credential_missing', secret: target.secret.secret }
  return { reference: target.secret, value }
}

/** A first attempt has all of the target's times; a later one what is left of the request's. */
function timesLeft(job: Job, target: Target, nowMs: number): Timeouts {
  const { timeouts } = target
  const spentMs = nowMs - job.startedMs
  const leftMs = deadlineMs(job, target) - nowMs
  if (spentMs === 0 && leftMs >= timeouts.firstByteMs) return timeouts
  return {
    ...timeouts,
    firstByteMs: Math.max(1, Math.min(timeouts.firstByteMs, leftMs)),
    totalMs: Math.max(1, timeouts.totalMs - spentMs),
  }
}

interface Conclusion {
  readonly held: HeldCall
  readonly begunMs: number
  readonly outcome: Outcome<UpstreamAnswer>
  /** Whether the first thing a stream said was an error. */
  readonly erred: boolean
  readonly firstByteMs?: number
  readonly prepared?: Prepared
}

/** Statuses with which a target asks to be left alone for a while. */
const asksForRest: ReadonlySet<number> = new Set([429, 503, 529])

function conclude(job: Job, { member, waitMs }: AttemptTerms, conclusion: Conclusion): Tried {
  const { outcome, held, begunMs, prepared } = conclusion
  const nowMs = job.deps.clock.nowMs()
  const came = cameBack(conclusion)
  // A body that flows takes as long as its client does, which says nothing about the target.
  const isTimed = prepared !== undefined && prepared.sendable.kind !== 'stream'
  held.headers(healthReport(came), isTimed ? (conclusion.firstByteMs ?? null) : null, nowMs)
  const askedMs = isRefusal(outcome) ? null : retryAfterMs(outcome.response.headers, nowMs)
  if (came.kind === 'answer' && asksForRest.has(came.status)) {
    member.health.rest(nowMs + Math.min(restMsMax, askedMs ?? restMs))
  }
  const told = {
    target: member.target.id,
    waitMs,
    tookMs: nowMs - begunMs,
    result: resultOf(conclusion),
    status: isRefusal(outcome) ? null : outcome.response.status,
  }
  const { sendable = null, secret = null } = prepared ?? {}
  return { member, held, outcome, came, retryAfterMs: askedMs, sendable, secret, attempt: told }
}

/** A stream that begins with an error is an answer of 500 that came late. */
function cameBack({ outcome, erred }: Conclusion): CameBack {
  if (isRefusal(outcome)) return { kind: 'refusal', refused: outcome.refused }
  return { kind: 'answer', status: erred ? 500 : outcome.response.status }
}

function resultOf({ outcome, erred }: Conclusion): string {
  if (isRefusal(outcome)) return outcome.refused
  return erred ? 'error_event' : 'answered'
}
