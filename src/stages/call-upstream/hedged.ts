import { onward } from '../../core/upstream/came-back.ts'
import type { Scope } from '../../ports.ts'
import { attemptOnce, holdUntilMs, type AttemptTerms, type Tried } from './attempt-once.ts'
import { discard } from './discard.ts'
import { noteAttempt, resendingOf, type Job } from './job.ts'

/** Share of the answers that begin before a second attempt is worth it. */
const hedgeAfter = 0.95

/**
 * The first attempt, and where the route hedges and the first is later than nearly all before it, a second one beside
 * it at another target. The first good answer of the two is taken, the other call is aborted at once.
 */
export function attemptHedged(job: Job, terms: AttemptTerms): Promise<Tried> {
  const delayMs = hedgeDelayMs(job, terms)
  return delayMs === null ? attemptOnce(job, terms) : race(job, terms, delayMs)
}

/** Only what may be sent twice is; null where it is not, or too little is known of the target. */
function hedgeDelayMs(job: Job, { member }: AttemptTerms): number | null {
  if (!job.outbound.match.route.resend.hedge) return null
  const { replayable, harmless } = resendingOf(job, { member, sendable: job.outbound.sendable })
  return replayable && harmless ? member.times.quantileMs(hedgeAfter) : null
}

interface Leg {
  readonly terms: AttemptTerms
  readonly abort: AbortController
  readonly begunMs: number
  readonly tried: Promise<Tried>
}

function race(job: Job, terms: AttemptTerms, delayMs: number): Promise<Tried> {
  const { clock } = job.deps
  const first = startLeg(job, terms, job.x)
  return new Promise((resolve, reject) => {
    let second: Leg | null = null
    let isOneOut = false
    const take = (leg: Leg, tried: Tried): void => {
      const other = leg === first ? second : first
      cancel()
      if (other === null || isOneOut) return resolve(tried)
      if (onward(tried.came, resendingOf(job, tried)) !== 'nowhere') {
        // A leg that failed leaves the race to the other one.
        isOneOut = true
        noteAttempt(job, tried.attempt)
        return discard(job.x, tried, clock.nowMs())
      }
      dropLeg(job, other)
      resolve(tried)
    }
    const watch = (leg: Leg): void => {
      leg.tried.then((tried) => (leg.abort.signal.aborted ? undefined : take(leg, tried)), fail)
    }
    const cancel = clock.after(delayMs, () => {
      second = startSecond(job, delayMs)
      if (second !== null) watch(second)
    })
    const fail = (bug: unknown): void => {
      cancel()
      reject(bug)
    }
    watch(first)
  })
}

function startLeg(job: Job, terms: AttemptTerms, scope: Scope): Leg {
  const abort = new AbortController()
  const signal = AbortSignal.any([terms.signal, abort.signal])
  const begunMs = job.deps.clock.nowMs()
  return { terms, abort, begunMs, tried: attemptOnce(job, { ...terms, signal, scope }) }
}

function startSecond(job: Job, delayMs: number): Leg | null {
  const { pool, wish, x, deps } = job
  const nowMs = deps.clock.nowMs()
  if (x.signal.aborted) return null
  const next = pool.next(wish, job.tried, 'elsewhere', nowMs)
  if (next === null || !pool.budget.takeHedge(nowMs)) return null
  const slot = next.member.slots.take(nowMs, holdUntilMs(job, next.member))
  if (slot === null) return null
  // The two wait at the same time: only the first one's waiting is the request's.
  const scope: Scope = { defer: (work) => x.defer(work), count: (what) => x.count(what), waited() {} }
  return startLeg(job, { member: next.member, slot, waitMs: delayMs, signal: x.signal, scope }, scope)
}

/** Ends the call that lost. What it cost stands in the record beside the request's own cost. */
function dropLeg(job: Job, { terms, abort, begunMs, tried }: Leg): void {
  const { clock } = job.deps
  const tookMs = clock.nowMs() - begunMs
  const target = terms.member.target.id
  noteAttempt(job, { target, waitMs: terms.waitMs, tookMs, result: 'hedge_lost', status: null })
  abort.abort()
  const dropped = tried.then((late) => discard(job.x, late, clock.nowMs()))
  job.x.defer(dropped.catch(() => {}))
}
