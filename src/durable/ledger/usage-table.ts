import {
  dayText,
  firstHourKept,
  firstHourOf,
  modelsAnHourMax,
  noUsage,
  otherModels,
  type UsageEntry,
  type UsagePlace,
  type UsageTotals,
} from '../../core/usage/rollup.ts'
import {
  reportRowsMax,
  type DayRange,
  type KeyDayUsage,
  type KeyLifetime,
  type ModelDayUsage,
} from '../../core/usage/usage-report.ts'
import { countsOf, usageSql } from './usage-columns.ts'

type TotalsRow = { [F in keyof UsageTotals]: number }
type DayRow = TotalsRow & { day: number; name: string }

const { declared, names, marks, added, summed, read, readSummed } = usageSql

/** What an account's keys have used: by the hour for 40 days, by the day before that, and each key over its life. */
export class UsageTable {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  create(): void {
    this.#createBy('usage_hours', 'hour')
    this.#createBy('usage_days', 'day')
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS usage_keys (
      key TEXT PRIMARY KEY, last_used_at INTEGER NOT NULL, ${declared}
    ) WITHOUT ROWID`)
  }

  /** Adds usage; in the transaction that notes the settlements it comes from. */
  add(entries: readonly UsageEntry[]): void {
    for (const entry of entries) {
      const counts = countsOf(entry)
      this.#sql.exec(
        `INSERT INTO usage_hours (key, hour, model, route, ${names}) VALUES (?, ?, ?, ?, ${marks})
         ON CONFLICT (key, hour, model, route) DO UPDATE SET ${added}`,
        entry.key,
        entry.hour,
        this.#modelKept(entry),
        entry.route,
        ...counts,
      )
      this.#sql.exec(
        `INSERT INTO usage_keys (key, last_used_at, ${names}) VALUES (?, ?, ${marks})
         ON CONFLICT (key) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at), ${added}`,
        entry.key,
        entry.endedMs,
        ...counts,
      )
    }
  }

  lifetime(key: string): KeyLifetime {
    const [row] = this.#sql.exec<TotalsRow & { lastUsedMs: number }>(
      `SELECT last_used_at AS lastUsedMs, ${read} FROM usage_keys WHERE key = ?`,
      key,
    )
    return row ?? { ...noUsage, lastUsedMs: null }
  }

  /** A key's usage by day and model, the latest day first. */
  daysOfKey(key: string, range: DayRange): readonly ModelDayUsage[] {
    return this.#days('model', 'key = ?', [key], range).map((row) =>
      Object.assign(totalsOf(row), { day: dayText(row.day), model: row.name === '' ? null : row.name }),
    )
  }

  /** The account's usage by day and key, the latest day first. */
  daysOfAccount(range: DayRange): readonly KeyDayUsage[] {
    return this.#days('key', 'true', [], range).map((row) =>
      Object.assign(totalsOf(row), { day: dayText(row.day), key: row.name }),
    )
  }

  /** Makes days of hours that are no longer kept as hours. */
  sweep(nowMs: number): void {
    const firstHour = firstHourKept(nowMs)
    this.#sql.exec(
      `INSERT INTO usage_days (key, day, model, route, ${names})
       SELECT key, hour / 24 AS day, model, route, ${summed} FROM usage_hours WHERE hour < ?
       GROUP BY key, day, model, route
       ON CONFLICT (key, day, model, route) DO UPDATE SET ${added}`,
      firstHour,
    )
    this.#sql.exec('DELETE FROM usage_hours WHERE hour < ?', firstHour)
  }

  #createBy(table: string, time: 'hour' | 'day'): void {
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS ${table} (
      key TEXT NOT NULL, ${time} INTEGER NOT NULL, model TEXT NOT NULL, route TEXT NOT NULL, ${declared},
      PRIMARY KEY (key, ${time}, model, route)
    ) WITHOUT ROWID`)
  }

  #days(by: 'model' | 'key', where: string, bound: string[], range: DayRange): DayRow[] {
    const query = `SELECT day, name, ${readSummed} FROM (
        SELECT hour / 24 AS day, ${by} AS name, ${names} FROM usage_hours WHERE ${where} AND hour >= ? AND hour < ?
        UNION ALL
        SELECT day, ${by} AS name, ${names} FROM usage_days WHERE ${where} AND day >= ? AND day <= ?
      ) GROUP BY day, name ORDER BY day DESC, name LIMIT ?`
    const { firstDay, lastDay } = range
    const hours = [firstHourOf(firstDay), firstHourOf(lastDay + 1)]
    return this.#sql
      .exec<DayRow>(query, ...bound, ...hours, ...bound, firstDay, lastDay, reportRowsMax)
      .toArray()
  }

  /** The model's own name, unless its hour has too many of them already. */
  #modelKept({ key, hour, model }: UsagePlace): string {
    const { models, known } = this.#sql
      .exec<{ models: number; known: number | null }>(
        `SELECT count(DISTINCT model) AS models, max(model = ?) AS known FROM usage_hours
         WHERE key = ? AND hour = ?`,
        model,
        key,
        hour,
      )
      .one()
    return known === 1 || models < modelsAnHourMax ? model : otherModels
  }
}

function totalsOf({
  requests,
  inputTokens,
  outputTokens,
  microUsd,
  estimated,
  lost,
}: UsageTotals): UsageTotals {
  return { requests, inputTokens, outputTokens, microUsd, estimated, lost }
}
