import type { Dialect } from './target.ts'

/**
 * Header names and values, flat, as the providers send them with every answer: the limits of the key in use and ids.
 * A gateway must not pass these on, so they have to be here to be missed.
 */
export function providerHeaders(dialect: Dialect, requestId: string): string[] {
  if (dialect === 'openai') return ['x-request-id', requestId, ...OPENAI]
  if (dialect === 'anthropic') return ['request-id', requestId, ...ANTHROPIC]
  return ['x-request-id', requestId]
}

const OPENAI = Object.entries({
  'openai-organization': 'org-mock',
  'openai-processing-ms': '1',
  'openai-version': '2020-10-01',
  'x-ratelimit-limit-requests': '10000',
  'x-ratelimit-limit-tokens': '2000000',
  'x-ratelimit-remaining-requests': '9999',
  'x-ratelimit-remaining-tokens': '1999990',
  'x-ratelimit-reset-requests': '6ms',
  'x-ratelimit-reset-tokens': '6m0s',
}).flat()

const ANTHROPIC = Object.entries({
  'anthropic-organization-id': 'org-mock',
  'anthropic-ratelimit-requests-limit': '4000',
  'anthropic-ratelimit-requests-remaining': '3999',
  'anthropic-ratelimit-requests-reset': '2030-01-01T00:00:00Z',
  'anthropic-ratelimit-tokens-limit': '480000',
  'anthropic-ratelimit-tokens-remaining': '479000',
  'anthropic-ratelimit-tokens-reset': '2030-01-01T00:00:00Z',
  'anthropic-ratelimit-input-tokens-limit': '400000',
  'anthropic-ratelimit-input-tokens-remaining': '399000',
  'anthropic-ratelimit-input-tokens-reset': '2030-01-01T00:00:00Z',
  'anthropic-ratelimit-output-tokens-limit': '80000',
  'anthropic-ratelimit-output-tokens-remaining': '79000',
  'anthropic-ratelimit-output-tokens-reset': '2030-01-01T00:00:00Z',
}).flat()
