import { dropOldest } from '../../core/drop-oldest.ts'
import type { Page, PageRequest } from '../../core/key/account.ts'
import type { KeyRecord } from '../../core/key/key-record.ts'
import { legibleRecord, readRecord } from '../../core/key/record-life.ts'
import type { Unpublished } from '../../core/key/outbox.ts'

/** A record on its way to KV. */
export interface OutboxRow extends Unpublished {
  /** The record as JSON. */
  readonly record: string
}

/** A stored record, as JSON. */
export type RecordRow = { record: string }

type KeyRow = RecordRow & Pick<KeyRecord, 'id' | 'version' | 'state'>

/** Records kept in memory, so that a message about known keys reads no rows. */
const memoryMax = 1_000

/**
 * The keys of one account in the Ledger's SQLite. A row whose version is above its published one is the outbox.
 *
 * After a roll-back there may be records that only a newer version of the gateway can read. Nobody is let in by them;
 * operators see what can be read and may revoke or change it, and what cannot be read stays as it is.
 */
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

  /** @returns null for a record that cannot be read, as well */
  find(id: string): KeyRecord | null {
    const known = this.#memory.get(id)
    if (known !== undefined) {
      this.#memory.delete(id)
      this.#memory.set(id, known)
      return known
    }
    const [row] = this.#sql.exec<RecordRow>('SELECT record FROM keys WHERE id = ?', id)
    const record = row === undefined ? null : recordIn(row)
    if (record !== null) this.#remember(record)
    return record
  }

  /** What can be read of a record, for an operator. */
  shown(id: string): KeyRecord | null {
    const record = this.find(id)
    if (record !== null) return record
    const [row] = this.#sql.exec<KeyRow>('SELECT id, version, state, record FROM keys WHERE id = ?', id)
    return row === undefined ? null : shownIn(row)
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

  /**
   * Changes some fields of a record; what a newer version of the gateway wrote beside them stays.
   * @param record as it is then, as far as it can be read
   */
  update({ id, version, state }: KeyRecord, change: Partial<KeyRecord>): void {
    this.#memory.delete(id)
    const [row] = this.#sql.exec<RecordRow>('SELECT record FROM keys WHERE id = ?', id)
    const stored = row === undefined ? null : jsonIn(row)
    this.#sql.exec(
      'UPDATE keys SET version = ?, state = ?, record = ? WHERE id = ? AND version < ?',
      version,
      state,
      JSON.stringify({ ...stored, ...change, id, version, state }),
      id,
      version,
    )
  }

  list({ after, itemsMax }: PageRequest): Page<KeyRecord> {
    const rows = this.#sql
      .exec<KeyRow>(
        'SELECT id, version, state, record FROM keys WHERE id > ? ORDER BY id LIMIT ?',
        after ?? '',
        itemsMax + 1,
      )
      .toArray()
    const items = rows.slice(0, itemsMax).map(shownIn)
    return { items, next: rows.length > itemsMax ? (items.at(-1)?.id ?? null) : null }
  }

  active(): readonly KeyRecord[] {
    const rows = this.#sql
      .exec<KeyRow>(`SELECT id, version, state, record FROM keys WHERE state = 'active'`)
      .toArray()
    return rows.map(shownIn)
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

  /**
   * A write that was given up has come to its end after all: KV may hold this version in the place of a later one.
   * @returns whether a later one has to be written again
   */
  markOvertaken(row: OutboxRow): boolean {
    const { rowsWritten } = this.#sql.exec(
      'UPDATE keys SET published_version = ? WHERE id = ? AND published_version > ?',
      row.version,
      row.id,
      row.version,
    )
    return rowsWritten > 0
  }

  #remember(record: KeyRecord): void {
    this.#memory.set(record.id, record)
    dropOldest(this.#memory, memoryMax)
  }
}

/** @returns null when it cannot be read */
export function recordIn(row: RecordRow): KeyRecord | null {
  return readRecord(jsonIn(row))
}

function shownIn(row: KeyRow): KeyRecord {
  const value = jsonIn(row)
  const { id, version, state } = row
  return readRecord(value) ?? legibleRecord(value, { id, version, state })
}

/** @returns null when it is no object */
function jsonIn({ record }: RecordRow): object | null {
  try {
    const value: unknown = JSON.parse(record)
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}
