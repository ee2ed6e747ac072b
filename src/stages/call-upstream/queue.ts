import type { Outcome } from '../../core/outcome.ts'
import type { Member } from '../../core/upstream/member.ts'
import type { Priority, Slot } from '../../core/upstream/slots.ts'
import type { Principal } from '../../ports.ts'
import { holdUntilMs } from './attempt-once.ts'
import { deadlineMs, type Job } from './job.ts'

/** A place, and how long the request waited for it. */
export interface Place {
  readonly slot: Slot
  readonly waitMs: number
}

/**
 * Waits for a place at a target that has none free, for a short while.
 * @returns refusals `upstream_busy`, `client_left`
 */
export async function waitForPlace(job: Job, member: Member): Promise<Outcome<Place>> {
  const { x, deps, pool, caller } = job
  const { queueMs } = pool.upstream.concurrency
  const begunMs = deps.clock.nowMs()
  const busy = { refused: 'upstream_busy', retryAfterMs: Math.max(1_000, queueMs) } as const
  const { promise, resolve } = Promise.withResolvers<Slot | null>()
  const waiter = member.slots.wait(priorityOf(caller.principal), holdUntilMs(job, member), resolve)
  if (waiter === null) return busy
  const giveUp = (): void => {
    waiter.leave()
    resolve(null)
  }
  x.count('queue')
  const patienceMs = Math.min(queueMs, deadlineMs(job, member.target) - begunMs)
  const cancel = deps.clock.after(patienceMs, giveUp)
  x.signal.addEventListener('abort', giveUp, { once: true })
  // Another request resolves this; timer and listener are stopped here, by the request they belong to.
  const slot = await promise
  cancel()
  x.signal.removeEventListener('abort', giveUp)
  const waitMs = deps.clock.nowMs() - begunMs
  if (waitMs > 0) x.waited('queue', waitMs)
  if (!x.signal.aborted) return slot === null ? busy : { slot, waitMs }
  slot?.release()
  return { refused: 'client_left' }
}

/** Scopes of a key that say who goes first where there is a queue. */
function priorityOf(principal: Principal): Priority {
  if (principal.kind !== 'key') return 'normal'
  if (principal.scopes.includes('priority:high')) return 'high'
  return principal.scopes.includes('priority:low') ? 'low' : 'normal'
}
