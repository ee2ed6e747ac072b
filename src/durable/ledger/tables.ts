import { toldForMs } from '../../core/key/change-log.ts'
import { AccountTable } from './account-table.ts'
import { KeyTable } from './key-table.ts'
import { NewsTable } from './news-table.ts'
import { PermitTable } from './permit-table.ts'
import { PurgeTable } from './purge-table.ts'
import { ReservationTable } from './reservation-table.ts'
import { TargetTable } from './target-table.ts'
import { UsageTable } from './usage-table.ts'

/** Everything a Ledger keeps in SQLite. Tables are only ever added, so that an older Ledger's rows go on working. */
export class Tables {
  readonly accounts: AccountTable
  readonly keys: KeyTable
  readonly news: NewsTable
  readonly permits: PermitTable
  readonly purges: PurgeTable
  readonly reservations: ReservationTable
  readonly targets: TargetTable
  readonly usage: UsageTable

  constructor(sql: SqlStorage) {
    this.accounts = new AccountTable(sql)
    this.keys = new KeyTable(sql)
    this.news = new NewsTable(sql)
    this.permits = new PermitTable(sql)
    this.purges = new PurgeTable(sql)
    this.reservations = new ReservationTable(sql)
    this.targets = new TargetTable(sql)
    this.usage = new UsageTable(sql)
  }

  /** Makes what is missing and takes over what is there. Writes nothing where all of it is there. */
  create(nowMs: number): void {
    this.accounts.create()
    this.keys.create()
    this.news.create()
    this.permits.create()
    this.purges.create()
    this.reservations.create()
    this.targets.create()
    this.usage.create()
    this.news.adopt(nowMs - toldForMs, nowMs)
  }

  /** Forgets what is only in memory: what was to be written was not. */
  reload(): void {
    if (this.accounts.exists()) this.news.load()
    this.reservations.reload()
    this.keys.reload()
  }
}
