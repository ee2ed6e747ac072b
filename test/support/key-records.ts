import type { KeyRecord } from '../../src/core/key/key-record.ts'

/** An active key without limits. */
export function keyRecordWith(changes: Partial<KeyRecord> = {}): KeyRecord {
  return {
    schema: 1,
    account: 'aaaaaaaaaa',
    id: '1111111111',
    name: 'a key',
    version: 1,
    state: 'active',
    hash: '',
    scopes: [],
    models: null,
    limits: [],
    strict: false,
    createdAtMs: 0,
    expiresAtMs: null,
    revokedAtMs: null,
    ...changes,
  }
}
