import { missed, writeCacheStatus, type CacheStatus } from '../../core/cache/cache-status.ts'
import { cacheKey, type CacheKey } from '../../core/cache/cache-key.ts'
import { ageMs, freshForMs, type StoredResponse } from '../../core/cache/entry.ts'
import { isWholeAnswer, isWholeStream } from '../../core/cache/llm-answer.ts'
import type { LlmCachePolicy } from '../../core/cache/llm-policy.ts'
import { llmCacheTerms, type LlmAsker, type LlmCacheTerms } from '../../core/cache/llm-request.ts'
import { purgedWith } from '../../core/cache/place.ts'
import { purgeVerdict } from '../../core/cache/purge-log.ts'
import { keptFields } from '../../core/cache/storable.ts'
import { hexOf } from '../../core/hex.ts'
import { isEventStream } from '../../core/http/media.ts'
import { withoutUsageChunk } from '../../core/llm/usage-chunk.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { LlmRequest, Principal, UpstreamAnswer } from '../../ports.ts'
import type { Answer } from '../answer.ts'
import { deliver } from '../deliver.ts'
import type { RequestLife } from '../exchange.ts'
import { BodyCopy } from './body-copy.ts'
import type { CacheContext } from './cache-context.ts'
import { serveStored } from './stored-answer.ts'

/** A request to a model that takes part in the cache. */
export interface LlmCacheEntry {
  readonly terms: LlmCacheTerms
  readonly policy: LlmCachePolicy
  readonly llm: LlmRequest
  /** As the upstream's first target calls it; an answer of another one is not an answer to an equal request. */
  readonly model: string | null
}

type LlmContext = Omit<CacheContext, 'place'>

/** The same, and how the model is asked: its tokens are taken first. */
export type LlmCallContext = LlmContext & { readonly call: () => Promise<Outcome<UpstreamAnswer>> }

/**
 * Whether, and on what terms, a request to a model takes part in the cache.
 * @returns null for routes without one, other methods, bodies that flow and are not there whole, and what may not be kept
 */
export function enterLlmCache(x: RequestLife, { outbound, principal }: LlmContext): LlmCacheEntry | null {
  const { llm, match, sendable } = outbound
  const { llmCache: policy } = match.route
  if (policy === null || llm === null || x.request.method !== 'POST') return null
  if (sendable.body.kind !== 'bytes' || sendable.body.bytes.length > policy.bytesMax) return null
  const asker = askerOf(x, principal)
  const { askedForUsage, model } = llm.facts()
  const text = new TextDecoder().decode(sendable.body.bytes)
  const terms = llmCacheTerms(asker, { text, askedForUsage, path: x.target.path }, policy)
  return terms === null ? null : { terms, policy, llm, model }
}

function askerOf({ request: { headers } }: RequestLife, principal: Principal): LlmAsker {
  if (principal.kind === 'anonymous') return { headers, account: null, keyId: null }
  return { headers, account: principal.account, keyId: principal.keyId }
}

/**
 * Answers a request to a model with the answer to an equal one, where one is stored; else asks the model, and keeps its
 * answer when it is whole. What comes from the cache is not counted: nothing was generated.
 * @returns refusals of the upstream's call and of the body plan
 */
export async function throughLlmCache(
  x: RequestLife,
  entry: LlmCacheEntry,
  context: LlmCallContext,
): Promise<Outcome<Answer>> {
  const key = await keyOf(x, entry, context)
  if (key !== null && entry.terms.mayReuse) {
    const served = await serveEqual(x, key, entry, context)
    if (served !== null) return served
  }
  const { outbound, principal, grant, settings, deps } = context
  const requestedMs = deps.clock.nowMs()
  const answer = await context.call()
  if (isRefusal(answer)) return answer
  const isKept = key !== null && answer.response.status === 200 && isOfModel(entry)
  const copy = isKept ? new BodyCopy(entry.policy.bytesMax) : null
  const { estimator, clock } = deps
  const delivered = await deliver(x, answer, outbound, { principal, grant, estimator, clock, copy })
  if (isRefusal(delivered)) return delivered
  x.facts.cache = 'miss'
  if (copy !== null && key !== null) {
    const draft = draftOf(
      x,
      answer,
      { ...entry, query: outbound.query },
      { requestedMs, receivedMs: deps.clock.nowMs() },
    )
    x.defer(keepWhole(x, delivered, { key, copy, draft, entry }, context))
  }
  const status: CacheStatus = { ...missed, forward: entry.terms.mayReuse ? 'uri-miss' : 'request' }
  delivered.headers.append('cache-status', said(status, settings.name))
  return delivered
}

