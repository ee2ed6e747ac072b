import type { PurgeLog } from '../cache/purge-log.ts'
import type { LimitSpec } from '../limit/spec.ts'
import type { KeyRecord } from './key-record.ts'

/** What an account's Ledger tells an isolate of the account; true for 5 s from when the isolate asked. */
export interface AccountNews {
  /** Grows with each change of the account and its keys. */
  readonly sequence: number
  readonly state: 'active' | 'deleted'
  readonly limits: readonly LimitSpec[]
  /**
   * Records changed since the sequence that the isolate named, or in the last 24 hours where it named none. Null when
   * there are too many, or the sequence is too old: then every key has to be asked for again.
   */
  readonly changed: readonly KeyRecord[] | null
  /** Grows when a configuration is pushed. */
  readonly configEpoch: number
  /** Grows when cached answers of the account are purged. */
  readonly purgeEpoch: number
  /** What was purged; null when the isolate knows it, or nothing was. Absent from a Ledger that knows no purges. */
  readonly purges?: PurgeLog | null
}
