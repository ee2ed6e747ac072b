import { wholeSeconds, type HeaderFields } from '../limit/headers.ts'
import type { LimitStanding } from '../limit/standing.ts'
import type { RefusalFacts } from '../refusal.ts'
import type { Dialect } from './dialect.ts'

/** Waits are drawn out by this share at most, and never beyond a minute, so that not everybody comes back at once. */
const jitterShare = 0.1
const jitterMaxMs = 60_000

/** When a refusal is answered. */
interface RefusalTime {
  readonly nowMs: number
  /** A random fraction in [0, 1), by which waits are drawn out. */
  readonly jitter: number
}

/**
 * What a refusal says in headers: its own, `retry-after` (seconds, rounded up, never earlier than the truth) and the
 * standing of the limits; on LLM routes also what the official clients read: `x-should-retry` before anything else, then
 * `retry-after-ms` (openai-node, anthropic-sdk). Nothing about CORS and request ids.
 */
export function refusalHeaders(
  facts: RefusalFacts,
  dialect: Dialect,
  { nowMs, jitter }: RefusalTime,
): HeaderFields {
  const retryMs = facts.retryAfterMs === null ? null : drawnOut(facts.retryAfterMs, jitter)
  const isLlm = dialect.name !== 'http'
  return {
    ...facts.headers,
    ...dialect.limitHeaders(standingsUntil(facts, retryMs), nowMs),
    ...(retryMs === null ? {} : { 'retry-after': wholeSeconds(retryMs) }),
    ...(retryMs === null || !isLlm ? {} : { 'retry-after-ms': String(Math.ceil(retryMs)) }),
    ...(isLlm ? { 'x-should-retry': String(facts.retryable) } : {}),
  }
}

function drawnOut(waitMs: number, jitter: number): number {
  return waitMs + Math.min(jitterMaxMs, waitMs * jitterShare * jitter)
}

/** A bucket may admit long before it is full again: `t` of a violated limit is not to outlast `retry-after`. */
function standingsUntil(facts: RefusalFacts, retryMs: number | null): readonly LimitStanding[] {
  if (retryMs === null) return facts.standings
  return facts.standings.map((standing) =>
    facts.violated.includes(standing.spec.name)
      ? { ...standing, resetMs: Math.min(standing.resetMs, retryMs) }
      : standing,
  )
}
