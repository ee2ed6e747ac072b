import { DurableObject } from 'cloudflare:workers'
import type { Page, PageRequest } from '../../core/key/account.ts'
import type { AdminOutcome } from '../../core/key/admin-refusal.ts'
import type { KeyRecord } from '../../core/key/key-record.ts'
import { dueNow, nextRoundMs } from '../../core/key/outbox.ts'
import { newRecord, revokeRecord, type IssuedKey } from '../../core/key/record-life.ts'
import { keyRecordName } from '../../core/storage-layout.ts'
import type { Env } from '../../env.ts'
import { AccountTable, type LedgerAccount } from './account-table.ts'
import { KeyTable, type OutboxRow } from './key-table.ts'

/** Records written to KV in one round of the outbox. */
const roundRowsMax = 50

/** What the data plane is told of a key. */
export type FoundKey = { readonly found: 'key'; readonly record: KeyRecord } | { readonly found: 'unknown' }

/**
 * The one authority on an account's keys; KV is its projection. A change is written here together with an alarm, and
 * the alarm alone writes KV, so a change that was answered is never lost and never overtaken by an older one.
 *
 * Messages are plain objects: a Worker and a Ledger one version apart understand each other, since neither minds
 * fields it does not know.
 */
export class Ledger extends DurableObject<Env> {
  readonly #accounts: AccountTable
  readonly #keys: KeyTable
  #account: LedgerAccount | null
  #failedRounds = 0

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#accounts = new AccountTable(ctx.storage.sql)
    this.#keys = new KeyTable(ctx.storage.sql)
    this.#account = this.#accounts.exists() ? this.#accounts.load() : null
  }

  /** Makes this the Ledger of an account. Repeated, it changes nothing; a tombstone stays one. */
  open(account: Omit<LedgerAccount, 'state'>): LedgerAccount {
    if (this.#account !== null) return this.#account
    const { id, region, generation } = account
    const opened: LedgerAccount = { id, region, generation, state: 'active' }
    this.ctx.storage.transactionSync(() => {
      this.#accounts.create()
      this.#keys.create()
      this.#accounts.save(opened)
    })
    this.#account = opened
    return opened
  }

  /** @returns refusals `account_unknown`, `account_deleted`, `id_taken`. */
  async createKey(key: IssuedKey): Promise<AdminOutcome<KeyRecord>> {
    if (this.#account === null) return { refused: 'account_unknown' }
    if (this.#account.state === 'deleted') return { refused: 'account_deleted' }
    const record = newRecord(this.#account.id, key)
    if (!this.#keys.insert(record)) return { refused: 'id_taken' }
    await this.#publishSoon()
    return record
  }

  /** @returns refusal `account_unknown`. */
  listKeys(page: PageRequest): AdminOutcome<Page<KeyRecord>> {
    return this.#account === null ? { refused: 'account_unknown' } : this.#keys.list(page)
  }

  /** @returns refusals `account_unknown`, `key_unknown`. */
  getKey(keyId: string): AdminOutcome<KeyRecord> {
    if (this.#account === null) return { refused: 'account_unknown' }
    return this.#keys.find(keyId) ?? { refused: 'key_unknown' }
  }

  /** A key's record, for the data plane; writes nothing, whatever it is asked. */
  findKey(keyId: string): FoundKey {
    const record = this.#account === null ? null : this.#keys.find(keyId)
    return record === null ? { found: 'unknown' } : { found: 'key', record }
  }

  /** @returns the revoked record; refusals `account_unknown`, `key_unknown`. */
  async revokeKey(keyId: string): Promise<AdminOutcome<KeyRecord>> {
    const record = this.getKey(keyId)
    if ('refused' in record) return record
    const revoked = revokeRecord(record, Date.now())
    if (revoked !== record) this.#keys.update(revoked)
    await this.#publishSoon()
    return revoked
  }

  /** Revokes every key and takes no new one ever again. @returns refusal `account_unknown`. */
  async deleteAccount(): Promise<AdminOutcome<LedgerAccount>> {
    const account = this.#account
    if (account === null) return { refused: 'account_unknown' }
    const deleted: LedgerAccount = { ...account, state: 'deleted' }
    const nowMs = Date.now()
    this.ctx.storage.transactionSync(() => {
      this.#accounts.save(deleted)
      for (const record of this.#keys.active()) this.#keys.update(revokeRecord(record, nowMs))
    })
    this.#account = deleted
    await this.#publishSoon()
    return deleted
  }

  /** One round of the outbox. Never throws: the runtime would give up after a few tries, the outbox never does. */
  override async alarm(): Promise<void> {
    if (this.#account === null) return
    const due = dueNow(this.#keys.unpublished(roundRowsMax), Date.now())
    const { id } = this.#account
    const written = await Promise.all(due.map((row) => this.#publish(id, row)))
    this.#failedRounds = written.includes(false) ? this.#failedRounds + 1 : 0
    const [waiting] = this.#keys.unpublished(1)
    const nextMs = nextRoundMs(waiting?.publishedAtMs ?? null, this.#failedRounds, Date.now())
    // A change made while this round waited for KV has set an earlier one.
    const setMs = await this.ctx.storage.getAlarm()
    if (nextMs !== null && (setMs === null || setMs > nextMs)) await this.ctx.storage.setAlarm(nextMs)
  }

  async #publish(account: string, row: OutboxRow): Promise<boolean> {
    try {
      await this.env.KEYS.put(keyRecordName(account, row.id), row.record)
    } catch {
      return false
    }
    this.#keys.markPublished(row, Date.now())
    return true
  }

  /** Sets the alarm in the same write as the change before it; also mends an alarm that was lost. */
  async #publishSoon(): Promise<void> {
    const [waiting] = this.#keys.unpublished(1)
    if (waiting !== undefined) await this.ctx.storage.setAlarm(Date.now())
  }
}
