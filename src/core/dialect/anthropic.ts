import { anthropicLimitFields } from '../limit/headers-vendor.ts'
import { rateLimitFields } from '../limit/headers.ts'
import type { RefusalFacts } from '../refusal.ts'
import type { Dialect } from './dialect.ts'
import { llmHeaders } from './llm-headers.ts'
import { violatedPolicies } from './violated-policies.ts'

/** Anthropic's error types, by status (anthropic-sdk `APIError`). */
const typeOfStatus: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
}

function errorData(facts: RefusalFacts, requestId: string) {
  const type = typeOfStatus[facts.status] ?? (facts.status >= 500 ? 'api_error' : 'invalid_request_error')
  const error = { type, message: facts.message, code: facts.code, ...violatedPolicies(facts) }
  return { type: 'error', error, request_id: requestId }
}

/** Anthropic Messages. */
export const anthropic: Dialect = {
  name: 'anthropic',
  requestIdHeader: 'request-id',
  headers: llmHeaders(/^(ratelimit(-policy)?$|anthropic-(ratelimit-|organization-id$))/),
  keepAlive: new TextEncoder().encode('event: ping\ndata: {"type": "ping"}\n\n'),
  limitHeaders: (standings, nowMs) => ({
    ...rateLimitFields(standings),
    ...anthropicLimitFields(standings, nowMs),
  }),
  errorBody: (facts, requestId) => ({
    contentType: 'application/json',
    body: JSON.stringify(errorData(facts, requestId)),
  }),
  errorEvent: (facts, requestId) => ({ event: 'error', data: errorData(facts, requestId) }),
}
