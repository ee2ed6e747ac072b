import type { KeyRecord } from '../key/key-record.ts'
import type { LimitSpec } from '../limit/spec.ts'
import { addUsage, noUsage, type UsageTotals } from './rollup.ts'

/** Most days of one report. */
export const reportDaysMax = 400

/** Most rows of one report; its latest days are kept. */
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

/** How a limit stands at the Ledger, with permits that isolates hold counted as used. */
export interface LimitUse {
  readonly spec: LimitSpec
  readonly level: 'key' | 'account'
  readonly used: number
  readonly left: number
  /** Rates and slots have no window: both are the time of the report. Milliseconds since the epoch. */
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

/** A key's own usage. */
export interface KeyUsage extends KeyStanding {
  readonly days: readonly ModelDayUsage[]
}

/** Usage of one key on one day, all models together. */
export interface KeyDayUsage extends DayUsage {
  readonly key: string
}

/** Usage of a whole account. */
export interface AccountUsage {
  readonly days: readonly KeyDayUsage[]
  readonly total: UsageTotals
  /** The account's own limits. */
  readonly limits: readonly LimitUse[]
}

/** Sum of the entries of a report. */
export function totalOf(entries: readonly UsageTotals[]): UsageTotals {
  return entries.reduce(addUsage, noUsage)
}

/** A range that is no longer than a report may be; its last days count. */
export function clampRange({ firstDay, lastDay }: DayRange): DayRange {
  return { firstDay: Math.max(firstDay, lastDay - reportDaysMax + 1), lastDay }
}
