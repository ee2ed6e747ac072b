import { openAiLimitFields } from '../limit/headers-vendor.ts'
import { rateLimitFields } from '../limit/headers.ts'
import type { RefusalFacts } from '../refusal.ts'
import type { Dialect } from './dialect.ts'
import { llmHeaders } from './llm-headers.ts'
import { violatedPolicies } from './violated-policies.ts'

/** OpenAI's error types, by status (openai-node `APIError`). */
function errorType(status: number): string {
  if (status === 402) return 'insufficient_quota'
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 404) return 'not_found_error'
  if (status === 429) return 'rate_limit_exceeded'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

function errorObject(facts: RefusalFacts, requestId: string) {
  return {
    message: facts.message,
    type: errorType(facts.status),
    param: null,
    code: facts.code,
    request_id: requestId,
    ...violatedPolicies(facts),
  }
}

/** OpenAI Chat Completions, Responses, Embeddings and Models. */
export const openai: Dialect = {
  name: 'openai',
  requestIdHeader: 'x-request-id',
  headers: llmHeaders(/^(ratelimit(-policy)?$|x-ratelimit-|openai-(organization|project)$)/),
  keepAlive: new TextEncoder().encode(': ping\n'),
  limitHeaders: (standings) => ({ ...rateLimitFields(standings), ...openAiLimitFields(standings) }),
  errorBody: (facts, requestId) => ({
    contentType: 'application/json',
    body: JSON.stringify({ error: errorObject(facts, requestId) }),
  }),
  errorEvent(facts, requestId, path) {
    const error = errorObject(facts, requestId)
    if (!path.endsWith('/responses')) return { event: null, data: { error } }
    // The Responses format has its own flat error event; the official client throws only on a member named `error`.
    const { message, code } = error
    return { event: 'error', data: { type: 'error', code, message, param: null, error } }
  },
}
