import type { Entries } from '../refusal.ts'
import { limitKind } from './kinds/kinds.ts'
import type { LimitStanding } from './standing.ts'

/** Official clients wait as long as they are told, be it hours; beyond this they had better be told to give up. */
export const patienceMs = 30_000

/** Problem type of draft-ietf-httpapi-ratelimit-headers-11, §5.1. */
const quotaExceeded = 'https://iana.org/assignments/http-problem-types#quota-exceeded'

type LimitReason =
  | 'flooded'
  | 'limit_reached'
  | 'budget_exhausted'
  | 'limit_too_small'
  | 'model_not_priced'
  | 'limits_unavailable'

/** The part of the catalogue of refusals that limits bring about. */
export const limitEntries: Entries<LimitReason> = {
  flooded: ({ retryAfterMs }) => ({
    status: 429,
    title: 'Too many unknown keys',
    message: 'Too many requests with keys that are not known yet came from this address; try again later.',
    retryAfterMs,
    retryable: retryAfterMs <= patienceMs,
  }),
  limit_reached: ({ violated, waitMs, standings }) => ({
    status: 429,
    title: 'Limit reached',
    message: `${reached(violated, standings)}; ${whenAgain(waitMs)}.`,
    retryAfterMs: waitMs,
    retryable: waitMs !== null && waitMs <= patienceMs,
    problemType: quotaExceeded,
    violated,
    standings,
  }),
  budget_exhausted: ({ violated, waitMs, standings }) => ({
    status: 402,
    title: 'Budget exhausted',
    message: `${reached(violated, standings)}; ${whenAgain(waitMs)}${waitMs === null ? ';' : ', or'} ask for a higher budget.`,
    retryAfterMs: waitMs,
    problemType: quotaExceeded,
    violated,
    standings,
  }),
  limit_too_small: ({ violated, asked, max }) => ({
    status: 400,
    title: 'Limit too small',
    message:
      `The request may come to ${Math.ceil(asked)}, and ${named(violated)} never ${violated.length > 1 ? 'admit' : 'admits'} ` +
      `more than ${max} at once; lower its maximum of output tokens or shorten it.`,
    violated,
  }),
  model_not_priced: ({ model }) => ({
    status: 403,
    title: 'Model not priced',
    message:
      `A limit on money holds, and ${model === null ? 'the model' : `\`${model.slice(0, 100)}\``} has no price here; ` +
      'use another model, or have the operator set a price.',
  }),
  limits_unavailable: ({ retryAfterMs }) => ({
    status: 503,
    title: 'Limits cannot be checked',
    message: 'The gateway cannot check limits right now; try again shortly.',
    retryAfterMs,
    retryable: true,
  }),
}

function reached(violated: readonly string[], standings: readonly LimitStanding[]): string {
  const details = standings.filter(({ spec }) => violated.includes(spec.name)).map(leftOf)
  const left = details.length === 0 ? '' : ` (left: ${details.join(', ')})`
  return `Too little is left of ${named(violated)}${left}`
}

function named(names: readonly string[]): string {
  const quoted = names.slice(0, 10).map((name) => `\`${name}\``)
  return `${names.length > 1 ? 'the limits' : 'the limit'} ${quoted.join(', ')}`
}

function whenAgain(waitMs: number | null): string {
  if (waitMs === null) return 'waiting does not help'
  return `try again in ${Math.ceil(waitMs / 1000)} s`
}

/** `3 of 60 requests`, `$0.12 of $5`. */
function leftOf({ spec, remaining }: LimitStanding): string {
  const { counts } = limitKind(spec.kind)
  const left = Math.max(0, Math.floor(remaining))
  if (counts === 'micro-dollars') return `$${left / 1_000_000} of $${spec.max / 1_000_000}`
  return `${left} of ${spec.max} ${counts}`
}
