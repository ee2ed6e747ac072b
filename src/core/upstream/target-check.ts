import { checkEveryRange } from '../config/parse-pool.ts'
import { parseTarget } from '../config/parse-target.ts'
import type { Place } from '../config/place.ts'
import { problemList } from '../config/problem-list.ts'
import type { Target, Upstream } from '../config/types.ts'
import { isTargetKey, targetKey } from './hints.ts'

/** A target that is to be checked without traffic. Plain, so that it can be sent. */
export interface TargetCheck {
  /** `targetKey` of the target. */
  readonly target: string
  readonly everyMs: number
  /** The target as a configuration writes it, as far as a check needs it; secrets by name. */
  readonly as: Readonly<Record<string, unknown>>
}

/** What a check asks. Always with GET, without a body: a path is chosen that spends no tokens. */
export interface CheckRequest {
  readonly url: string
  readonly headers: Headers
  /** How long it may take. Milliseconds. */
  readonly limitMs: number
}

/** Checks in one message. */
export const checksMax = 32

/** Longest time a check may take. */
const checkMsMax = 10_000
const anthropicVersion = '2023-06-01'

/** The checks that an upstream asks for: of its targets with a `checkPath`, where it says how often. */
export function checksOf({ targets, health }: Pick<Upstream, 'targets' | 'health'>): readonly TargetCheck[] {
  const { checkEveryMs } = health
  if (checkEveryMs === null) return []
  return targets
    .filter(({ checkPath }) => checkPath !== null)
    .map((target) => ({ target: targetKey(target), everyMs: checkEveryMs, as: written(target) }))
}

function written({ origin, basePath, dialect, secret, timeouts, checkPath }: Target): TargetCheck['as'] {
  const { firstByteMs, totalMs } = timeouts
  return {
    origin: origin + basePath,
    dialect,
    secret: secret && { ...secret },
    timeouts: { firstByteMs, totalMs },
    checkPath,
  }
}

/** Reads checks of a message: what makes no sense, and what is too much, is left out. */
export function readChecks(value: unknown): readonly TargetCheck[] {
  if (!Array.isArray(value)) return []
  return value.slice(0, checksMax).flatMap((item: unknown) => readCheck(item) ?? [])
}

function readCheck(value: unknown): TargetCheck | null {
  if (typeof value !== 'object' || value === null) return null
  const { target, everyMs, as } = value as Readonly<Record<string, unknown>>
  if (!isTargetKey(target) || typeof as !== 'object' || as === null) return null
  if (typeof everyMs !== 'number' || !(everyMs >= checkEveryRange.min && everyMs <= checkEveryRange.max))
    return null
  return { target, everyMs, as: { ...as } }
}

/** The target of a check, by the rules that a configuration is read by; null for one that they refuse. */
export function checkedTarget({ as }: TargetCheck): Target | null {
  const problems = problemList()
  const placeOf = (value: unknown): Place => ({ value, path: '$', secretive: true, problems })
  const target = parseTarget(placeOf(as), '', { dialect: 'http', timeouts: placeOf(undefined) })
  return problems.all().length > 0 || target === null || target.checkPath === null ? null : target
}

/**
 * The request of a check.
 * @param secret value of the target's secret; null for a target without one
 */
export function checkRequest(target: Target, path: string, secret: string | null): CheckRequest {
  const headers = new Headers({ accept: '*/*' })
  if (target.secret !== null && secret !== null) {
    headers.set(target.secret.header, target.secret.prefix + secret)
  }
  if (target.dialect === 'anthropic') headers.set('anthropic-version', anthropicVersion)
  const limitMs = Math.min(checkMsMax, target.timeouts.firstByteMs)
  return { url: target.origin + target.basePath + path, headers, limitMs }
}

/** Whether the answer to a check says that the target may be called. */
export function isWell(status: number): boolean {
  return status < 500 && status !== 429
}
