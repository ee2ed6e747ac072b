import { isLimitSpec } from '../limit/read-spec.ts'
import type { KeyChange, KeyRecord, NewKey } from './key-record.ts'

/** What the Ledger is told of a key that was made; the key itself never reaches it. */
export interface IssuedKey extends NewKey {
  readonly id: string
  /** SHA-256 of the whole key text, lower-case hex. */
  readonly hash: string
  readonly createdAtMs: number
}

/** The first version of a key's record. */
export function newRecord(account: string, key: IssuedKey): KeyRecord {
  return {
    schema: 1,
    account,
    id: key.id,
    name: key.name,
    version: 1,
    state: 'active',
    hash: key.hash,
    scopes: key.scopes,
    models: key.models,
    limits: key.limits,
    strict: key.strict,
    createdAtMs: key.createdAtMs,
    expiresAtMs: key.expiresAtMs,
    revokedAtMs: null,
  }
}

/** The record after revocation; the same record when it is revoked already, so that a repeated call changes nothing. */
export function revokeRecord(record: KeyRecord, nowMs: number): KeyRecord {
  if (record.state === 'revoked') return record
  return { ...record, version: record.version + 1, state: 'revoked', revokedAtMs: nowMs }
}

/**
 * The record after a change; the same record when nothing is changed, or the key is revoked.
 * @param change fields that are left out stay
 */
export function changeRecord(record: KeyRecord, change: KeyChange): KeyRecord {
  if (record.state === 'revoked') return record
  const changed = { ...record, ...change }
  if (JSON.stringify(changed) === JSON.stringify(record)) return record
  return { ...changed, version: record.version + 1 }
}

/** What each field must be. */
const shape: { readonly [F in keyof KeyRecord]: (value: unknown) => boolean } = {
  schema: (value) => value === 1,
  account: isText,
  id: isText,
  name: isText,
  version: isNumber,
  state: (value) => value === 'active' || value === 'revoked',
  hash: isText,
  scopes: isTexts,
  // Absent in records of the first release.
  models: (value) => value === undefined || value === null || isModelRules(value),
  limits: (value) => value === undefined || isLimits(value),
  strict: (value) => value === undefined || typeof value === 'boolean',
  createdAtMs: isNumber,
  expiresAtMs: (value) => value === null || isNumber(value),
  revokedAtMs: (value) => value === null || isNumber(value),
}
const fields = Object.entries(shape)
/** What a field stands for that an older writer did not know. */
const absent: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['limits', []],
  ['strict', false],
])

/**
 * Reads a record that came from KV or from a Ledger. A newer writer may have added fields; they are dropped.
 * @returns null when it is not a record of this layout.
 */
export function readRecord(value: unknown): KeyRecord | null {
  if (typeof value !== 'object' || value === null) return null
  const from = new Map<string, unknown>(Object.entries(value))
  if (!fields.every(([name, fits]) => fits(from.get(name)))) return null
  const read = Object.fromEntries(fields.map(([name]) => [name, from.get(name) ?? absent.get(name) ?? null]))
  return read as unknown as KeyRecord
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText)
}

function isModelRules(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('allow' in value) || !('deny' in value)) return false
  return (value.allow === null || isTexts(value.allow)) && isTexts(value.deny)
}

function isLimits(value: unknown): boolean {
  return Array.isArray(value) && value.every(isLimitSpec)
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value)
}
