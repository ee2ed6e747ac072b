import { DurableObject } from 'cloudflare:workers'
import type { Account, Page, PageRequest } from '../core/key/account.ts'
import type { AdminOutcome } from '../core/key/admin-refusal.ts'
import type { TargetHint } from '../core/upstream/hints.ts'
import type { TargetCheck } from '../core/upstream/target-check.ts'
import type { Env } from '../env.ts'
import { TargetWatch } from './target-watch.ts'
import type { WatchingLedger } from './watched-targets.ts'

type AccountRow = {
  id: string
  name: string
  region: Account['region']
  generation: number
  state: Account['state']
  createdAtMs: number
  deletedAtMs: number | null
}
type ConfigRow = { version: number; sha256: string; firstSeenAtMs: number }

const accountColumns =
  'id, name, region, generation, state, created_at AS createdAtMs, deleted_at AS deletedAtMs'

/** Configuration versions told at once. */
const configsMax = 100

/**
 * The list of accounts and of the configurations seen, for operators; and the checks of targets without traffic. The data
 * plane never asks it: Ledgers do, beside what they answer.
 */
export class Registry extends DurableObject<Env> {
  readonly #sql: SqlStorage
  readonly #targets: TargetWatch

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#sql = ctx.storage.sql
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS accounts (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL,
      region TEXT NOT NULL,
      generation INTEGER NOT NULL,
      state TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      deleted_at INTEGER
    ) WITHOUT ROWID`)
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS configs (
      version INTEGER NOT NULL,
      sha256 TEXT NOT NULL,
      first_seen_at INTEGER NOT NULL,
      PRIMARY KEY (version, sha256)
    ) WITHOUT ROWID`)
    this.#targets = new TargetWatch(ctx.storage, env)
  }

  /** Answers when the object runs at all. */
  ping(): true {
    return true
  }

  /** @returns refusal `id_taken`. */
  createAccount(account: Pick<Account, 'id' | 'name' | 'region' | 'generation'>): AdminOutcome<Account> {
    const { id, name, region, generation } = account
    const { rowsWritten } = this.#sql.exec(
      `INSERT INTO accounts (id, name, region, generation, state, created_at) VALUES (?, ?, ?, ?, 'active', ?)
       ON CONFLICT (id) DO NOTHING`,
      id,
      name,
      region,
      generation,
      Date.now(),
    )
    return rowsWritten > 0 ? this.getAccount(id) : { refused: 'id_taken' }
  }

  listAccounts({ after, itemsMax }: PageRequest): Page<Account> {
    const rows = this.#sql
      .exec<AccountRow>(
        `SELECT ${accountColumns} FROM accounts WHERE id > ? ORDER BY id LIMIT ?`,
        after ?? '',
        itemsMax + 1,
      )
      .toArray()
    const items = rows.slice(0, itemsMax)
    return { items, next: rows.length > itemsMax ? (items.at(-1)?.id ?? null) : null }
  }

  /** @returns refusal `account_unknown`. */
  getAccount(account: string): AdminOutcome<Account> {
    const [row] = this.#sql.exec<AccountRow>(`SELECT ${accountColumns} FROM accounts WHERE id = ?`, account)
    return row ?? { refused: 'account_unknown' }
  }

  /** Leaves a tombstone; repeated, it changes nothing. @returns refusal `account_unknown`. */
  deleteAccount(account: string): AdminOutcome<Account> {
    this.#sql.exec(
      `UPDATE accounts SET state = 'deleted', deleted_at = ? WHERE id = ? AND state = 'active'`,
      Date.now(),
      account,
    )
    return this.getAccount(account)
  }

  /** Notes a configuration and tells the latest ones, newest first. */
  noteConfig(version: number, sha256: string): readonly ConfigRow[] {
    this.#sql.exec(
      'INSERT INTO configs (version, sha256, first_seen_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
      version,
      sha256,
      Date.now(),
    )
    return this.#sql
      .exec<ConfigRow>(
        `SELECT version, sha256, first_seen_at AS firstSeenAtMs FROM configs
         ORDER BY first_seen_at DESC, version DESC LIMIT ?`,
        configsMax,
      )
      .toArray()
  }

  /**
   * Has targets checked without traffic for some minutes, and the Ledger told when one goes out or comes back.
   * @returns what is known of them
   */
  watchTargets(ledger: WatchingLedger, checks: readonly TargetCheck[]): Promise<readonly TargetHint[]> {
    return this.#targets.want(ledger, checks)
  }

  override async alarm(): Promise<void> {
    await this.#targets.round()
  }
}
