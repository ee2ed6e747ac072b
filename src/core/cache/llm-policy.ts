/** How a route caches the answers of models. Outside RFC 9111: a request is told apart by its body. */
export interface LlmCachePolicy {
  /** Whom an answer serves: the key that asked, its account, or everyone. */
  readonly scope: 'key' | 'account' | 'public'
  /** How long an answer is fresh, in milliseconds; a request may ask for less. */
  readonly ttlMs: number
  /** Members of the request body, at its top, that do not tell requests apart. */
  readonly ignore: readonly string[]
  /** Whether answers are cached that were asked for with a temperature above 0, or with none. */
  readonly sampled: boolean
  /** Largest request body and largest answer that take part, in bytes. */
  readonly bytesMax: number
  /** Part of every key: another text makes all entries unreachable. */
  readonly version: string
}
