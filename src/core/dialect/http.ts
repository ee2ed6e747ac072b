import { rateLimitFields } from '../limit/headers.ts'
import type { RefusalFacts } from '../refusal.ts'
import type { Dialect } from './dialect.ts'
import { violatedPolicies } from './violated-policies.ts'

/** RFC 9457 problem details. */
function problem(facts: RefusalFacts, requestId: string) {
  return {
    type: facts.problemType ?? `urn:sluice:problem:${facts.code}`,
    title: facts.title,
    status: facts.status,
    detail: facts.message,
    code: facts.code,
    request_id: requestId,
    ...violatedPolicies(facts),
  }
}

/** Plain HTTP. */
export const http: Dialect = {
  name: 'http',
  requestIdHeader: 'x-request-id',
  headers: { requestDrop: new Set(), acceptEncoding: null, tellsClient: true, accountHeader: null },
  keepAlive: new TextEncoder().encode(': ping\n'),
  limitHeaders: (standings) => rateLimitFields(standings),
  errorBody: (facts, requestId) => ({
    contentType: 'application/problem+json',
    body: JSON.stringify(problem(facts, requestId)),
  }),
  errorEvent: (facts, requestId) => ({ event: 'error', data: problem(facts, requestId) }),
}
