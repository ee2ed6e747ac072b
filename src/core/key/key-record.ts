import type { ModelRules } from '../config/types.ts'
import type { LimitSpec } from '../limit/spec.ts'

/** A client credential of an account as the Ledger holds it and KV projects it. */
export interface KeyRecord {
  /** Layout of this record. */
  readonly schema: 1
  readonly account: string
  readonly id: string
  readonly name: string
  /** Grows by one with each change; an older version never overrides a newer one. */
  readonly version: number
  readonly state: 'active' | 'revoked'
  /** SHA-256 of the whole key text, lower-case hex. The key itself is stored nowhere. */
  readonly hash: string
  readonly scopes: readonly string[]
  /** Which models the key may use; null leaves it to the route. */
  readonly models: ModelRules | null
  readonly limits: readonly LimitSpec[]
  /** Whether every request asks the Ledger whether the key still holds. */
  readonly strict: boolean
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
  readonly revokedAtMs: number | null
}

/** What an operator says of a key to be made. */
export interface NewKey {
  readonly name: string
  readonly scopes: readonly string[]
  readonly models: ModelRules | null
  readonly limits: readonly LimitSpec[]
  readonly strict: boolean
  readonly expiresAtMs: number | null
}

/** What an operator changes of a key; what is left out stays. */
export type KeyChange = Partial<NewKey>
