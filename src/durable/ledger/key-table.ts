import type { Page, PageRequest } from '../../core/key/account.ts'
import type { KeyRecord } from '../../core/key/key-record.ts'
import { readRecord } from '../../core/key/record-life.ts'
import type { Unpublished } from '../../core/key/outbox.ts'

/** A record on its way to KV. */
export interface OutboxRow extends Unpublished {
  /** The record as JSON. */
  readonly record: string
}

/** A stored record, as JSON. */
export type RecordRow = { record: string }

/** Records kept in memory, so that a message about known keys reads no rows. */
const memoryMax = 1_000

/** The keys of one account in the Ledger's SQLite. A row whose version is above its published one is the outbox. */
export class KeyTable {
  readonly #sql: SqlStorage
  /** Records as they are stored, those asked for last at the end. */
  readonly #memory = new Map<string, KeyRecord>()

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  create(): void {
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS keys (
      id TEXT PRIMARY KEY,
      version INTEGER NOT NULL,
      state TEXT NOT NULL,
      record TEXT NOT NULL,
      published_version INTEGER NOT NULL DEFAULT 0,
      published_at INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID`)
    this.#sql.exec(
      'CREATE INDEX IF NOT EXISTS outbox ON keys (published_at) WHERE version > published_version',
    )
    this.#sql.exec(`CREATE INDEX IF NOT EXISTS active ON keys (id) WHERE state = 'active'`)
  }

  /** Trusts nothing but the rows. */
  reload(): void {
    this.#memory.clear()
  }

  find(id: string): KeyRecord | null {
    const known = this.#memory.get(id)
    if (known !== undefined) {
      this.#memory.delete(id)
      this.#memory.set(id, known)
      return known
    }
    const [row] = this.#sql.exec<RecordRow>('SELECT record FROM keys WHERE id = ?', id)
    return row === undefined ? null : this.#remember(recordIn(row))
  }

  /** @returns false when the id is taken. */
  insert(record: KeyRecord): boolean {
    const { rowsWritten } = this.#sql.exec(
      'INSERT INTO keys (id, version, state, record) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
      record.id,
      record.version,
      record.state,
      JSON.stringify(record),
    )
    return rowsWritten > 0
  }

  update(record: KeyRecord): void {
    this.#memory.delete(record.id)
    this.#sql.exec(
      'UPDATE keys SET version = ?, state = ?, record = ? WHERE id = ? AND version < ?',
      record.version,
      record.state,
      JSON.stringify(record),
      record.id,
      record.version,
    )
  }

  list({ after, itemsMax }: PageRequest): Page<KeyRecord> {
    const rows = this.#sql
      .exec<RecordRow>('SELECT record FROM keys WHERE id > ? ORDER BY id LIMIT ?', after ?? '', itemsMax + 1)
      .toArray()
    const items = rows.slice(0, itemsMax).map(recordIn)
    return { items, next: rows.length > itemsMax ? (items.at(-1)?.id ?? null) : null }
  }

  active(): readonly KeyRecord[] {
    const rows = this.#sql.exec<RecordRow>(`SELECT record FROM keys WHERE state = 'active'`).toArray()
    return rows.map(recordIn)
  }

  /** Records that KV does not have, those written longest ago first. */
  unpublished(rowsMax: number): readonly OutboxRow[] {
    return this.#sql
      .exec<{ id: string; version: number; record: string; publishedAtMs: number }>(
        `SELECT id, version, record, published_at AS publishedAtMs FROM keys
         WHERE version > published_version ORDER BY published_at LIMIT ?`,
        rowsMax,
      )
      .toArray()
  }

  /** Notes that KV has taken a version. A later version stays in the outbox. */
  markPublished(row: OutboxRow, nowMs: number): void {
    this.#sql.exec(
      'UPDATE keys SET published_version = ?, published_at = ? WHERE id = ? AND published_version < ?',
      row.version,
      nowMs,
      row.id,
      row.version,
    )
  }

  #remember(record: KeyRecord): KeyRecord {
    this.#memory.set(record.id, record)
    if (this.#memory.size > memoryMax) {
      const [oldest] = this.#memory.keys()
      if (oldest !== undefined) this.#memory.delete(oldest)
    }
    return record
  }
}

/** @throws {Error} when what is stored is no record: only `KeyTable` writes it */
export function recordIn(row: RecordRow): KeyRecord {
  const record = readRecord(JSON.parse(row.record))
  if (record === null) throw new Error('a stored key record cannot be read')
  return record
}
