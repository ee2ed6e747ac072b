/** Where the bytes of a partial response lie (RFC 9110 §14.4); both ends included, `total` null where unknown. */
export interface ContentRange {
  readonly first: number
  readonly last: number
  readonly total: number | null
}

/** A stored response without its body. Times in milliseconds since the epoch, durations in milliseconds. */
export interface StoredResponse {
  readonly kind: 'response'
  /** Random; another response has another one. */
  readonly id: string
  readonly status: number
  readonly statusText: string
  /** The upstream's header fields, names in lower case, without those of the connection. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** URL the upstream was asked for, and the target's id. */
  readonly url: string
  readonly target: string
  /** Path and query as clients see them; purges go by it. */
  readonly path: string
  readonly tags: readonly string[]
  readonly requestedMs: number
  readonly receivedMs: number
  readonly initialAgeMs: number
  readonly lifetimeMs: number
  /** Whether it must be validated before every use (`no-cache`). */
  readonly noCache: boolean
  /** Whether the origin forbids serving it stale. */
  readonly neverStale: boolean
  readonly staleWhileRevalidateMs: number
  readonly staleIfErrorMs: number
  /** The request's values of the fields in `Vary`, normalised. */
  readonly selecting: readonly (readonly [name: string, value: string])[]
  /** Null for a complete response. */
  readonly range: ContentRange | null
  /** Bytes of the stored body. */
  readonly length: number
  /** Name under which the body lies apart; null where it lies with this. */
  readonly bodyName: string | null
}

/** What lies under a URL whose responses vary: which request fields choose, and which variants there are. */
export interface VariantIndex {
  readonly kind: 'variants'
  /** Random. Variants lie under names made with it, so without the index none of them can be reached. */
  readonly generation: string
  /** Sets of request field names, the one last seen first. */
  readonly sets: readonly (readonly string[])[]
  /** Names of the variants, oldest first. */
  readonly variants: readonly string[]
  /** Names of variants by Content-Language, lower case. */
  readonly languages: Readonly<Record<string, string>>
}

export type CacheRecord = StoredResponse | VariantIndex

const version = 1

/** A record as printable ASCII, fit for a header. */
export function writeRecord(record: CacheRecord): string {
  const json = JSON.stringify({ version, ...record })
  return json.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** @returns null for anything that this version of the gateway did not write */
export function readRecord(text: string | null): CacheRecord | null {
  if (text === null) return null
  try {
    const value = JSON.parse(text) as { readonly version?: unknown; readonly kind?: unknown } | null
    if (value?.version !== version) return null
    if (value.kind !== 'response' && value.kind !== 'variants') return null
    return value as unknown as CacheRecord
  } catch {
    return null
  }
}

/** A stored field's value, or null. */
export function storedField(entry: StoredResponse, name: string): string | null {
  const found = entry.fields.filter(([each]) => each === name)
  return found.length === 0 ? null : found.map(([, value]) => value).join(', ')
}

/** Current age of a stored response (RFC 9111 §4.2.3), in milliseconds. */
export function ageMs(entry: StoredResponse, nowMs: number): number {
  return entry.initialAgeMs + Math.max(0, nowMs - entry.receivedMs)
}

/** How long a stored response is still fresh, in milliseconds; negative once it is stale. */
export function freshForMs(entry: StoredResponse, nowMs: number): number {
  return entry.lifetimeMs - ageMs(entry, nowMs)
}

/** Whether it can be asked whether the stored response still holds. */
export function hasValidator(entry: StoredResponse): boolean {
  return entry.fields.some(([name]) => name === 'etag' || name === 'last-modified')
}
