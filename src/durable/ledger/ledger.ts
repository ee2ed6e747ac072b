import { DurableObject } from 'cloudflare:workers'
import type { PurgeSubject } from '../../core/cache/purge-log.ts'
import type { Page, PageRequest } from '../../core/key/account.ts'
import type { AdminOutcome } from '../../core/key/admin-refusal.ts'
import type { KeyChange, KeyRecord } from '../../core/key/key-record.ts'
import type { IssuedKey } from '../../core/key/record-life.ts'
import type { SyncReply, SyncRequest } from '../../core/limit/messages.ts'
import type { LimitSpec } from '../../core/limit/spec.ts'
import { registryName } from '../../core/storage-layout.ts'
import { readHints, type TargetHint } from '../../core/upstream/hints.ts'
import type { TargetCheck } from '../../core/upstream/target-check.ts'
import type { AccountUsage, DayRange, KeyStanding, KeyUsage } from '../../core/usage/usage-report.ts'
import type { Env } from '../../env.ts'
import { AccountKeys } from './account-keys.ts'
import type { LedgerAccount } from './account-table.ts'
import { newsFor } from './news.ts'
import { nothingServed, Permits, refused } from './permits.ts'
import { readRequest } from './read-request.ts'
import { Tables } from './tables.ts'
import { Targets } from './targets.ts'
import { Upkeep } from './upkeep.ts'

/** What a Ledger that nobody opened says. */
const nobody = { ...nothingServed, account: null, keys: [] } as const

/**
 * The one authority on an account's keys, limits and usage; KV is a projection of its keys. Whatever is decided is
 * decided synchronously and written in the same event, with an alarm for what is left to do: so a change that was
 * answered is never lost and never overtaken by an older one.
 *
 * Messages are plain objects: a Worker and a Ledger one version apart understand each other, since neither minds
 * fields it does not know.
 */
