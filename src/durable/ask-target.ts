import type { Target } from '../core/config/types.ts'
import type { TargetHint } from '../core/upstream/hints.ts'
import { secretValue } from '../core/upstream/secret-value.ts'
import { checkRequest, isWell } from '../core/upstream/target-check.ts'
import { timers } from './timers.ts'

/** How soon a target that does not answer well is asked once more. Milliseconds. */
const againMs = 1_000

/**
 * Asks a target's `checkPath` with GET, and once more before it counts as out. Redirects are not followed: they would
 * carry the target's secret to another origin.
 * @param bindings of the Worker, among which secrets are
 * @returns null where nobody can say, since the target's secret is not there
 */
export async function askTarget(
  target: Target,
  bindings: Readonly<Record<string, unknown>>,
): Promise<TargetHint['state'] | null> {
  const { checkPath, secret } = target
  const value = secret === null ? null : secretValue(bindings, secret.secret)
  if (checkPath === null || (secret !== null && value === null)) return null
  if (await answersWell(target, checkPath, value)) return 'well'
  await timers.wait(againMs)
  return (await answersWell(target, checkPath, value)) ? 'well' : 'out'
}

/** Never rejects. */
async function answersWell(target: Target, path: string, secret: string | null): Promise<boolean> {
  const { url, headers, limitMs } = checkRequest(target, path, secret)
  try {
    const signal = AbortSignal.timeout(limitMs)
    const { status, body } = await fetch(url, { headers, redirect: 'manual', signal })
    await body?.cancel()
    return isWell(status)
  } catch {
    return false
  }
}
