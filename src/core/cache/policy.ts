/**
 * How a route caches HTTP answers. A profile sets all of it; single settings may differ from their profile.
 *
 * `safe` refuses what has hurt gateways: cookies of one client handed to another, freshness that nobody promised,
 * clients that turn the cache off. `full` does all that RFC 9111 allows.
 */
export interface CachePolicy {
  readonly profile: 'safe' | 'full'
  /** Whose answers an entry serves: the account's that asked for it, or everyone's. */
  readonly scope: 'account' | 'public'
  /**
   * Answers to requests with credentials: kept where RFC 9111 §3.5 allows it, or kept for the account alone, which
   * needs no word of the origin.
   */
  readonly authorized: 'rfc' | 'account'
  /** Keep answers that set cookies. */
  readonly setCookies: boolean
  /** Freshness by a tenth of the age of the last change (RFC 9111 §4.2.2). */
  readonly heuristics: boolean
  /** Take the order of the values in Accept fields for meaningless. */
  readonly looseVary: boolean
  /** Choose among variants by Content-Language and the client's q-values. */
  readonly languageVary: boolean
  /** Keep partial answers whose length contradicts their Content-Range. */
  readonly loosePartial: boolean
  /** Heed the Cache-Control of requests (RFC 9111 §5.2.1). */
  readonly clientDirectives: boolean
  /** How long after its freshness an answer may serve while the origin cannot be reached, in milliseconds. */
  readonly staleOnDisconnectMs: number
  /** How long an error (400 and above) may be fresh, in milliseconds. */
  readonly errorMs: number
  /** Largest body that is kept, in bytes. */
  readonly bytesMax: number
  /** Part of every key: another text makes all entries unreachable. */
  readonly version: string
}
