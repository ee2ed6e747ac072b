import type { Outcome } from '../outcome.ts'
import type { KeyRecord } from './key-record.ts'
import type { KeyPrincipal } from './principal.ts'

/**
 * Who holds a genuine key, if it may be used at `nowMs`.
 * @returns refusal `key_invalid` for a revoked or expired key, the same as for one that does not exist.
 */
export function judgeKey(record: KeyRecord, nowMs: number): Outcome<KeyPrincipal> {
  const expired = record.expiresAtMs !== null && nowMs >= record.expiresAtMs
  if (record.state !== 'active' || expired) return { refused: 'key_invalid' }
  return {
    kind: 'key',
    account: record.account,
    keyId: record.id,
    scopes: record.scopes,
    models: record.models,
    limits: record.limits,
  }
}
