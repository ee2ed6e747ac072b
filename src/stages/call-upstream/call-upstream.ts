import { hasPassed } from '../../core/http/request-headers.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { Member } from '../../core/upstream/member.ts'
import type { Slot } from '../../core/upstream/slots.ts'
import type { Exchange, OutboundRequest, UpstreamAnswer } from '../../ports.ts'
import { holdUntilMs } from './attempt-once.ts'
import { goOn } from './attempts.ts'
import { checkThoseThatAreOut } from './check.ts'
import { attemptHedged } from './hedged.ts'
import { startJob, type CallDeps, type Caller, type Job } from './job.ts'
import { waitForPlace } from './queue.ts'

/**
 * Calls the route's upstream and answers once the response headers of a target are there that are to be passed on. The
 * first call is on its way when this returns, unless the request has to wait for a place.
 * @returns refusals `upstream_*`, `headers_too_large`, `loop_detected`, `upgrade_not_allowed`, `client_left`, and why the
 *   body was cut
 */
export function callUpstream(
  x: Exchange,
  outbound: OutboundRequest,
  caller: Caller,
  deps: CallDeps,
): Promise<Outcome<UpstreamAnswer>> | Refusal {
  const { route } = outbound.match
  const job = startJob(x, outbound, caller, deps)
  if (job.websocket && !route.websocket) return { refused: 'upgrade_not_allowed' }
  if (hasPassed(x.request.headers.get('via'), caller.settings.name)) return { refused: 'loop_detected' }
  if (job.pool.members.length === 0) return { refused: 'misconfigured' }
  checkThoseThatAreOut(job)
  const chosen = job.pool.first(job.wish, job.startedMs)
  if (chosen.kind === 'none') {
    return { refused: 'upstream_unavailable', retryAfterMs: chosen.retryAfterMs }
  }
  const { member } = chosen
  const slot = member.slots.take(job.startedMs, holdUntilMs(job, member))
  return slot === null ? queued(job, member) : called(job, { member, slot, waitMs: 0 })
}

interface FirstPlace {
  readonly member: Member
  readonly slot: Slot
  readonly waitMs: number
}

function called(job: Job, place: FirstPlace): Promise<Outcome<UpstreamAnswer>> {
  const { x } = job
  return goOn(job, attemptHedged(job, { ...place, signal: x.signal, scope: x }))
}

async function queued(job: Job, member: Member): Promise<Outcome<UpstreamAnswer>> {
  const place = await waitForPlace(job, member)
  return isRefusal(place) ? place : called(job, { member, ...place })
}
