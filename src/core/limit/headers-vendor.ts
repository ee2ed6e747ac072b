import { headerInteger, tightest, type HeaderFields } from './headers.ts'
import type { LimitStanding } from './standing.ts'

const openAiNames = [
  {
    unit: 'requests',
    limit: 'x-ratelimit-limit-requests',
    remaining: 'x-ratelimit-remaining-requests',
    reset: 'x-ratelimit-reset-requests',
  },
  {
    unit: 'tokens',
    limit: 'x-ratelimit-limit-tokens',
    remaining: 'x-ratelimit-remaining-tokens',
    reset: 'x-ratelimit-reset-tokens',
  },
] as const
const anthropicNames = [
  {
    unit: 'requests',
    limit: 'anthropic-ratelimit-requests-limit',
    remaining: 'anthropic-ratelimit-requests-remaining',
    reset: 'anthropic-ratelimit-requests-reset',
  },
  {
    unit: 'tokens',
    limit: 'anthropic-ratelimit-tokens-limit',
    remaining: 'anthropic-ratelimit-tokens-remaining',
    reset: 'anthropic-ratelimit-tokens-reset',
  },
] as const
/** ECMA-262: the latest time a date can have. */
const timeMaxMs = 8.64e15

/**
 * `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` as OpenAI sends them, for the tightest limit of each unit;
 * `reset` is a duration as Go writes it.
 */
export function openAiLimitFields(standings: readonly LimitStanding[]): HeaderFields {
  return fieldsNamed(openAiNames, standings, goDuration)
}

/**
 * `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}` as Anthropic sends them, for the tightest limit of
 * each unit; `reset` is a time of RFC 3339.
 */
export function anthropicLimitFields(standings: readonly LimitStanding[], nowMs: number): HeaderFields {
  return fieldsNamed(anthropicNames, standings, (resetMs) => wholeSecondAt(nowMs + resetMs))
}

/** `12ms`, `1.5s`, `6m0s`, `5h0m0s`: milliseconds, rounded up, as Go's `time.Duration` writes them. */
export function goDuration(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms))
  if (whole === 0) return '0s'
  if (whole < 1000) return `${whole}ms`
  const hours = Math.floor(whole / 3_600_000)
  const minutes = Math.floor(whole / 60_000) % 60
  const seconds = `${(whole % 60_000) / 1000}s`
  if (hours > 0) return `${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${minutes}m${seconds}` : seconds
}

function fieldsNamed(
  names: typeof openAiNames | typeof anthropicNames,
  standings: readonly LimitStanding[],
  writeReset: (resetMs: number) => string,
): HeaderFields {
  const fields: Record<string, string> = {}
  for (const { unit, limit, remaining, reset } of names) {
    const standing = tightest(standings, unit)
    if (standing === null) continue
    fields[limit] = headerInteger(standing.spec.max)
    fields[remaining] = headerInteger(standing.remaining)
    fields[reset] = writeReset(standing.resetMs)
  }
  return fields
}

function wholeSecondAt(atMs: number): string {
  const seconds = Math.ceil(Math.min(timeMaxMs, atMs) / 1000)
  return new Date(seconds * 1000).toISOString().replace('.000', '')
}
