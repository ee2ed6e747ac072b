import { hasValidator } from '../../core/cache/entry.ts'
import { validationConditions } from '../../core/cache/reuse.ts'
import { freshened } from '../../core/cache/update.ts'
import { isRefusal } from '../../core/outcome.ts'
import { callUpstream } from '../../stages/call-upstream/call-upstream.ts'
import { store } from '../../stages/store.ts'
import type { Ending } from '../../core/stream/ending.ts'
import type { Exchange, UpstreamAnswer } from '../../ports.ts'
import { contentLength } from '../native.ts'
import type { RequestLife } from '../exchange.ts'
import type { Asked, CacheContext, Found } from './cache-context.ts'
import { discardAnswer, endAnswer } from './end-answer.ts'
import { keep } from './keep.ts'
import { Lead } from './lead.ts'
import { receivedFrom } from './received.ts'
import { keepStream } from './storing.ts'

/** Asks the upstream behind the client's back whether a stale response still holds; one request per key at a time. */
export function revalidateLater(x: RequestLife, found: Found, context: CacheContext): void {
  // A HEAD would bring nothing that could take the place of what is stored.
  if (x.request.method !== 'GET') return
  const { deps, place } = context
  const lead = Lead.join(deps.cache.flights, place.key, deps.clock)
  if (!(lead instanceof Lead)) return
  const quiet = behind(x)
  const work = revalidate(quiet, found, context)
    .catch((bug: unknown) => {
      deps.recorder.bug(x.id, bug)
      return false
    })
    .finally(() => endAnswer(quiet, 'complete'))
  lead.keeping(work, work)
  x.defer(work)
}

/** The same request without its client: what becomes of it is nobody's wait and no fact of the record. */
function behind(x: RequestLife): Exchange {
  const { request, id, startedMs, target } = x
  return {
    request,
    id,
    startedMs,
    target,
    signal: new AbortController().signal,
    facts: { ...x.facts, attempts: [], answerEnded: null },
    defer: (work) => x.defer(work),
    count: (operation) => x.count(operation),
    waited() {},
  }
}

const unconditional = { 'if-none-match': null, 'if-modified-since': null, 'if-range': null, range: null }

async function revalidate(x: Exchange, found: Found, context: CacheContext): Promise<boolean> {
  const { outbound, principal, settings, deps, place } = context
  const requestedMs = deps.clock.nowMs()
  const conditions = hasValidator(found.entry) ? validationConditions(found.entry) : unconditional
  const answer = await callUpstream(x, { ...outbound, conditions }, { principal, settings }, deps)
  if (isRefusal(answer)) return false
  if (answer.response.status !== 304) return replace(x, found, { answer, requestedMs }, context)
  discardAnswer(x, answer)
  const received = receivedFrom(x, { answer, requestedMs }, context)
  const entry = freshened(found.entry, received, place.policy)
  return entry === null ? false : keep(place, { entry, bytes: found.bytes }, x, deps)
}

/** Puts another response in the place of the stale one. */
async function replace(x: Exchange, found: Found, asked: Asked, context: CacheContext): Promise<boolean> {
  const { outbound, deps, place } = context
  const { answer } = asked
  const { status, statusText, url, headers } = answer.response
  if (status >= 500) return drop(x, answer)
  const facts = { received: receivedFrom(x, asked, context), statusText, url, query: outbound.query }
  const keepable = store(x, place, facts, deps)
  const { body } = answer.response
  if (keepable === null || body === null) {
    // What may not be kept any more does not serve any longer either.
    await deps.cache.drop(found.name, x)
    return drop(x, answer)
  }
  const finish = (bytes: Uint8Array) => ({
    entry: { ...keepable, length: bytes.length, bodyName: null },
    bytes,
  })
  answer.timer.set(answer.remainingMs, () => answer.abort())
  try {
    const onRead = (ending: Ending) => endAnswer(x, ending)
    const splitting = { keeping: { keepable, finish }, context, onRead }
    return await keepStream(x, body, contentLength(headers), splitting)
  } finally {
    answer.timer.stop()
  }
}

function drop(x: Exchange, answer: UpstreamAnswer): false {
  discardAnswer(x, answer)
  return false
}
