import { isRefusal, type Outcome } from '../../core/outcome.ts'
import { backoffMs } from '../../core/upstream/backoff.ts'
import { onward, type Onward } from '../../core/upstream/came-back.ts'
import type { Member } from '../../core/upstream/member.ts'
import type { Next } from '../../core/upstream/pool.ts'
import type { Slot } from '../../core/upstream/slots.ts'
import type { UpstreamAnswer } from '../../ports.ts'
import { attemptOnce, holdUntilMs, injectedSecret, type Tried } from './attempt-once.ts'
import { discard } from './discard.ts'
import { deadlineMs, noteAttempt, resendingOf, type Job } from './job.ts'
import { judgeAnswer } from './judge-answer.ts'
import { pause } from './pause.ts'

/**
 * Goes from target to target until one gives an answer that is to be passed on, or nothing more may be tried. Nothing
 * has gone to the client yet, so nobody sees the attempts that failed.
 */
export async function goOn(job: Job, first: Promise<Tried>): Promise<Outcome<UpstreamAnswer>> {
  let tried = await first
  for (;;) {
    noteAttempt(job, tried.attempt)
    const step = nextStep(job, tried)
    if (step === null) return finish(job, tried)
    discard(job.x, tried, job.deps.clock.nowMs())
    if (step.waitMs > 0) await pause(job, step.waitMs)
    if (job.x.signal.aborted) {
      step.slot.release()
      return { refused: 'client_left' }
    }
    const { x } = job
    tried = await attemptOnce(job, { ...step, signal: x.signal, scope: x })
  }
}

interface Step {
  readonly member: Member
  readonly slot: Slot
  readonly waitMs: number
}

/** The next attempt, its place taken already; null when what came is what the client gets. */
function nextStep(job: Job, tried: Tried): Step | null {
  const { pool, x } = job
  const { retries } = pool.upstream
  const nowMs = job.deps.clock.nowMs()
  if (x.signal.aborted || job.attempts > retries.max) return null
  const next = nextTarget(job, onward(tried.came, resendingOf(job, tried)), nowMs)
  if (next === null) return null
  const waitMs = next.again ? waitFor(job, tried) : 0
  const isLate = nowMs + waitMs >= deadlineMs(job, next.member.target)
  if (waitMs === Infinity || isLate) return null
  // What never left costs no upstream anything.
  if (tried.sendable !== null && !pool.budget.take(nowMs)) return null
  const slot = next.member.slots.take(nowMs, holdUntilMs(job, next.member))
  return slot === null ? null : { member: next.member, slot, waitMs }
}

/** A target that can be called at all: what came is not given up for one without a secret, or without the model. */
function nextTarget({ pool, wish, tried, outbound, deps }: Job, where: Onward, nowMs: number): Next | null {
  for (;;) {
    const next = pool.next(wish, tried, where, nowMs)
    if (next === null || next.again) return next
    const { target } = next.member
    const request = outbound.forTarget?.(target) ?? outbound
    if (!isRefusal(request) && !isRefusal(injectedSecret(target, deps.upstreams))) return next
    tried.add(next.member)
  }
}

/** How long to wait before the same target is asked again: as long as it asks for, if that is not too long. */
function waitFor({ pool, attempts, wish }: Job, tried: Tried): number {
  const { retries } = pool.upstream
  const askedMs = tried.retryAfterMs ?? 0
  if (askedMs > retries.retryAfterMsMax) return Infinity
  return Math.max(askedMs, backoffMs(attempts, retries, wish.fraction()))
}

/** Hands on what came, and sees to it that its end is heard of. */
async function finish(
  job: Job,
  { member, held, outcome, sendable, secret }: Tried,
): Promise<Outcome<UpstreamAnswer>> {
  const { x, deps } = job
  x.facts.target = member.target
  // Another target may have been looked at since: what is known of the request is to be about this one.
  if (job.tried.size > 1 && sendable !== null && sendable.kind !== 'stream') {
    job.outbound.forTarget?.(member.target)
  }
  const judged = judgeAnswer(x, wholeTime(outcome, member), { cut: sendable?.cut() ?? null, secret })
  const answer = judged instanceof Promise ? await judged : judged
  if (isRefusal(answer)) held.drop(deps.clock.nowMs())
  else x.facts.answerEnded = (ending) => held.end(ending, deps.clock.nowMs())
  return answer
}

/** A total time that ran out is told as it is set, not as what the last attempt had of it. */
function wholeTime(outcome: Outcome<UpstreamAnswer>, { target }: Member): Outcome<UpstreamAnswer> {
  if (!isRefusal(outcome) || outcome.refused !== 'upstream_total_timeout') return outcome
  return { ...outcome, afterMs: target.timeouts.totalMs }
}
