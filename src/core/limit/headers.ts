import { limitKind } from './kinds/kinds.ts'
import type { LimitSpec } from './spec.ts'
import type { LimitStanding } from './standing.ts'

/** Response headers by their names in lower case. */
export type HeaderFields = Readonly<Record<string, string>>

/** The largest Integer of a structured field (RFC 9651 §3.3.1). */
const integerMax = 999_999_999_999_999
const daySeconds = 86_400

/**
 * `ratelimit-policy` and `ratelimit` (draft-ietf-httpapi-ratelimit-headers-11): Lists of Strings, one member for each
 * limit. `q` is what flows in during `w` seconds; `sluice-burst` the most at once, where that is another number. `r` is
 * what is left as far as the isolate knows, never more; `t` the seconds until all of it is there or the window is over.
 * Of two limits of one name only the tighter one is told.
 * @returns no field when there is no limit
 */
export function rateLimitFields(standings: readonly LimitStanding[]): HeaderFields {
  if (standings.length === 0) return {}
  const told = tightestByName(standings)
  return {
    'ratelimit-policy': told.map(({ spec }) => wordsOf(spec).policy).join(', '),
    ratelimit: told.map(limitItem).join(', '),
  }
}

/** The limit on requests, or on tokens, that is closest to being reached; null when there is none. */
export function tightest(
  standings: readonly LimitStanding[],
  unit: 'requests' | 'tokens',
): LimitStanding | null {
  let found: LimitStanding | null = null
  for (const standing of standings) {
    if (limitKind(standing.spec.kind).vendorUnit !== unit) continue
    if (found === null || standing.remaining < found.remaining) found = standing
  }
  return found
}

/** A number as a header can say it: whole, at least 0, at most 15 digits. */
export function headerInteger(value: number): string {
  return String(Math.min(integerMax, Math.max(0, Math.floor(value))))
}

/** Seconds until something, rounded up. */
export function wholeSeconds(ms: number): string {
  return headerInteger(Math.ceil(ms / 1000))
}

function tightestByName(standings: readonly LimitStanding[]): readonly LimitStanding[] {
  const told: LimitStanding[] = []
  for (const standing of standings) {
    const at = told.findIndex(({ spec }) => spec.name === standing.spec.name)
    const other = told[at]
    if (other === undefined) told.push(standing)
    else if (shareLeft(standing) < shareLeft(other)) told[at] = standing
  }
  return told
}

function shareLeft({ spec, remaining }: LimitStanding): number {
  return remaining / (spec.burst ?? spec.max)
}

function policyItem(spec: LimitSpec): string {
  const { headerUnit } = limitKind(spec.kind)
  const windowSeconds = windowOf(spec)
  return [
    sfString(spec.name),
    `q=${headerInteger(spec.max)}`,
    ...(headerUnit === null ? [] : [`qu=${sfString(headerUnit)}`]),
    ...(windowSeconds === null ? [] : [`w=${headerInteger(windowSeconds)}`]),
    ...(spec.burst === null || spec.burst === spec.max ? [] : [`sluice-burst=${headerInteger(spec.burst)}`]),
  ].join(';')
}

/** What is said of a limit in every response. */
interface Words {
  readonly name: string
  readonly policy: string
}

const wordsBySpec = new WeakMap<LimitSpec, Words>()

/** Made once for a limit: every response says it. */
function wordsOf(spec: LimitSpec): Words {
  const known = wordsBySpec.get(spec)
  if (known !== undefined) return known
  const words = { name: sfString(spec.name), policy: policyItem(spec) }
  wordsBySpec.set(spec, words)
  return words
}

/** Slots come back whenever a request ends, so nobody can say when. */
function limitItem({ spec, remaining, resetMs }: LimitStanding): string {
  const reset = limitKind(spec.kind).counts === 'slots' ? '' : `;t=${wholeSeconds(resetMs)}`
  return `${wordsOf(spec).name};r=${headerInteger(remaining)}${reset}`
}

/** Months differ in length; `t` says when this one ends. */
function windowOf({ periodMs, calendar }: LimitSpec): number | null {
  if (calendar === 'day') return daySeconds
  return periodMs === null ? null : Math.max(1, Math.round(periodMs / 1000))
}

/** A String of a structured field (RFC 9651 §4.1.6); what it cannot hold becomes `?`. */
function sfString(text: string): string {
  return `"${text.replaceAll(/[^ -~]/gu, '?').replaceAll(/["\\]/g, (character) => `\\${character}`)}"`
}
