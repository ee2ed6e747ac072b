import type { Route } from '../../core/config/types.ts'

/** The query as it is forwarded: byte for byte what the client sent, without the parameter that may carry its key. */
export function forwardedQuery(query: string, route: Route): string {
  if (query === '' || route.keyQuery === null) return query
  const name = route.keyQuery
  const kept = query
    .slice(1)
    .split('&')
    .filter((pair) => nameOf(pair) !== name)
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

/** The decoded name of a `name=value` pair; a name that cannot be decoded is no name we know. */
function nameOf(pair: string): string | null {
  const equals = pair.indexOf('=')
  const name = equals === -1 ? pair : pair.slice(0, equals)
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return null
  }
}
