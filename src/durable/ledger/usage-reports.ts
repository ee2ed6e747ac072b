import type { KeyRecord } from '../../core/key/key-record.ts'
import type { PermitBook } from '../../core/limit/permit-book.ts'
import type { AppliedLimit } from '../../core/limit/spec.ts'
import {
  clampRange,
  totalOf,
  type AccountUsage,
  type DayRange,
  type KeyStanding,
  type KeyUsage,
  type LimitUse,
} from '../../core/usage/usage-report.ts'
import type { AccountLimits } from './account-limits.ts'
import type { UsageTable } from './usage-table.ts'

export interface UsageSources {
  readonly usage: UsageTable
  readonly limits: AccountLimits
  readonly book: PermitBook
}

/** What an account and its keys have used, and how their limits stand. Reading writes nothing. */
export class UsageReports {
  readonly #from: UsageSources

  constructor(from: UsageSources) {
    this.#from = from
  }

  standing(record: KeyRecord, nowMs: number): KeyStanding {
    const { usage, limits } = this.#from
    return {
      record,
      lifetime: usage.lifetime(record.id),
      limits: this.#uses(limits.allOfRecord(record), nowMs),
    }
  }

  ofKey(record: KeyRecord, range: DayRange, nowMs: number): KeyUsage {
    const days = this.#from.usage.daysOfKey(record.id, clampRange(range))
    return { ...this.standing(record, nowMs), days }
  }

  ofAccount(range: DayRange, nowMs: number): AccountUsage {
    const { usage, limits } = this.#from
    const days = usage.daysOfAccount(clampRange(range))
    return { days, total: totalOf(days), limits: this.#uses(limits.ofAccount(), nowMs) }
  }

  #uses(applied: readonly AppliedLimit[], nowMs: number): readonly LimitUse[] {
    return applied.map(({ counter, spec, level }) => ({
      spec,
      level: level === 'account' ? 'account' : 'key',
      ...this.#from.book.standing(counter, spec, nowMs),
    }))
  }
}
