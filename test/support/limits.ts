import type { LimitSpec } from '../../src/core/limit/spec.ts'

const base: LimitSpec = {
  name: 'rpm',
  kind: 'request-rate',
  max: 60,
  periodMs: 60_000,
  burst: 60,
  calendar: null,
  durability: 'strict',
  onFailure: 'closed',
  reserve: 'auto',
}

/** Requests a minute. */
export function requestRate(max: number, changes: Partial<LimitSpec> = {}): LimitSpec {
  return { ...base, max, burst: max, ...changes }
}

/** Tokens of a month. */
export function tokenBudget(max: number, changes: Partial<LimitSpec> = {}): LimitSpec {
  return {
    ...base,
    name: 'tokens',
    kind: 'token-budget',
    max,
    periodMs: null,
    burst: null,
    calendar: 'month',
    ...changes,
  }
}

/** Micro-dollars of a month. */
export function moneyBudget(max: number, changes: Partial<LimitSpec> = {}): LimitSpec {
  return tokenBudget(max, { name: 'money', kind: 'money-budget', ...changes })
}

/** Requests at the same time. */
export function concurrentRequests(max: number, changes: Partial<LimitSpec> = {}): LimitSpec {
  return { ...base, name: 'slots', kind: 'concurrent-requests', max, periodMs: null, burst: null, ...changes }
}

/** Streams at the same time. */
export function concurrentStreams(max: number, changes: Partial<LimitSpec> = {}): LimitSpec {
  return concurrentRequests(max, { name: 'streams', kind: 'concurrent-streams', ...changes })
}
