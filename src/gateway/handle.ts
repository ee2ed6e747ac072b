import type { Builtin } from '../core/config/types.ts'
import type { Snapshot } from '../core/config/snapshot.ts'
import { isRefusal, type Awaitable, type Outcome } from '../core/outcome.ts'
import type { CanonicalTarget } from '../core/route/canonical-target.ts'
import type { ConfiguredMatch } from '../core/route/route-index.ts'
import type { Grant, OutboundRequest, Principal, UpstreamAnswer } from '../ports.ts'
import { admit } from '../stages/admit.ts'
import { authenticate } from '../stages/authenticate.ts'
import { callUpstream } from '../stages/call-upstream/call-upstream.ts'
import { inspect } from '../stages/inspect/inspect.ts'
import { match } from '../stages/match.ts'
import { reserve } from '../stages/reserve.ts'
import type { Answer } from './answer.ts'
import { enterCache } from './cache/enter.ts'
import { isWrite } from './cache/invalidate.ts'
import { enterLlmCache, throughLlmCache } from './cache/through-llm-cache.ts'
import { throughCache } from './cache/through-cache.ts'
import { writeThrough } from './cache/write-through.ts'
import { answerBuiltin, answerPreflight } from './builtin.ts'
import { deliver } from './deliver.ts'
import type { Deps } from './deps.ts'
import { RequestLife } from './exchange.ts'
import { answerKeyBuiltin } from './key-builtin.ts'
import { respond } from './respond.ts'

const nowhere: CanonicalTarget = { scheme: 'https', host: '', path: '', query: '', encodedSlash: false }

/**
 * Serves one request of the data plane: exactly one response and, when its body has ended, exactly one record.
 * Never rejects.
 *
 * @param target where the request goes, or why that cannot be said
 * @param waitUntil keeps the request's context alive for work that nobody waits for
 */
export async function handle(
  request: Request,
  target: Outcome<CanonicalTarget>,
  deps: Deps,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<Response> {
  const x = new RequestLife(request, isRefusal(target) ? nowhere : target, deps, waitUntil)
  if (isRefusal(target)) return respond(x, target, deps)
  try {
    const outcome = run(x, deps)
    // The runtime ends a request whose client has left; this one has a record to write first.
    waitUntil(outcome.catch(() => {}))
    return respond(x, await outcome, deps)
  } catch (bug) {
    deps.recorder.bug(x.id, bug)
    return respond(x, { refused: 'internal_error' }, deps)
  }
}

/**
 * The straight line: each stage's result is the next one's parameter. A stage that has its answer in memory returns it
 * without a promise, so on the warm path nothing is awaited before the upstream is called.
 */
export async function run(x: RequestLife, deps: Deps): Promise<Outcome<Answer>> {
  const snapshot = deps.config.snapshot()
  if (isRefusal(snapshot)) return snapshot
  const matched = match(x, snapshot)
  if (isRefusal(matched)) return matched
  if (matched.kind === 'builtin') return answerOwn(matched.builtin, x, deps)
  if (matched.kind === 'preflight') return answerPreflight(x, matched.route)
  x.mark('match')

  const { route } = matched
  const authenticated = authenticate(x, route, deps)
  const principal = authenticated instanceof Promise ? await authenticated : authenticated
  if (isRefusal(principal)) return principal
  x.mark('authenticate')

  const admitted = admit(x, principal, route, deps)
  const grant = admitted instanceof Promise ? await admitted : admitted
  if (isRefusal(grant)) return grant
  x.grant = grant
  x.mark('admit')
  return pass(x, { matched, principal, grant, snapshot }, deps)
}

function answerOwn(builtin: Builtin, x: RequestLife, deps: Deps): Awaitable<Outcome<Answer>> {
  return builtin === 'stats' || builtin === 'usage'
    ? answerKeyBuiltin(builtin, x, deps)
    : answerBuiltin(builtin, x, deps)
}

/** A request that was let in. */
interface Admitted {
  readonly matched: ConfiguredMatch
  readonly principal: Principal
  readonly grant: Grant
  readonly snapshot: Snapshot
}

/** The second half of the line: what is done for a request that was let in. */
async function pass(x: RequestLife, admitted: Admitted, deps: Deps): Promise<Outcome<Answer>> {
  const { matched, principal } = admitted
  const inspected = inspect(x, matched, principal, deps)
  const outbound = inspected instanceof Promise ? await inspected : inspected
  if (isRefusal(outbound)) return outbound
  x.llm = outbound.llm
  x.mark('inspect')

  return answerTo(x, outbound, admitted, deps)
}

/** The rest of the line: through a cache where the route has one and the request a use for it. */
function answerTo(
  x: RequestLife,
  outbound: OutboundRequest,
  admitted: Admitted,
  deps: Deps,
): Awaitable<Outcome<Answer>> {
  const { snapshot, principal, grant } = admitted
  const context = { outbound, principal, grant, settings: snapshot.settings, deps }
  const place = enterCache(x, outbound, principal)
  if (place !== null) return throughCache(x, { ...context, place })
  const call = () => reserveAndCall(x, outbound, admitted, deps)
  const equal = enterLlmCache(x, context)
  return equal === null
    ? passThrough(x, outbound, admitted, deps)
    : throughLlmCache(x, equal, { ...context, call })
}

/** Takes the tokens that the request may use, then calls the upstream. */
async function reserveAndCall(
  x: RequestLife,
  outbound: OutboundRequest,
  { grant, principal, snapshot }: Admitted,
  deps: Deps,
): Promise<Outcome<UpstreamAnswer>> {
  const reserving = reserve(grant, outbound, snapshot.prices, deps)
  const reserved = reserving instanceof Promise ? await reserving : reserving
  if (isRefusal(reserved)) return reserved
  x.mark('reserve')

  const answer = await callUpstream(x, outbound, { principal, settings: snapshot.settings }, deps)
  if (isRefusal(answer)) return answer
  x.mark('call-upstream')
  return answer
}

/** The rest of the line for what the cache has no part in; a write makes what is stored untrue. */
async function passThrough(
  x: RequestLife,
  outbound: OutboundRequest,
  admitted: Admitted,
  deps: Deps,
): Promise<Outcome<Answer>> {
  const { snapshot, principal, grant } = admitted
  const requestedMs = deps.clock.nowMs()
  const answer = await reserveAndCall(x, outbound, admitted, deps)
  if (isRefusal(answer)) return answer
  if (snapshot.caches && isWrite(x)) {
    return writeThrough(x, answer, { outbound, principal, grant, snapshot, deps, requestedMs })
  }
  const { estimator, clock } = deps
  return deliver(x, answer, outbound, { principal, grant, estimator, clock })
}
