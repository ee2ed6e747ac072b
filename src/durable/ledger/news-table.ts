import { toldMax, type ToTell } from '../../core/key/change-log.ts'
import type { KeyRecord } from '../../core/key/key-record.ts'
import { isLimitSpec, legibleLimits } from '../../core/limit/read-spec.ts'
import type { LimitSpec } from '../../core/limit/spec.ts'
import { recordIn, type RecordRow } from './key-table.ts'

/** What isolates are told of an account beyond its keys. */
export interface AccountTerms {
  /** Grows with each change of the account and its keys. */
  readonly sequence: number
  readonly limits: readonly LimitSpec[]
  readonly configEpoch: number
  readonly purgeEpoch: number
}

type TermsRow = { sequence: number; limits: string; configEpoch: number; purgeEpoch: number }

const noLimits = '[]'
const firstTerms: AccountTerms = { sequence: 0, limits: [], configEpoch: 0, purgeEpoch: 0 }

/** The account's sequence, and which key was changed last at which. Each key has one row, so the log needs no sweep. */
export class NewsTable {
  readonly #sql: SqlStorage
  #terms: AccountTerms = firstTerms
  /** The limits as they are stored: after a roll-back some may be of a kind that only a newer version knows. */
  #limits = noLimits

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** Makes what is missing, and reads what is there. */
  create(): void {
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS account_terms (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      sequence INTEGER NOT NULL,
      limits TEXT NOT NULL,
      config_epoch INTEGER NOT NULL,
      purge_epoch INTEGER NOT NULL
    )`)
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS key_changes (
      key TEXT PRIMARY KEY,
      sequence INTEGER NOT NULL,
      changed_at INTEGER NOT NULL
    ) WITHOUT ROWID`)
    this.#sql.exec('CREATE INDEX IF NOT EXISTS key_changes_by_sequence ON key_changes (sequence)')
    this.load()
  }

  /** Reads what is stored. Limits that cannot be read hold for nobody, and stay stored. */
  load(): void {
    const [row] = this.#sql.exec<TermsRow>(
      'SELECT sequence, limits, config_epoch AS configEpoch, purge_epoch AS purgeEpoch FROM account_terms',
    )
    this.#terms = row === undefined ? firstTerms : { ...row, limits: limitsIn(row.limits) }
    this.#limits = row?.limits ?? noLimits
  }

  /** Takes into the log what a first release changed in the last 24 hours: it kept no log, but what it wrote to KV. */
  adopt(afterMs: number, nowMs: number): void {
    if (this.#terms.sequence > 0) return
    this.#save({ ...this.#terms, sequence: 1 })
    this.#sql.exec(
      `INSERT OR IGNORE INTO key_changes (key, sequence, changed_at)
       SELECT id, 1, ? FROM keys WHERE version > published_version OR published_at > ?`,
      nowMs,
      afterMs,
    )
  }

  terms(): AccountTerms {
    return this.#terms
  }

  /**
   * Puts other limits in force.
   * @throws {Error} when what is said are no limits
   */
  setLimits(limits: readonly LimitSpec[]): readonly LimitSpec[] {
    const text = JSON.stringify(limits)
    if (this.#limits !== text) {
      const sequence = this.#terms.sequence + 1
      this.#save({ ...this.#terms, limits: checked(limits), sequence }, text)
    }
    return this.#terms.limits
  }

  /** Notes that cached answers were purged. */
  notePurge(epoch: number): void {
    this.#save({ ...this.#terms, sequence: this.#terms.sequence + 1, purgeEpoch: epoch })
  }

  /** Notes a change of the account, and of keys with it. */
  note(keys: readonly string[], nowMs: number): void {
    const sequence = this.#terms.sequence + 1
    this.#save({ ...this.#terms, sequence })
    for (const key of keys) {
      this.#sql.exec(
        `INSERT INTO key_changes (key, sequence, changed_at) VALUES (?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET sequence = excluded.sequence, changed_at = excluded.changed_at`,
        key,
        sequence,
        nowMs,
      )
    }
  }

  /** @returns the records to tell of; null when they are too many, or one cannot be read. */
  changed(what: ToTell): readonly KeyRecord[] | null {
    switch (what.tell) {
      case 'nothing':
        return []
      case 'everything':
        return null
      case 'since':
        return this.#changedSince(what.sequence)
      case 'recent':
        return this.#changedSince(this.#sequenceBefore(what.afterMs))
    }
  }

  #changedSince(sequence: number): readonly KeyRecord[] | null {
    const rows = this.#sql
      .exec<RecordRow>(
        `SELECT record FROM key_changes JOIN keys ON keys.id = key_changes.key
         WHERE key_changes.sequence > ? ORDER BY key_changes.sequence LIMIT ?`,
        sequence,
        toldMax + 1,
      )
      .toArray()
    if (rows.length > toldMax) return null
    const records = rows.map(recordIn)
    return records.every((record) => record !== null) ? records : null
  }

  /** The last sequence of changes not after a time, as far as it matters: of the last few changes. */
  #sequenceBefore(afterMs: number): number {
    const rows = this.#sql
      .exec<{ sequence: number; changedAtMs: number }>(
        `SELECT sequence, changed_at AS changedAtMs FROM key_changes ORDER BY sequence DESC LIMIT ?`,
        toldMax + 1,
      )
      .toArray()
    return rows.find(({ changedAtMs }) => changedAtMs <= afterMs)?.sequence ?? 0
  }

  #save(terms: AccountTerms, limits = this.#limits): void {
    this.#sql.exec(
      `INSERT INTO account_terms (one, sequence, limits, config_epoch, purge_epoch) VALUES (1, ?, ?, ?, ?)
       ON CONFLICT (one) DO UPDATE SET sequence = excluded.sequence, limits = excluded.limits,
         config_epoch = excluded.config_epoch, purge_epoch = excluded.purge_epoch`,
      terms.sequence,
      limits,
      terms.configEpoch,
      terms.purgeEpoch,
    )
    this.#terms = terms
    this.#limits = limits
  }
}

function limitsIn(text: string): readonly LimitSpec[] {
  try {
    return legibleLimits(JSON.parse(text))
  } catch {
    return []
  }
}

function checked(limits: unknown): readonly LimitSpec[] {
  if (!Array.isArray(limits) || !limits.every(isLimitSpec)) throw new Error('these are no limits')
  return limits
}
