import type { KeySourceName, Route } from '../config/types.ts'
import type { Outcome } from '../outcome.ts'
import { keyPrefix, keyTextLengthMax } from './key-text.ts'

/** `Bearer` is matched without regard to case (RFC 9110 §11.1). */
const bearerPattern = /^bearer +/i

/**
 * The Sluice key that a request presents in one of the places its route allows.
 *
 * Values without our prefix are another system's and are ignored. The same key in two places is one key.
 * @returns the key's text, null when there is none; refusals `key_conflict` for two different keys, `key_invalid` for
 *   what cannot be a key: longer than one, or a header that was sent twice and joined with a comma.
 */
export function presentedKey(
  headers: Headers,
  query: string,
  route: Pick<Route, 'keySources' | 'keyQuery'>,
): Outcome<string | null> {
  let found: string | null = null
  for (const value of presentedValues(headers, query, route)) {
    if (value.length > keyTextLengthMax || value.includes(',')) return { refused: 'key_invalid' }
    if (found !== null && found !== value) return { refused: 'key_conflict' }
    found = value
  }
  return found
}

function presentedValues(
  headers: Headers,
  query: string,
  route: Pick<Route, 'keySources' | 'keyQuery'>,
): readonly string[] {
  const values: string[] = []
  for (const source of route.keySources) {
    const header = headers.get(source)
    const value = header === null ? null : readHeader(source, header)
    if (value !== null) values.push(value)
  }
  if (route.keyQuery === null || query.length < 2) return values
  const parameters = new URLSearchParams(query).getAll(route.keyQuery)
  return values.concat(parameters.filter((value) => value.startsWith(keyPrefix)))
}

function readHeader(source: KeySourceName, value: string): string | null {
  if (value.includes(',')) return readJoined(value)
  if (source === 'x-api-key') return value.startsWith(keyPrefix) ? value : null
  const scheme = bearerPattern.exec(value)
  if (scheme === null) return null
  const token = value.slice(scheme[0].length)
  return token.startsWith(keyPrefix) ? token : null
}

/** A header sent twice arrives as `a, b`; when a key of ours is among them, the whole of it stands for that key. */
function readJoined(value: string): string | null {
  const ours = value.split(',').some((part) => part.trim().replace(bearerPattern, '').startsWith(keyPrefix))
  return ours ? value : null
}
