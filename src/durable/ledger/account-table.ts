import type { Account } from '../../core/key/account.ts'

/** What a Ledger knows of its own account. */
export type LedgerAccount = Pick<Account, 'id' | 'region' | 'generation' | 'state'>

type AccountRow = { id: string; region: Account['region']; generation: number; state: Account['state'] }

/** The one row that says whose Ledger this is. It outlives the account: a deleted one leaves it as a tombstone. */
export class AccountTable {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** Whether `create` has ever run; asking writes nothing, so that a Ledger nobody opened stays empty. */
  exists(): boolean {
    const found = this.#sql.exec(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'account'`)
    return found.toArray().length > 0
  }

  create(): void {
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS account (
      id TEXT PRIMARY KEY,
      region TEXT NOT NULL,
      generation INTEGER NOT NULL,
      state TEXT NOT NULL
    ) WITHOUT ROWID`)
  }

  load(): LedgerAccount | null {
    const [row] = this.#sql.exec<AccountRow>('SELECT id, region, generation, state FROM account LIMIT 1')
    return row ?? null
  }

  save(account: LedgerAccount): void {
    this.#sql.exec(
      `INSERT INTO account (id, region, generation, state) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET state = excluded.state`,
      account.id,
      account.region,
      account.generation,
      account.state,
    )
  }
}
