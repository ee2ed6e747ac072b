import type { KeyRecord } from '../key/key-record.ts'
import type { LimitSpec } from '../limit/spec.ts'
import type { UsageTotals } from './rollup.ts'

/** Most days of one report. */
export const reportDaysMax = 400

/** Most rows of one report. */
export const reportRowsMax = 5_000

/** UTC days, both included, in days since the epoch. */
export interface DayRange {
  readonly firstDay: number
  readonly lastDay: number
}

/** Usage of a UTC day; `day` as `2026-10-23`. */
interface DayUsage extends UsageTotals {
  readonly day: string
}

/** Usage of one model on one day; null where no model was named. */
export interface ModelDayUsage extends DayUsage {
  readonly model: string | null
}

/** How a limit stands at the Ledger. What isolates hold on lease and have not used is left; slots that they hold are used. */
export interface LimitUse {
  readonly spec: LimitSpec
  readonly level: 'key' | 'account'
  readonly used: number
  readonly left: number
  /** Of a rate, the time of the report and when all is there again; of slots, twice the time of the report. Milliseconds since the epoch. */
  readonly windowStartsMs: number
  readonly windowEndsMs: number
}

/** What a key has used over its life. */
export interface KeyLifetime extends UsageTotals {
  /** When the last exchange that was charged to it ended; null before the first. Milliseconds since the epoch. */
  readonly lastUsedMs: number | null
}

/** A key as its holder may see it. */
export interface KeyStanding {
  readonly record: KeyRecord
  readonly lifetime: KeyLifetime
  /** The key's own limits and its account's. */
  readonly limits: readonly LimitUse[]
}

/** Days of a report, the latest first. */
export interface ReportDays<Day extends DayUsage> {
  readonly days: readonly Day[]
  /** Whether there was more than a report may have: earlier days, or more of the only one that is told. */
  readonly truncated: boolean
}

/** A key's own usage. */
export interface KeyUsage extends KeyStanding, ReportDays<ModelDayUsage> {}

/** Usage of one key on one day, all models together. */
export interface KeyDayUsage extends DayUsage {
  readonly key: string
}

/** Usage of a whole account. */
export interface AccountUsage extends ReportDays<KeyDayUsage> {
  /** Of all that there was in these days, told or not. */
  readonly total: UsageTotals
  /** The account's own limits. */
  readonly limits: readonly LimitUse[]
}

/**
 * As much as a report may have. No day is cut in the middle, unless it alone is too much.
 * @param rows of usage, the latest day first; at least one more than `rowsMax` where there are more
 */
export function latestDays<Day extends DayUsage>(rows: readonly Day[], rowsMax: number): ReportDays<Day> {
  const beyond = rows[rowsMax]
  if (beyond === undefined) return { days: rows, truncated: false }
  const first = rows.slice(0, rowsMax)
  const whole = first.filter(({ day }) => day !== beyond.day)
  return { days: whole.length > 0 ? whole : first, truncated: true }
}

/** A range that is no longer than a report may be; its last days count. */
export function clampRange({ firstDay, lastDay }: DayRange): DayRange {
  return { firstDay: Math.max(firstDay, lastDay - reportDaysMax + 1), lastDay }
}
