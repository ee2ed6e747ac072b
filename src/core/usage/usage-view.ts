import { limitForm, type LimitForm } from '../limit/kinds/limit-form.ts'
import { dayOf, hourOf, type UsageTotals } from './rollup.ts'
import { reportDaysMax, type DayRange, type KeyUsage, type LimitUse } from './usage-report.ts'

/** What exchanges came to, as it is shown. */
interface TotalsView {
  readonly requests: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** Micro-dollars; exchanges of models without a price add none. */
  readonly costMicroUsd: number
  /** Requests whose tokens the gateway worked out. */
  readonly estimatedRequests: number
  /** Requests that were charged as they were reserved, for nobody said what they came to. */
  readonly lostRequests: number
}

/** A limit with its use. Times are milliseconds since the epoch. */
type LimitUseView = LimitForm & Pick<LimitUse, 'level' | 'used' | 'left' | 'windowStartsMs' | 'windowEndsMs'>

/** What a key has used: the answer of `GET /v1/usage`. */
export interface UsageView {
  readonly key: {
    readonly id: string
    readonly account: string
    readonly name: string
    readonly createdAtMs: number
    readonly expiresAtMs: number | null
    readonly lastUsedMs: number | null
  }
  readonly lifetime: TotalsView
  readonly limits: readonly LimitUseView[]
  /** By UTC day and model, the latest day first. */
  readonly days: readonly (TotalsView & { readonly day: string; readonly model: string | null })[]
  /** Whether there were more days than are told. */
  readonly truncated: boolean
}

const daysDefault = 30

/**
 * The days that a query asks for: `days`, 1 to `reportDaysMax`, the last of them today; 30 where it says nothing.
 * @returns null for any other value
 */
export function daysAsked(query: string, nowMs: number): DayRange | null {
  const asked = new URLSearchParams(query).get('days') ?? String(daysDefault)
  const days = /^\d{1,3}$/.test(asked) ? Number(asked) : 0
  if (days < 1 || days > reportDaysMax) return null
  const lastDay = dayOf(hourOf(nowMs))
  return { firstDay: lastDay - days + 1, lastDay }
}

/** Usage as its key's holder sees it. */
export function viewUsage({ record, lifetime, limits, days, truncated }: KeyUsage): UsageView {
  const { id, account, name, createdAtMs, expiresAtMs } = record
  return {
    key: { id, account, name, createdAtMs, expiresAtMs, lastUsedMs: lifetime.lastUsedMs },
    lifetime: viewTotals(lifetime),
    limits: limits.map(viewLimit),
    days: days.map(({ day, model, ...totals }) => ({ day, model, ...viewTotals(totals) })),
    truncated,
  }
}

function viewTotals(totals: UsageTotals): TotalsView {
  const { requests, inputTokens, outputTokens, microUsd, estimated, lost } = totals
  return {
    requests,
    inputTokens,
    outputTokens,
    costMicroUsd: microUsd,
    estimatedRequests: estimated,
    lostRequests: lost,
  }
}

function viewLimit({ spec, level, used, left, windowStartsMs, windowEndsMs }: LimitUse): LimitUseView {
  return { ...limitForm(spec), level, used, left, windowStartsMs, windowEndsMs }
}
