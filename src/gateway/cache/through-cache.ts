import { missed, type CacheStatus } from '../../core/cache/cache-status.ts'
import { mayStandIn, requestDirectives } from '../../core/cache/reuse.ts'
import { selectAnswer } from '../../core/cache/select.ts'
import type { CacheOutcome } from '../../core/record.ts'
import type { Awaitable, Outcome } from '../../core/outcome.ts'
import { lookup, type Looked } from '../../stages/lookup/lookup.ts'
import type { Answer } from '../answer.ts'
import type { RequestLife } from '../exchange.ts'
import type { CacheContext, Found } from './cache-context.ts'
import { fetchAndKeep } from './fetch-and-keep.ts'
import { Lead } from './lead.ts'
import { revalidateLater } from './revalidate.ts'
import { serveStored } from './stored-answer.ts'

/**
 * Answers a GET or HEAD through the cache: from what is stored where that may be, else from the upstream, whose answer
 * is kept where that may be. With the entry in isolate memory there is no promise before the answer.
 * @returns refusals of the upstream's call, and `only_if_cached`
 */
export function throughCache(x: RequestLife, context: CacheContext): Awaitable<Outcome<Answer>> {
  const looked = lookup(x, context.place, context.deps)
  return looked instanceof Promise
    ? looked.then((late) => answerFrom(x, late, context))
    : answerFrom(x, looked, context)
}

function answerFrom(x: RequestLife, looked: Looked, context: CacheContext): Awaitable<Outcome<Answer>> {
  x.mark('lookup')
  const served = serveReusable(x, looked, context, missed)
  if (!(served instanceof Promise)) return served ?? fetchThrough(x, looked, context)
  // Only a body that lies apart is waited for; when it is gone, its record is worth nothing.
  return served.then((late) => late ?? fetchThrough(x, gone(x, looked, context), context))
}

/** Forgets a record whose body is not there any more. */
function gone(x: RequestLife, looked: Looked, { place, deps }: CacheContext): Looked {
  if (looked.kind === 'found') x.defer(deps.cache.drop(looked.name, x))
  return { kind: 'none', place, reason: 'uri-miss' }
}

/** The stored response, where it may answer with no word from the upstream. */
function serveReusable(
  x: RequestLife,
  looked: Looked,
  context: CacheContext,
  base: CacheStatus,
): Awaitable<Answer | null> {
  if (looked.kind === 'none' || looked.reuse === 'validate') return null
  const outcome = looked.reuse === 'fresh' ? 'hit' : 'stale'
  if (looked.reuse === 'stale-while-revalidate') revalidateLater(x, looked, context)
  return serve(x, looked, context, { status: { ...base, hit: true, forward: null }, outcome })
}

interface Told {
  readonly status: CacheStatus
  readonly outcome: CacheOutcome
}

function serve(x: RequestLife, found: Found, context: CacheContext, told: Told): Awaitable<Answer | null> {
  const selection = selectAnswer(found.entry, x.request.method, x.request.headers, context.deps.clock.nowMs())
  if (selection.kind === 'not-held') return null
  const note = (answer: Answer | null): Answer | null => {
    if (answer !== null) x.facts.cache = told.outcome
    return answer
  }
  const served = serveStored(x, found, { selection, status: told.status }, context)
  return served instanceof Promise ? served.then(note) : note(served)
}

async function fetchThrough(x: RequestLife, looked: Looked, context: CacheContext): Promise<Outcome<Answer>> {
  const { place, deps } = context
  if (requestDirectives(x.request.headers, place.policy).has('only-if-cached')) {
    return { refused: 'only_if_cached' }
  }
  const lead = isAlike(x) ? await leadOrWait(context) : null
  if (lead !== 'stored') return fetchAndServe(x, looked, context, lead)
  const again = await lookup(x, place, deps)
  const served = await serveReusable(x, again, context, { ...missed, collapsed: true })
  return served ?? fetchAndServe(x, again, context, null)
}

/** How many leaders in a row may leave before a request fetches for itself. */
const leadersMax = 10

/** Leads, or waits for who does. @returns null for a request that fetches for itself */
async function leadOrWait({ place, deps }: CacheContext): Promise<Lead | 'stored' | null> {
  for (let turn = 0; turn < leadersMax; turn += 1) {
    const joined = Lead.join(deps.cache.flights, place.key, deps.clock)
    if (joined === null || joined instanceof Lead) return joined
    const landing = await joined.landing
    if (landing !== 'again') return landing === 'stored' ? 'stored' : null
  }
  return null
}

/** Requests without ranges fetch the same thing; a HEAD brings nothing to wait for. */
function isAlike({ request }: RequestLife): boolean {
  return request.method === 'GET' && !request.headers.has('range')
}

/** Asks the upstream; where it fails, what is stale may stand in for it. Whatever happens, the flight lands. */
async function fetchAndServe(
  x: RequestLife,
  looked: Looked,
  context: CacheContext,
  lead: Lead | null,
): Promise<Outcome<Answer>> {
  try {
    const fetched = await fetchAndKeep(x, looked, context, lead)
    if (fetched.kind === 'answer') return fetched.answer
    if (fetched.kind === 'failed') {
      const stale = await standIn(x, looked, context, fetched.failure)
      if (stale !== null) fetched.drop()
      return stale ?? (await fetched.otherwise())
    }
    const { found, forwardStatus, stored } = fetched
    const status = { ...missed, forward: 'stale', forwardStatus, stored } as const
    const served = await serve(x, found, context, { status, outcome: 'validated' })
    return served ?? (await fetchAndServe(x, gone(x, found, context), context, null))
  } finally {
    lead?.landUnlessKeeping(x.signal.aborted)
  }
}

async function standIn(
  x: RequestLife,
  looked: Looked,
  context: CacheContext,
  failure: 'disconnected' | 'error',
): Promise<Answer | null> {
  if (looked.kind === 'none') return null
  const { place, deps } = context
  if (!mayStandIn(looked.entry, failure, place.policy, deps.clock.nowMs())) return null
  const status = { ...missed, hit: true, forward: null, detail: 'stale-if-error' }
  return serve(x, looked, context, { status, outcome: 'stale' })
}
