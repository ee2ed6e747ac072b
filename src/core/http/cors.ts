import type { CorsPolicy } from '../config/types.ts'

/** Whether a request is a CORS preflight (Fetch standard, "CORS-preflight request"). */
export function isPreflight(method: string, headers: Headers): boolean {
  return method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method')
}

/** Adds what lets the page of an allowed origin read the response; any other origin gets nothing but `Vary`. */
export function addCors(headers: Headers, policy: CorsPolicy, origin: string | null): void {
  const open = policy.origins.includes('*')
  if (!open) headers.append('vary', 'origin')
  if (origin === null || !(open || policy.origins.includes(origin))) return
  headers.set('access-control-allow-origin', open ? '*' : origin)
  if (policy.credentials) headers.set('access-control-allow-credentials', 'true')
  if (policy.exposeHeaders.length > 0) {
    headers.set('access-control-expose-headers', policy.exposeHeaders.join(', '))
  }
}

/** The headers of the answer to a preflight. */
export function preflightHeaders(
  policy: CorsPolicy,
  methods: readonly string[],
  origin: string | null,
): Headers {
  const headers = new Headers()
  addCors(headers, policy, origin)
  if (!headers.has('access-control-allow-origin')) return headers
  headers.set('access-control-allow-methods', methods.join(', '))
  headers.set('access-control-allow-headers', policy.allowHeaders.join(', '))
  headers.set('access-control-max-age', String(policy.maxAgeSeconds))
  return headers
}
