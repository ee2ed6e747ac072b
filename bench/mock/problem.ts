import type { Dialect } from './target.ts'

/** A refusal before it has a provider's shape. */
export interface Problem {
  readonly status: number
  readonly message: string
  readonly param: string | null
  readonly code: string | null
}

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  408: 'timeout_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

const OPENAI_CODES: Readonly<Record<number, string>> = {
  401: 'invalid_api_key',
  404: 'not_found',
  429: 'rate_limit_exceeded',
}

/** A 400 for what the client sent; `param` names the field. */
export function badRequest(message: string, param: string | null = null): Problem {
  return { status: 400, message, param, code: null }
}

/** A failure the directive or a rule asked for. */
export function plannedProblem(status: number): Problem {
  const message = `The mock was told to answer ${status}.`
  return { status, message, param: null, code: OPENAI_CODES[status] ?? null }
}

/** Tells a refusal from a reply. */
export function isProblem(value: object): value is Problem {
  return 'status' in value && 'message' in value
}

/** The refusal as the provider words it. */
export function problemJson(problem: Problem, dialect: Dialect, requestId: string): string {
  const { status, message, param, code } = problem
  if (dialect === 'anthropic') {
    return JSON.stringify({
      type: 'error',
      error: { type: anthropicType(status), message },
      request_id: requestId,
    })
  }
  return JSON.stringify({ error: { message, type: openaiType(status), param, code } })
}

function anthropicType(status: number): string {
  return ANTHROPIC_TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error')
}

function openaiType(status: number): string {
  if (status === 429) return 'requests'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}
