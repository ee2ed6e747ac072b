import type { ReservationRow, ReservationStore } from '../../core/limit/reservations-row.ts'

type Row = { id: string; state: ReservationRow['state']; untilMs: number; body: string | null }

/** What is known in memory of the rows: all open ones, and times before which nothing is due. */
interface Known {
  readonly deadlines: Map<string, number>
  /** Not after the earliest deadline. */
  deadlineMs: number | null
  /** Not after the first time that a row may be forgotten. */
  forgetMs: number | null
}

/**
 * Reservations of an account, and the ids of those that were settled lately. There is no index on times, which would
 * double what is written: open ones are few enough to be kept in memory, others are looked through every quarter hour.
 */
export class ReservationTable implements ReservationStore {
  readonly #sql: SqlStorage
  #known: Known | null = null

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  create(): void {
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS reservations (
      id TEXT PRIMARY KEY,
      state TEXT NOT NULL,
      until INTEGER NOT NULL,
      body TEXT
    ) WITHOUT ROWID`)
  }

  /** Trusts nothing but the rows. */
  reload(): void {
    this.#known = null
  }

  find(id: string): ReservationRow | null {
    const [row] = this.#sql.exec<Row>(
      'SELECT id, state, until AS untilMs, body FROM reservations WHERE id = ?',
      id,
    )
    return row ?? null
  }

  save({ id, state, untilMs, body }: ReservationRow): void {
    const known = this.#load()
    this.#sql.exec(
      `INSERT INTO reservations (id, state, until, body) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET state = excluded.state, until = excluded.until, body = excluded.body`,
      id,
      state,
      Math.ceil(untilMs),
      body,
    )
    if (state === 'open') {
      known.deadlines.set(id, untilMs)
      known.deadlineMs = Math.min(known.deadlineMs ?? Infinity, untilMs)
    } else {
      known.deadlines.delete(id)
      known.forgetMs = Math.min(known.forgetMs ?? Infinity, untilMs)
    }
  }

  due(nowMs: number, max: number): readonly ReservationRow[] {
    const known = this.#load()
    const soonestFirst = [...known.deadlines].toSorted(([, a], [, b]) => a - b)
    const due = soonestFirst.filter(([, untilMs]) => untilMs <= nowMs).slice(0, max)
    known.deadlineMs = soonestFirst[due.length]?.[1] ?? null
    return due.map(([id]) => this.find(id)).filter((row) => row !== null)
  }

  /** It may say a time at which nothing is due, when what was due then was settled. */
  nextDeadlineMs(): number | null {
    return this.#load().deadlineMs
  }

  nextForgetMs(): number | null {
    return this.#load().forgetMs
  }

  forget(nowMs: number): void {
    this.#sql.exec(`DELETE FROM reservations WHERE state <> 'open' AND until <= ?`, nowMs)
    this.#known = null
  }

  count(): number {
    return this.#sql.exec<{ rows: number }>('SELECT count(*) AS rows FROM reservations').one().rows
  }

  #load(): Known {
    if (this.#known !== null) return this.#known
    const open = this.#sql.exec<{ id: string; untilMs: number }>(
      `SELECT id, until AS untilMs FROM reservations WHERE state = 'open'`,
    )
    const deadlines = new Map([...open].map(({ id, untilMs }) => [id, untilMs]))
    const { forgetMs } = this.#sql
      .exec<{ forgetMs: number | null }>(
        `SELECT min(until) AS forgetMs FROM reservations WHERE state <> 'open'`,
      )
      .one()
    this.#known = { deadlines, deadlineMs: earliest(deadlines.values()), forgetMs }
    return this.#known
  }
}

function earliest(times: Iterable<number>): number | null {
  let soonest: number | null = null
  for (const atMs of times) soonest = soonest === null || atMs < soonest ? atMs : soonest
  return soonest
}
