import { HintBoard, type HeardHint, type TargetHint } from '../../core/upstream/hints.ts'

type TargetRow = { target: string; state: TargetHint['state']; atMs: number; untilMs: number }

/** What checks without traffic have found out: kept, so that it is known when the first request comes after a while. */
export class TargetTable {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  create(): void {
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS targets (
      target TEXT PRIMARY KEY,
      state TEXT NOT NULL,
      at INTEGER NOT NULL,
      until INTEGER NOT NULL
    ) WITHOUT ROWID`)
  }

  /** A board with what may still be believed. */
  load(nowMs: number): HintBoard {
    const board = new HintBoard()
    const rows = this.#sql.exec<TargetRow>(
      'SELECT target, state, at AS atMs, until AS untilMs FROM targets WHERE until > ? ORDER BY at',
      nowMs,
    )
    for (const { target, ...heard } of rows) board.note(target, heard)
    return board
  }

  save(target: string, { state, atMs, untilMs }: HeardHint, nowMs: number): void {
    this.#sql.exec('DELETE FROM targets WHERE until <= ?', nowMs)
    this.#sql.exec(
      `INSERT INTO targets (target, state, at, until) VALUES (?, ?, ?, ?) ON CONFLICT (target)
       DO UPDATE SET state = excluded.state, at = excluded.at, until = excluded.until`,
      target,
      state,
      atMs,
      untilMs,
    )
  }
}
