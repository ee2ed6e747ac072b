import { writeCacheStatus, missed, type CacheStatus } from '../../core/cache/cache-status.ts'
import { hasValidator } from '../../core/cache/entry.ts'
import { validationConditions, type Conditions } from '../../core/cache/reuse.ts'
import { freshened, updatedByHead } from '../../core/cache/update.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { Refusal } from '../../core/refusal.ts'
import { callUpstream } from '../../stages/call-upstream/call-upstream.ts'
import type { Looked } from '../../stages/lookup/lookup.ts'
import type { Exchange, UpstreamAnswer } from '../../ports.ts'
import type { Answer } from '../answer.ts'
import { deliver } from '../deliver.ts'
import type { RequestLife } from '../exchange.ts'
import type { Asked, CacheContext, Found } from './cache-context.ts'
import { discardAnswer } from './end-answer.ts'
import { keep } from './keep.ts'
import type { Lead } from './lead.ts'
import { completionOf } from './partial.ts'
import { receivedFrom } from './received.ts'
import { storeAnswer } from './store-answer.ts'

/** What came of asking the upstream. */
export type Fetched =
  | { readonly kind: 'answer'; readonly answer: Outcome<Answer> }
  /** The stored response holds, or is whole now. */
  | {
      readonly kind: 'stored'
      readonly found: Found
      readonly forwardStatus: number
      readonly stored: boolean
    }
  /** The upstream failed; `otherwise` is what to answer where nothing stands in for it. */
  | {
      readonly kind: 'failed'
      readonly failure: 'disconnected' | 'error'
      otherwise(): Promise<Outcome<Answer>>
      /** Drops what the upstream said in place of an answer. */
      drop(): void
    }

/** Asks the upstream: whether what is stored holds, for what it lacks, or for everything. */
export async function fetchAndKeep(
  x: RequestLife,
  looked: Looked,
  context: CacheContext,
  lead: Lead | null,
): Promise<Fetched> {
  const completing = completionOf(x, looked)
  const { answer, requestedMs } = await ask(x, context, completing?.conditions ?? conditionsFor(looked))
  if (isRefusal(answer)) return refusedFor(looked, answer)
  const asked = { answer, requestedMs }
  const { status } = answer.response
  if (completing !== null && (status === 206 || status === 416)) {
    const whole = await completing.complete(answer, receivedFrom(x, asked, context), context)
    return whole === null ? refetch(x, looked, context, lead) : { ...whole, forwardStatus: status }
  }
  if (looked.kind === 'found') return judgedAgainst(x, looked, asked, { context, lead })
  return { kind: 'answer', answer: await passOn(x, looked, asked, { context, lead }) }
}

function refusedFor(looked: Looked, refusal: Refusal): Fetched {
  return isDisconnect(refusal) && looked.kind === 'found'
    ? { kind: 'failed', failure: 'disconnected', otherwise: async () => refusal, drop() {} }
    : { kind: 'answer', answer: refusal }
}

/** What an answer means for the response that is stored. */
async function judgedAgainst(
  x: RequestLife,
  found: Found,
  asked: Asked,
  around: Surroundings,
): Promise<Fetched> {
  const { status } = asked.answer.response
  if (status === 304 && hasValidator(found.entry)) return validated(x, found, asked, around)
  if (status >= 500) {
    const otherwise = () => passOn(x, found, asked, around)
    return { kind: 'failed', failure: 'error', otherwise, drop: () => discardAnswer(x, asked.answer) }
  }
  if (x.request.method === 'HEAD') updateByHead(x, found, asked, around.context)
  return { kind: 'answer', answer: await passOn(x, found, asked, around) }
}

interface Surroundings {
  readonly context: CacheContext
  readonly lead: Lead | null
}

/** Without a validator of ours, the client's own conditions are as good as any. */
function conditionsFor(looked: Looked): Conditions | null {
  if (looked.kind === 'none' || looked.entry.range !== null) return null
  return hasValidator(looked.entry) ? validationConditions(looked.entry) : null
}

const unconditional: Conditions = {
  'if-none-match': null,
  'if-modified-since': null,
  'if-range': null,
  range: null,
}

