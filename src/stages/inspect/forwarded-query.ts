import type { Route } from '../../core/config/types.ts'
import { keyPrefix } from '../../core/key/key-text.ts'

/** Where neither stands, no parameter can hold a key of this gateway, however it is encoded. */
const suspicious = /slc|%/i

/**
 * The query as it is forwarded: byte for byte what the client sent, without the parameter that may carry its key and
 * without any that holds one.
 */
export function forwardedQuery(query: string, { keyQuery }: Route): string {
  if (query === '' || (keyQuery === null && !suspicious.test(query))) return query
  const kept = query
    .slice(1)
    .split('&')
    .filter((pair) => nameOf(pair) !== keyQuery && !decoded(pair)?.includes(keyPrefix))
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

function nameOf(pair: string): string | undefined {
  const equals = pair.indexOf('=')
  return decoded(equals === -1 ? pair : pair.slice(0, equals))
}

/** A text as `application/x-www-form-urlencoded` means it; undefined where it cannot be decoded. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}