export class Ledger extends DurableObject<Env> {
  readonly #tables: Tables
  readonly #keys: AccountKeys
  readonly #targets: Targets
  readonly #upkeep: Upkeep
  /** Limits in memory, in the present life of the Ledger. */
  #permits: Permits
  #account: LedgerAccount | null

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    const tables = new Tables(ctx.storage.sql)
    const opened = tables.accounts.exists()
    if (opened) ctx.storage.transactionSync(() => tables.create(Date.now()))
    this.#tables = tables
    this.#account = opened ? tables.accounts.load() : null
    this.#keys = new AccountKeys(tables.keys, tables.news)
    this.#permits = new Permits(tables, crypto.randomUUID())
    this.#targets = new Targets(tables.targets, opened, Date.now())
    this.#upkeep = new Upkeep(ctx, tables.keys, {
      permits: () => this.#permits,
      decide: (work) => this.#decide(work),
    })
  }

  /** Makes this the Ledger of an account. Repeated, it changes nothing; a tombstone stays one. */
  open(account: Omit<LedgerAccount, 'state'>): LedgerAccount {
    if (this.#account !== null) return this.#account
    const { id, region, generation } = account
    const opened: LedgerAccount = { id, region, generation, state: 'active' }
    this.#write(() => {
      this.#tables.create(Date.now())
      this.#tables.accounts.save(opened)
    })
    this.#account = opened
    return opened
  }

  /** @returns refusals `account_unknown`, `account_deleted`, `id_taken`. */
  async createKey(key: IssuedKey): Promise<AdminOutcome<KeyRecord>> {
    const account = this.#account
    if (account === null) return { refused: 'account_unknown' }
    if (account.state === 'deleted') return { refused: 'account_deleted' }
    const record = this.#write(() => this.#keys.add(account.id, key))
    if (record === null) return { refused: 'id_taken' }
    await this.#upkeep.publishSoon()
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

  /** @returns the revoked record; refusals `account_unknown`, `key_unknown`. */
  async revokeKey(keyId: string): Promise<AdminOutcome<KeyRecord>> {
    const record = this.getKey(keyId)
    if ('refused' in record) return record
    const revoked = this.#write(() => this.#keys.revoke(record))
    await this.#upkeep.publishSoon()
    return revoked
  }

  /**
   * @returns the record as it is then, which for a revoked key is as it was; refusals `account_unknown`, `key_unknown`.
   */
  async updateKey(keyId: string, change: KeyChange): Promise<AdminOutcome<KeyRecord>> {
    const record = this.getKey(keyId)
    if ('refused' in record) return record
    const changed = this.#write(() => this.#keys.change(record, change))
    await this.#upkeep.publishSoon()
    return changed
  }

  /** The limits of all keys together. @returns refusal `account_unknown`. */
  limits(): AdminOutcome<readonly LimitSpec[]> {
    return this.#account === null ? { refused: 'account_unknown' } : this.#tables.news.terms().limits
  }

  /** Puts other limits in force. @returns them; refusals `account_unknown`, `account_deleted`. */
  setLimits(limits: readonly LimitSpec[]): AdminOutcome<readonly LimitSpec[]> {
    if (this.#account === null) return { refused: 'account_unknown' }
    if (this.#account.state === 'deleted') return { refused: 'account_deleted' }
    return this.#write(() => this.#tables.news.setLimits(limits))
  }

  /** Purges cached answers of the account. @returns the epoch; refusals `account_unknown`, `account_deleted`. */
  purge(subject: PurgeSubject, hard: boolean): AdminOutcome<{ readonly epoch: number }> {
    if (this.#account === null) return { refused: 'account_unknown' }
    if (this.#account.state === 'deleted') return { refused: 'account_deleted' }
    return this.#write(() => {
      const { epoch } = this.#tables.purges.add(subject, hard, Date.now())
      this.#tables.news.notePurge(epoch)
      return { epoch }
    })
  }

  /** Revokes every key and takes no new one ever again. @returns refusal `account_unknown`. */
  async deleteAccount(): Promise<AdminOutcome<LedgerAccount>> {
    const account = this.#account
    if (account === null) return { refused: 'account_unknown' }
    const deleted: LedgerAccount = { ...account, state: 'deleted' }
    this.#write(() => {
      this.#tables.accounts.save(deleted)
      if (account.state === 'active') this.#keys.revokeAll()
    })
    this.#account = deleted
    await this.#upkeep.publishSoon()
    return deleted
  }

  /**
   * What an isolate and the account have to say to each other: permits, reservations, settlements, and news of keys.
   * Decided with no wait, and written before the reply leaves. A message that makes no sense, or comes from another
   * version, gets a reply without permits.
   */
  sync(request: SyncRequest): SyncReply {
    const message = readRequest(request)
    const account = this.#account
    const { seq, permits } = message
    const reply = { v: 1, boot: this.#permits.boot, seq } as const
    if (account === null) return { ...reply, ...nobody, needs: (permits?.needs ?? []).map(refused) }
    const nowMs = Date.now()
    const served =
      permits === null
        ? nothingServed
        : this.#decide(() => this.#permits.serve(permits, account.state, nowMs))
    if (permits !== null) this.#upkeep.later(nowMs)
    this.#targets.hear(message.hints, nowMs)
    const wanted = this.#targets.want(message.checks, nowMs)
    if (wanted.length > 0) this.ctx.waitUntil(this.#haveChecked(wanted, account))
    const news = newsFor(message, account, this.#tables, nowMs)
    return { ...reply, ...served, ...news, ...this.#targets.telling(nowMs) }
  }

  /** The Registry's checks have found out something about targets. */
  hearTargets(hints: readonly TargetHint[]): void {
    if (this.#account !== null) this.#write(() => this.#targets.learn(readHints(hints), Date.now()))
  }

  /** How a key stands, for its holder. @returns refusals `account_unknown`, `key_unknown`. */
  keyStanding(keyId: string): AdminOutcome<KeyStanding> {
    const record = this.getKey(keyId)
    return 'refused' in record ? record : this.#permits.reports.standing(record, Date.now())
  }

  /** A key's own usage. @returns refusals `account_unknown`, `key_unknown`. */
  keyUsage(keyId: string, range: DayRange): AdminOutcome<KeyUsage> {
    const record = this.getKey(keyId)
    return 'refused' in record ? record : this.#permits.reports.ofKey(record, range, Date.now())
  }

  /** Usage of the whole account. @returns refusal `account_unknown`. */
  accountUsage(range: DayRange): AdminOutcome<AccountUsage> {
    if (this.#account === null) return { refused: 'account_unknown' }
    return this.#permits.reports.ofAccount(range, Date.now())
  }

  /** What is due: records to KV, reservations that nobody settled, sweeping. Never throws, and may run twice. */
  override async alarm(): Promise<void> {
    if (this.#account !== null) await this.#upkeep.alarm(this.env.KEYS, this.#account.id)
  }

  /** Nobody waits for this: without the Registry targets are not checked, and nothing else. */
  async #haveChecked(checks: readonly TargetCheck[], { id, generation }: LedgerAccount): Promise<void> {
    try {
      const registry = this.env.REGISTRY.getByName(registryName)
      this.hearTargets(await registry.watchTargets({ account: id, generation }, checks))
    } catch {
      // The isolates ask again.
    }
  }

  /** Does something whole, or not at all. */
  #write<T>(work: () => T): T {
    try {
      return this.ctx.storage.transactionSync(work)
    } catch (error) {
      this.#tables.reload()
      throw error
    }
  }

  /** Decides on limits, whole or not at all: then a new life of them begins from what is stored. */
  #decide<T>(work: () => T): T {
    try {
      return this.#write(work)
    } catch (error) {
      this.#permits = new Permits(this.#tables, crypto.randomUUID())
      throw error
    }
  }
}