async function ask(
  x: Exchange,
  { outbound, principal, settings, deps }: CacheContext,
  conditions: Conditions | null,
): Promise<{ readonly answer: Outcome<UpstreamAnswer>; readonly requestedMs: number }> {
  const requestedMs = deps.clock.nowMs()
  const answer = await callUpstream(x, { ...outbound, conditions }, { principal, settings }, deps)
  return { answer, requestedMs }
}

/** Failures in which the upstream said nothing at all, or was not even asked (RFC 9111 §4.2.4). */
const disconnects: ReadonlySet<Refusal['refused']> = new Set([
  'upstream_unreachable',
  'upstream_first_byte_timeout',
  'upstream_total_timeout',
  'upstream_unavailable',
  'upstream_busy',
])

function isDisconnect({ refused }: Refusal): boolean {
  return disconnects.has(refused)
}

/** The upstream says that what is stored still holds. */
async function validated(
  x: RequestLife,
  found: Found,
  asked: Asked,
  { context, lead }: Surroundings,
): Promise<Fetched> {
  const entry = freshened(found.entry, receivedFrom(x, asked, context), context.place.policy)
  discardAnswer(x, asked.answer)
  if (entry === null) {
    await context.deps.cache.drop(found.name, x)
    return refetch(x, found, context, lead)
  }
  const kept = keep(context.place, { entry, bytes: found.bytes }, x, context.deps)
  x.defer(kept)
  lead?.keeping(kept, kept)
  return { kind: 'stored', found: { ...found, entry }, forwardStatus: 304, stored: true }
}

/** Asks again with no condition: what came fits nothing that is stored. */
async function refetch(
  x: RequestLife,
  looked: Looked,
  context: CacheContext,
  lead: Lead | null,
): Promise<Fetched> {
  const { answer, requestedMs } = await ask(x, context, unconditional)
  if (isRefusal(answer)) return { kind: 'answer', answer }
  return { kind: 'answer', answer: await passOn(x, looked, { answer, requestedMs }, { context, lead }) }
}

function updateByHead(x: RequestLife, found: Found, asked: Asked, context: CacheContext): void {
  const { place, deps } = context
  const received = receivedFrom(x, asked, context)
  if (received.status !== 200) return
  const entry = updatedByHead(found.entry, received, place.policy)
  if (entry === null) x.defer(deps.cache.drop(found.name, x))
  else x.defer(keep(place, { entry, bytes: found.bytes }, x, deps))
}

/** The upstream's answer for the client, and for the store where it may be kept. */
async function passOn(
  x: RequestLife,
  looked: Looked,
  asked: Asked,
  { context, lead }: Surroundings,
): Promise<Outcome<Answer>> {
  const { outbound, principal, grant, deps } = context
  const status = statusFor(looked)
  const storing = await storeAnswer(x, asked, context, looked)
  if (storing !== null) {
    if (isRefusal(storing)) return storing
    x.facts.cache = 'stored'
    lead?.keeping(storing.kept, storing.arrived)
    x.defer(storing.kept)
    return marked(storing.answer, { ...status, stored: true }, context)
  }
  const { response } = asked.answer
  if (response.ok) lead?.notKept()
  // What may not be kept any more is not to stand in for it later either.
  if (response.ok && looked.kind === 'found' && x.request.method === 'GET' && response.status !== 206)
    x.defer(deps.cache.drop(looked.name, x))
  x.facts.cache = 'miss'
  const { estimator, clock } = deps
  const answer = await deliver(x, asked.answer, outbound, { principal, grant, estimator, clock })
  return isRefusal(answer) ? answer : marked(answer, status, context)
}

function statusFor(looked: Looked): CacheStatus {
  if (looked.kind === 'none') return { ...missed, forward: looked.reason }
  return { ...missed, forward: looked.entry.range === null ? 'stale' : 'partial' }
}

function marked(answer: Answer, status: CacheStatus, { settings }: CacheContext): Answer {
  answer.headers.append('cache-status', writeCacheStatus(settings.name, status))
  for (const name of ['cache-tag', 'surrogate-key']) answer.headers.delete(name)
  return answer
}
