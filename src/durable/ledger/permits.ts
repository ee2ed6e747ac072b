import type { Need, NeedAnswer, SyncReply } from '../../core/limit/messages.ts'
import { PermitBook } from '../../core/limit/permit-book.ts'
import type { Settlements } from '../../core/limit/reservations.ts'
import { rollUp } from '../../core/usage/rollup.ts'
import { AccountLimits } from './account-limits.ts'
import type { LedgerAccount } from './account-table.ts'
import type { PermitRequest } from './read-request.ts'
import type { Tables } from './tables.ts'
import { UsageReports } from './usage-reports.ts'

/** A counter that was last written so long ago has nothing left to say: every window and month is over by then. */
const permitsKeptMs = 63 * 24 * 60 * 60 * 1_000

const sweepEveryMs = 60 * 60 * 1_000

/** What a message comes to for its sender. */
export type Answered = Pick<SyncReply, 'grants' | 'needs' | 'acknowledged'>

/** A reply that brings nothing. */
export const nothingServed: Answered = { grants: [], needs: [], acknowledged: [] }

/** Limits of an account in one life of its Ledger: permits, reservations and the usage that settlements come to. */
export class Permits {
  /** Random, one for each life. */
  readonly boot: string
  readonly book: PermitBook
  readonly reports: UsageReports
  readonly #limits: AccountLimits
  readonly #tables: Tables
  #sweptMs = 0

  constructor(tables: Tables, boot: string) {
    this.boot = boot
    this.#tables = tables
    this.#limits = new AccountLimits(tables.keys, tables.news)
    this.book = new PermitBook(tables.permits, boot, Date.now(), tables.reservations)
    this.reports = new UsageReports({ usage: tables.usage, limits: this.#limits, book: this.book })
  }

  serve(request: PermitRequest, state: LedgerAccount['state'], nowMs: number): Answered {
    const no = request.needs.filter((need) => this.#refuses(need, state))
    const needs = request.needs.filter((need) => !no.includes(need))
    const holdings = state === 'active' ? request.holdings : []
    const message = { v: 1, sequence: null, keys: [], ...request, needs, holdings } as const
    const served = this.book.serve(message, this.#limits, nowMs)
    this.#count(served, nowMs)
    const { grants, acknowledged } = served
    return { grants, acknowledged, needs: [...served.needs, ...no.map(refused)] }
  }

  /** When `housekeeping` has something to do; null when never. */
  nextMs(): number | null {
    return this.book.nextAlarmMs()
  }

  /** Settles what nobody settled in time, and sweeps what is no longer of any use. */
  housekeeping(nowMs: number): void {
    this.#count(this.book.alarm(nowMs), nowMs)
    if (nowMs - this.#sweptMs < sweepEveryMs) return
    this.#sweptMs = nowMs
    this.#tables.permits.sweep(nowMs - permitsKeptMs)
    this.#tables.usage.sweep(nowMs)
  }

  /** Adds to the usage what settlements come to, in the transaction that notes that they were settled. */
  #count(changes: Pick<Settlements, 'settled' | 'withdrawn'>, nowMs: number): void {
    this.#tables.usage.add(rollUp(changes, nowMs))
  }

  #refuses({ takes }: Need, state: LedgerAccount['state']): boolean {
    return state === 'deleted' || takes.some(({ counter }) => this.#limits.refuses(counter))
  }
}

/** Says no to a request that waits, for good: its key or its account is no more. */
export function refused({ id }: Need): NeedAnswer {
  return { id, takes: null, violated: [], waitMs: null, limits: [] }
}
