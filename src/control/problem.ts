import type { AdminRefusal } from '../core/key/admin-refusal.ts'
import type { InputProblem, ProblemView } from './api.ts'

/** Why the admin API does not do what it was asked; becomes a problem document. */
export interface Problem {
  readonly status: number
  readonly code: string
  readonly title: string
  readonly detail: string
  readonly headers?: Readonly<Record<string, string>>
  readonly problems?: readonly InputProblem[]
}

export const notFound: Problem = {
  status: 404,
  code: 'not_found',
  title: 'Not found',
  detail: 'There is nothing at this path.',
}

export const unauthorized: Problem = {
  status: 401,
  code: 'operator_token_invalid',
  title: 'Operator token needed',
  detail: 'Send the operator token as `Authorization: Bearer ...`.',
  headers: { 'www-authenticate': 'Bearer realm="sluice-admin"' },
}

export const internal: Problem = {
  status: 500,
  code: 'internal_error',
  title: 'Internal error',
  detail: 'The gateway failed; if this goes on, look for the request id in its log.',
}

export function invalidInput(problems: readonly InputProblem[]): Problem {
  const status = 400
  const detail = 'The request is not valid; every problem is listed.'
  return { status, code: 'invalid_request', title: 'Invalid request', detail, problems }
}

export function methodNotAllowed(allow: string): Problem {
  return {
    status: 405,
    code: 'method_not_allowed',
    title: 'Method not allowed',
    detail: `This path accepts ${allow}; use one of these.`,
    headers: { allow },
  }
}

/** The problem that a refused operation is. */
export function refusalProblem(refusal: AdminRefusal): Problem {
  switch (refusal.refused) {
    case 'account_unknown':
      return { ...notFound, code: refusal.refused, detail: 'There is no account of this id.' }
    case 'key_unknown':
      return { ...notFound, code: refusal.refused, detail: 'The account has no key of this id.' }
    case 'account_deleted':
      return {
        status: 409,
        code: refusal.refused,
        title: 'Account deleted',
        detail: 'The account is deleted and cannot be changed; create another.',
      }
    case 'key_revoked':
      return {
        status: 409,
        code: refusal.refused,
        title: 'Key revoked',
        detail: 'The key is revoked for good and cannot be changed; create another.',
      }
    case 'keys_not_configured':
      return {
        status: 503,
        code: refusal.refused,
        title: 'No key ring',
        detail: 'This gateway has no usable key ring; set the secret SLUICE_KEY_RING.',
      }
    case 'id_taken':
    case 'accounts_unavailable':
      return {
        status: 503,
        code: 'accounts_unavailable',
        title: 'Accounts cannot be reached',
        detail: 'What was asked for may have happened; look, then try again.',
        headers: { 'retry-after': '1' },
      }
  }
}

/** The response of a problem. */
export function problemResponse(problem: Problem, requestId: string): Response {
  const { status, code, title, detail, problems, headers } = problem
  const view: ProblemView = {
    type: `urn:sluice:problem:${code}`,
    title,
    status,
    detail,
    code,
    request_id: requestId,
    ...(problems === undefined ? {} : { problems }),
  }
  return new Response(JSON.stringify(view), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  })
}
