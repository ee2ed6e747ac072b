import type { Call } from './call.ts'

/** Whose manners an answer has: ids, limit headers and the shape of errors. */
export type Dialect = 'openai' | 'anthropic' | 'http'

/** What a path addresses once the optional `/p/NAME` prefix is taken off. */
export interface Target {
  readonly route: string
  readonly provider: string
  readonly dialect: Dialect
}

const PROVIDER_PREFIX = /^\/p\/([^/]+)(\/.*)$/

/** One process can play several providers: `/p/NAME/v1/…` is provider NAME, without it the dialect names it. */
export function targetOf(call: Call): Target {
  const prefixed = call.path.startsWith('/p/') ? PROVIDER_PREFIX.exec(call.path) : null
  const route = prefixed?.[2] ?? call.path
  const dialect = dialectOf(route, call)
  return { route, dialect, provider: prefixed?.[1] ?? dialect }
}

function dialectOf(route: string, call: Call): Dialect {
  if (!route.startsWith('/v1/')) return 'http'
  if (route.startsWith('/v1/messages')) return 'anthropic'
  return call.header('anthropic-version') === undefined ? 'openai' : 'anthropic'
}
