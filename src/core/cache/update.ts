import { storedField, type StoredResponse } from './entry.ts'
import { responseDirectives } from './freshness.ts'
import type { CachePolicy } from './policy.ts'
import { keptFields, termsOf, type Received } from './storable.ts'

/** Fields that describe the stored bytes; a 304 or HEAD does not change them (RFC 9111 §3.2). */
const aboutTheBytes: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-length',
  'content-md5',
  'content-range',
  'etag',
])

/**
 * A stored response as a 304 freshens it (RFC 9111 §4.3.4). The request named one entity tag at most, so the 304 speaks
 * of what is stored even where it shows another tag; that tag is not taken over.
 * @returns null when the result may not be kept
 */
export function freshened(
  entry: StoredResponse,
  received: Received,
  policy: CachePolicy,
): StoredResponse | null {
  return merged(entry, received, policy)
}

/**
 * A stored response as a 200 to HEAD updates it (RFC 9111 §4.3.5).
 * @returns null when the answer is about another representation: then the stored one is stale
 */
export function updatedByHead(
  entry: StoredResponse,
  received: Received,
  policy: CachePolicy,
): StoredResponse | null {
  const { headers, status } = received
  if (status !== 200 || entry.status !== 200) return null
  for (const name of ['etag', 'last-modified']) {
    const said = headers.get(name)
    if (said !== null && said !== storedField(entry, name)) return null
  }
  const length = headers.get('content-length')
  if (length !== null && length !== storedField(entry, 'content-length') && length !== String(entry.length))
    return null
  return merged(entry, received, policy)
}

function merged(entry: StoredResponse, received: Received, policy: CachePolicy): StoredResponse | null {
  const { directives } = responseDirectives(received.headers)
  const newer = keptFields(received.headers, directives).filter(([name]) => !aboutTheBytes.has(name))
  const replaced = new Set(newer.map(([name]) => name))
  const fields = [...entry.fields.filter(([name]) => !replaced.has(name)), ...newer]
  const headers = headersOf(fields)
  // The age of the whole is the age of what just came.
  const age = received.headers.get('age')
  if (age !== null) headers.set('age', age)
  const terms = termsOf({ ...received, status: entry.status, headers }, policy)
  if (terms === null) return null
  const { requestedMs, receivedMs } = received
  return {
    ...entry,
    ...terms,
    fields,
    range: entry.range,
    selecting: entry.selecting,
    requestedMs,
    receivedMs,
  }
}

/** Header fields as an object of the runtime; what it cannot take is left out. */
export function headersOf(fields: readonly (readonly [string, string])[]): Headers {
  const headers = new Headers()
  for (const [name, value] of fields) headers.append(name, value)
  return headers
}
