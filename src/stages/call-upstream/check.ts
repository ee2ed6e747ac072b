import { isRefusal } from '../../core/outcome.ts'
import type { Member } from '../../core/upstream/member.ts'
import { checkRequest, isWell } from '../../core/upstream/target-check.ts'
import type { Scope, UpstreamCall } from '../../ports.ts'
import { injectedSecret } from './attempt-once.ts'
import type { Job } from './job.ts'

/**
 * Asks targets whose time out is over whether they are back, beside the request and not in its way, so that no client's
 * request is spent on finding out. Only targets with a `checkPath`: it is asked with GET and spends no tokens.
 */
export function checkThoseThatAreOut(job: Job): void {
  const { startedMs, pool } = job
  for (const member of pool.members) {
    if (member.target.checkPath === null || startedMs < member.checkingUntilMs) continue
    if (member.health.condition(startedMs) !== 'probe') continue
    member.checkingUntilMs = startedMs + pool.upstream.health.openMs
    job.x.defer(check(job, member, member.target.checkPath))
  }
}

async function check({ x, deps, outbound }: Job, member: Member, path: string): Promise<void> {
  const { target } = member
  const secret = injectedSecret(target, deps.upstreams)
  if (isRefusal(secret)) return
  const { limitMs, ...request } = checkRequest(target, path, secret?.value ?? null)
  const call: UpstreamCall = {
    ...request,
    target,
    method: 'GET',
    body: { kind: 'none' },
    encodeResponseBody: 'manual',
    signal: new AbortController().signal,
    timeouts: { ...target.timeouts, firstByteMs: limitMs, totalMs: limitMs },
    bodyMs: outbound.match.route.bodyMs,
  }
  // The request neither waits for this nor is it one of its operations.
  const scope: Scope = { defer: (work) => x.defer(work), count() {}, waited() {} }
  const answer = await deps.upstreams.call(call, scope)
  const nowMs = deps.clock.nowMs()
  if (!isRefusal(answer) && isWell(answer.response.status)) member.health.reinstate(nowMs)
  else member.health.report('failed', nowMs)
  if (isRefusal(answer)) return
  answer.timer.stop()
  answer.abort()
}
