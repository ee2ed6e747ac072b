import type { BookStore } from '../../core/limit/permit-book.ts'

/** Counters of limits, each as a row that its kind writes and reads. Written rarely: a row is a bound, not a count. */
export class PermitTable implements BookStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  create(): void {
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS permits (
      counter TEXT PRIMARY KEY,
      state TEXT NOT NULL,
      saved_at INTEGER NOT NULL
    ) WITHOUT ROWID`)
  }

  counter(id: string): string | null {
    const [row] = this.#sql.exec<{ state: string }>('SELECT state FROM permits WHERE counter = ?', id)
    return row?.state ?? null
  }

  saveCounter(id: string, row: string): void {
    this.#sql.exec(
      `INSERT INTO permits (counter, state, saved_at) VALUES (?, ?, ?)
       ON CONFLICT (counter) DO UPDATE SET state = excluded.state, saved_at = excluded.saved_at`,
      id,
      row,
      Date.now(),
    )
  }

  /** Forgets counters that were written before a time. */
  sweep(beforeMs: number): void {
    this.#sql.exec('DELETE FROM permits WHERE saved_at < ?', beforeMs)
  }
}
