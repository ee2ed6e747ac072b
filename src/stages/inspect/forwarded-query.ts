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
    .filter((pair) => !carriesKey(pair, keyQuery))
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

/** Decoded as `presentedKey` decodes, so that what was taken for a key is never forwarded. */
function carriesKey(pair: string, keyQuery: string | null): boolean {
  for (const [name, value] of new URLSearchParams(pair)) {
    if (name === keyQuery || `${name}=${value}`.includes(keyPrefix)) return true
  }
  return false
}
