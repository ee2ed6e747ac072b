import { keptMsMax } from '../../core/cache/reuse.ts'
import {
  noPurges,
  withoutOld,
  withPurge,
  type PurgeLog,
  type PurgeSubject,
} from '../../core/cache/purge-log.ts'

/** What was purged of the account's cached answers: one row, since all of it is told at once. */
export class PurgeTable {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  create(): void {
    this.#sql.exec(
      'CREATE TABLE IF NOT EXISTS purges (one INTEGER PRIMARY KEY CHECK (one = 1), log TEXT NOT NULL)',
    )
  }

  log(): PurgeLog {
    const [row] = this.#sql.exec<{ log: string }>('SELECT log FROM purges')
    return row === undefined ? noPurges : (JSON.parse(row.log) as PurgeLog)
  }

  /** Notes a purge, and forgets those that no stored answer is older than. @returns the log */
  add(subject: PurgeSubject, hard: boolean, nowMs: number): PurgeLog {
    const log = withPurge(withoutOld(this.log(), keptMsMax, nowMs), subject, hard, nowMs)
    this.#sql.exec(
      'INSERT INTO purges (one, log) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET log = excluded.log',
      JSON.stringify(log),
    )
    return log
  }
}
