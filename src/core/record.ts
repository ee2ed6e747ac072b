import type { Usage } from './llm/usage.ts'
import type { AttemptRecord } from './upstream/attempt.ts'
import type { Ending } from './stream/ending.ts'

/**
 * What the cache did with a request: answered from what was fresh, from what was stale, or after the upstream said that
 * it still holds; passed it on and kept the answer; or passed it on.
 */
export type CacheOutcome = 'hit' | 'stale' | 'validated' | 'stored' | 'miss'

/** The one line per request that metrics, logs and usage are made of. No bodies, no secrets, no query strings. */
export interface RequestRecord {
  readonly kind: 'request'
  /** Milliseconds since the epoch. */
  readonly startedMs: number
  readonly id: string
  /** The client's `x-request-id`, shortened and without control characters. */
  readonly clientRequestId: string | null
  readonly method: string
  /** The client's IPv4 address or IPv6 /64; null where nobody's word on it is taken. */
  readonly client: string | null
  readonly account: string | null
  readonly keyId: string | null
  readonly route: string | null
  readonly target: string | null
  readonly status: number
  readonly refused: string | null
  /** Names of the limits that had too little; empty where none refused. */
  readonly violated: readonly string[]
  /** The model as the client named it, and as the upstream got it. */
  readonly model: string | null
  readonly upstreamModel: string | null
  /** Null for an exchange that generated nothing. */
  readonly usage: Usage | null
  /** Micro-dollars; null without usage, and for a model that has no price. */
  readonly costMicroUsd: number | null
  /** Whether the model has a price; null without usage. */
  readonly priced: boolean | null
  readonly upstreamStatus: number | null
  readonly upstreamRequestId: string | null
  /** Every attempt at a target, in the order in which they came to an end. */
  readonly attempts: readonly AttemptRecord[]
  /** Null where the route has no cache, or the request no use for it. */
  readonly cache: CacheOutcome | null
  /** Which tier of the body plan carried the response. */
  readonly tier: 'none' | 'native' | 'whole' | 'tap' | 'pump'
  readonly ending: Ending
  /** Body bytes handed to the client; null where the tier cannot know (native, ended early). */
  readonly bytes: number | null
  /** Milliseconds the request waited, by operation, and in all. */
  readonly waits: Readonly<Record<string, number>>
  readonly totalMs: number
}
