import type { Refusal } from '../refusal.ts'
import type { HealthReport } from './health.ts'

/** What came of one attempt: an answer's status, or why there was none. */
export type CameBack =
  | { readonly kind: 'answer'; readonly status: number }
  | { readonly kind: 'refusal'; readonly refused: Refusal['refused'] }

/** What decides whether a request may be sent once more. */
export interface Resending {
  /** Whether all of it can be sent again: its body is bytes, or was never begun. */
  readonly replayable: boolean
  /** Whether sending it twice does no harm: by its method, or because the route says so. */
  readonly harmless: boolean
  /** Whether an error answer costs nothing and changes nothing: requests to models. */
  readonly llm: boolean
  /** Whether the gateway's own credential was used, so that its refusal is no mistake of the client. */
  readonly ownCredential: boolean
}

/** Where a request may be sent next: `anywhere` is the same target too. */
export type Onward = 'nowhere' | 'elsewhere' | 'anywhere'

/** Statuses with which Cloudflare says that it got no connection to the origin, so that nothing was sent. */
const nothingSent: ReadonlySet<number> = new Set([521, 522, 523, 525, 526, 530])
/** The target says that it did not do what was asked. */
const declined: ReadonlySet<number> = new Set([429, 503, 529])
/** Not the target's failing: a method or protocol version that it does not have, a request that goes round in circles. */
const notItsFault: ReadonlySet<number> = new Set([501, 505, 508])
const credentialTrouble: ReadonlySet<number> = new Set([401, 402, 403])

const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** Whether a method may be sent twice (RFC 9110 §9.2.2). */
export function isIdempotent(method: string): boolean {
  return idempotent.has(method)
}

/**
 * Where to go on after an attempt. Decided by what was sent and what came back: nothing was sent, or the target declined
 * it, or sending it twice does no harm. The runtime does not tell a refused connection from one that was reset later, so
 * a call without an answer counts as sent.
 */
export function onward(came: CameBack, resending: Resending): Onward {
  if (!resending.replayable) return 'nowhere'
  return came.kind === 'answer' ? afterAnswer(came.status, resending) : afterRefusal(came.refused, resending)
}

function afterAnswer(status: number, { harmless, llm, ownCredential }: Resending): Onward {
  if (nothingSent.has(status)) return 'anywhere'
  if (credentialTrouble.has(status)) return llm && ownCredential ? 'elsewhere' : 'nowhere'
  if (declined.has(status)) return harmless ? 'anywhere' : 'elsewhere'
  if (status < 500 || notItsFault.has(status)) return 'nowhere'
  if (harmless) return 'anywhere'
  return llm && status < 600 ? 'elsewhere' : 'nowhere'
}

function afterRefusal(refused: Refusal['refused'], { harmless }: Resending): Onward {
  // Nothing was sent.
  if (refused === 'upstream_credential_missing' || refused === 'model_not_allowed') return 'elsewhere'
  if (!harmless) return 'nowhere'
  if (refused === 'upstream_unreachable') return 'anywhere'
  // Whoever was too slow once is not asked a second time for the same.
  return refused === 'upstream_first_byte_timeout' || refused === 'upstream_first_content_timeout'
    ? 'elsewhere'
    : 'nowhere'
}

/** What an attempt says about its target. Mistakes and departures of clients say nothing. */
export function healthReport(came: CameBack): HealthReport {
  if (came.kind === 'answer') {
    return came.status >= 500 && !notItsFault.has(came.status) ? 'failed' : 'answered'
  }
  return slowOrGone.has(came.refused) ? 'unanswered' : 'ignored'
}

const slowOrGone: ReadonlySet<Refusal['refused']> = new Set([
  'upstream_unreachable',
  'upstream_first_byte_timeout',
  'upstream_first_content_timeout',
])
