import type { Outcome } from '../outcome.ts'
import { malformed } from './json-refusal.ts'
import { fold } from './watched-keys.ts'

interface Pair {
  /** Offsets of the value in the query. */
  readonly valueStart: number
  readonly valueEnd: number
  /** Whether every server takes it for the parameter: no other case, no list, no semicolon as a separator. */
  readonly plain: boolean
}

/**
 * Reads a parameter of a query (`application/x-www-form-urlencoded`, URL Standard §5), as every server would.
 * @param query without its question mark
 * @returns `null` when it is not there; refusal `malformed_request` when servers could read it differently: it is there
 *   twice, behind a semicolon, in another case, as a list (`name[]`), or its value is not percent-encoded UTF-8
 */
export function readQueryParameter(query: string, name: string): Outcome<string | null> {
  const pairs = pairsOf(query, name)
  const [pair] = pairs
  if (pair === undefined) return null
  if (pairs.length > 1) return malformed(`The query has the parameter \`${name}\` twice; send it once.`)
  if (!pair.plain) {
    return malformed(
      `The query has a parameter that some servers take for \`${name}\`; write it as \`&${name}=\`.`,
    )
  }
  const value = decodeStrictly(query.slice(pair.valueStart, pair.valueEnd))
  return value ?? malformed(`The query parameter \`${name}\` is not percent-encoded UTF-8; encode it.`)
}

/**
 * Sets a parameter of a query: in place of its value, or behind all others. Everything else stays as it is written.
 * @param query without its question mark, for which `readQueryParameter` gives no refusal
 */
export function setQueryParameter(query: string, name: string, value: string): string {
  const [pair] = pairsOf(query, name)
  const written = encodeURIComponent(value)
  if (pair === undefined) return `${query}${query === '' ? '' : '&'}${encodeURIComponent(name)}=${written}`
  const { valueStart, valueEnd } = pair
  const equals = query[valueStart - 1] === '=' ? '' : '='
  return `${query.slice(0, valueStart)}${equals}${written}${query.slice(valueEnd)}`
}

/** All that some server takes for the parameter; some take a semicolon for a separator. */
function pairsOf(query: string, name: string): Pair[] {
  const pairs: Pair[] = []
  for (const { 0: text, index } of query.matchAll(/[^&]+/g)) {
    for (const part of text.split(';')) {
      const key = keyOf(part)
      if (!namesParameter(key, name)) continue
      const equals = text.indexOf('=')
      const valueEnd = index + text.length
      const valueStart = equals < 0 ? valueEnd : index + equals + 1
      pairs.push({ valueStart, valueEnd, plain: key === name && part === text })
    }
  }
  return pairs
}

function keyOf(part: string): string {
  const equals = part.indexOf('=')
  return decodeLeniently(equals < 0 ? part : part.slice(0, equals))
}

/** Whether some server takes a key for the name: in another case, with spaces around it, or as a list of values. */
export function namesParameter(key: string, name: string): boolean {
  const [folded = ''] = fold(key).split(/[[.\0]/)
  return folded.trim() === fold(name)
}

function decodeLeniently(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replaceAll(/%[0-9a-f]{2}/gi, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16)))
}

function decodeStrictly(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return null
  }
}
