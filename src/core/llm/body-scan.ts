import { isRefusal, type Outcome } from '../outcome.ts'
import { type BodyFacts, factsOf, readValue, typedKeys } from './body-facts.ts'
import type { JsonValue } from './json-value.ts'
import { type ObjectScan, scanObject } from './object-scan.ts'
import { WatchedKeys } from './watched-keys.ts'

/** What a scan found in the body of an LLM request. */
export interface BodyScan extends ObjectScan {
  readonly facts: BodyFacts
  /** Decoded values of the watched keys that are there; `undefined` for one too long to be read. */
  readonly values: ReadonlyMap<string, JsonValue | undefined>
  readonly watched: WatchedKeys
}

const typedOnly = new WatchedKeys(typedKeys)

/** The typed keys and those named; make it once for many bodies. */
export function watchedKeys(more: Iterable<string>): WatchedKeys {
  const keys = new Set([...typedKeys, ...more])
  return keys.size === typedKeys.length ? typedOnly : new WatchedKeys(keys)
}

/**
 * Scans the whole body of an LLM request: one JSON object in UTF-8 (RFC 8259), judged as strictly as `JSON.parse` of a
 * fatal decoding with the byte order mark left in.
 * @param watched keys to look for; the typed keys of `BodyFacts` have to be among them
 * @returns refusal `malformed_request` for what is not such an object, nests deeper than `depthMax`, has a watched key
 *   twice or in another case, a typed key with a value of another type, or a typed member over `memberBytesMax`
 */
export function scanBody(bytes: Uint8Array, watched = typedOnly): Outcome<BodyScan> {
  const values = new Map<string, JsonValue | undefined>()
  const scan = scanObject(bytes, watched, (member, text) => {
    const read = readValue(member, text)
    if (isRefusal(read)) return read
    values.set(member.key, read.value)
    return null
  })
  return isRefusal(scan) ? scan : { ...scan, values, facts: factsOf(values), watched }
}