/** Whether the target that answered ran the model that the request is told apart by. */
function isOfModel({ llm, model }: LlmCacheEntry): boolean {
  return llm.facts().model === model
}

function said(status: CacheStatus, name: string): string {
  return writeCacheStatus(name, { ...status, detail: 'body-key' })
}

async function keyOf(
  x: RequestLife,
  { terms, model }: LlmCacheEntry,
  { outbound, deps }: LlmContext,
): Promise<CacheKey | null> {
  const { identity } = terms
  const body =
    'given' in identity
      ? JSON.stringify(['given', model, identity.given])
      : JSON.stringify(['canonical', model, hexOf(await deps.digest.sha256(identity.canonical))])
  return cacheKey(terms.owner, { route: outbound.match.route, ...x.target, query: outbound.query, body })
}

async function serveEqual(
  x: RequestLife,
  key: CacheKey,
  { terms }: LlmCacheEntry,
  context: LlmContext,
): Promise<Answer | null> {
  const { deps } = context
  const found = await deps.cache.find(key, x)
  if (found?.record.kind !== 'response' || found.bytes === null) return null
  const { record: entry, bytes } = found
  const nowMs = deps.clock.nowMs()
  if (freshForMs(entry, nowMs) <= 0 || ageMs(entry, nowMs) > terms.ageMsMax) return null
  if (purgeVerdict(deps.purges.log(purgedWith(terms.owner)), entry) !== 'valid') return null
  const status: CacheStatus = { ...missed, hit: true, forward: null, detail: 'body-key' }
  const served = await serveStored(x, { entry, bytes }, { selection: { kind: 'whole' }, status }, context)
  if (served !== null) x.facts.cache = 'hit'
  return served
}

function draftOf(
  x: RequestLife,
  { response }: UpstreamAnswer,
  { terms, query }: LlmCacheEntry & { readonly query: string },
  times: { readonly requestedMs: number; readonly receivedMs: number },
): Omit<StoredResponse, 'id' | 'length'> {
  const nothing = { noCache: false, neverStale: true, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 }
  const { status, statusText, url } = response
  const about = new Set(['content-length', 'set-cookie'])
  return {
    kind: 'response',
    status,
    statusText,
    fields: keptFields(response.headers, new Map()).filter(([name]) => !about.has(name)),
    url,
    target: x.facts.target?.id ?? '',
    path: x.target.path + query,
    tags: [],
    ...times,
    initialAgeMs: 0,
    lifetimeMs: terms.ttlMs,
    ...nothing,
    selecting: [],
    range: null,
    bodyName: null,
  }
}

interface Keeping {
  readonly key: CacheKey
  readonly copy: BodyCopy
  readonly draft: Omit<StoredResponse, 'id' | 'length'>
  readonly entry: LlmCacheEntry
}

/** Keeps an answer once its body has ended, if it is whole: JSON that is no error, or a stream with its last event. */
async function keepWhole(
  x: RequestLife,
  { delivery }: Answer,
  { key, copy, draft, entry }: Keeping,
  { outbound, deps }: LlmContext,
): Promise<void> {
  const { ending } = await delivery.ended
  const bytes = ending === 'complete' ? copy.bytes() : null
  if (bytes === null || bytes.length === 0) return
  const stream = isEventStream(new Headers(draft.fields.map(([name, value]) => [name, value])))
  if (!(stream ? isWholeStream(bytes) : isWholeAnswer(bytes))) return
  const { askedForUsage } = entry.llm.facts()
  const strips = stream && askedForUsage && outbound.match.route.streams.usage === 'strip'
  const kept = strips ? withoutUsageChunk(bytes) : bytes
  const record: StoredResponse = { ...draft, id: hexOf(deps.random.bytes(8)), length: kept.length }
  await deps.cache.put(key, { record, bytes: kept }, entry.terms.ttlMs, x)
}
