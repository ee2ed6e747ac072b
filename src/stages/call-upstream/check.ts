import { isRefusal } from '../../core/outcome.ts'
import type { Member } from '../../core/upstream/member.ts'
import type { Scope, UpstreamCall } from '../../ports.ts'
import { injectedSecret } from './attempt-once.ts'
import type { Job } from './job.ts'

/** Longest time a check may take. */
const checkMsMax = 10_000

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
  const headers = new Headers({ accept: '*/*' })
  if (secret !== null) headers.set(secret.reference.header, secret.reference.prefix + secret.value)
  if (target.dialect === 'anthropic') headers.set('anthropic-version', '2023-06-01')
  const limitMs = Math.min(checkMsMax, target.timeouts.firstByteMs)
  const call: UpstreamCall = {
    target,
    url: target.origin + target.basePath + path,
    method: 'GET',
    headers,
    body: { kind: 'none' },
    encodeResponseBody: 'manual',
    signal: new AbortController().signal,
    timeouts: { ...target.timeouts, firstByteMs: limitMs, totalMs: limitMs },
    bodyMs: outbound.match.route.bodyMs,
  }
  // The request neither waits for this nor is it one of its operations.
  const scope: Scope = { defer: (work) => x.defer(work), count() {}, waited() {} }
  const answer = await deps.upstreams.call(call, scope)
  const isBack = !isRefusal(answer) && answer.response.status < 500 && answer.response.status !== 429
  if (isBack) member.health.reinstate()
  else member.health.report('failed', deps.clock.nowMs())
  if (isRefusal(answer)) return
  answer.timer.stop()
  answer.abort()
}
