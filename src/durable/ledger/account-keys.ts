import type { Page, PageRequest } from '../../core/key/account.ts'
import type { KeyChange, KeyRecord } from '../../core/key/key-record.ts'
import {
  changeRecord,
  newRecord,
  readRecord,
  revokeRecord,
  type IssuedKey,
} from '../../core/key/record-life.ts'
import type { KeyTable } from './key-table.ts'
import type { NewsTable } from './news-table.ts'

/** The keys of an account: each change is noted in the account's sequence and put in the outbox, in one transaction. */
export class AccountKeys {
  readonly #keys: KeyTable
  readonly #news: NewsTable

  constructor(keys: KeyTable, news: NewsTable) {
    this.#keys = keys
    this.#news = news
  }

  find(id: string): KeyRecord | null {
    return this.#keys.find(id)
  }

  list(page: PageRequest): Page<KeyRecord> {
    return this.#keys.list(page)
  }

  /**
   * @returns null when the id is taken
   * @throws {Error} when what is said is no key
   */
  add(account: string, key: IssuedKey): KeyRecord | null {
    const record = checked(newRecord(account, key))
    if (!this.#keys.insert(record)) return null
    this.#news.note([record.id], Date.now())
    return record
  }

  /** @returns the record as it is then */
  revoke(record: KeyRecord): KeyRecord {
    return this.#put(record, revokeRecord(record, Date.now()))
  }

  /**
   * @returns the record as it is then
   * @throws {Error} when what is said is no change of a key
   */
  change(record: KeyRecord, change: KeyChange): KeyRecord {
    const changed = changeRecord(record, changeIn(change))
    return this.#put(record, changed === record ? record : checked(changed))
  }

  revokeAll(): void {
    const nowMs = Date.now()
    const active = this.#keys.active()
    for (const record of active) this.#keys.update(revokeRecord(record, nowMs))
    const ids = active.map(({ id }) => id)
    this.#news.note(ids, nowMs)
  }

  #put(before: KeyRecord, after: KeyRecord): KeyRecord {
    if (after === before) return before
    this.#keys.update(after)
    this.#news.note([after.id], Date.now())
    return after
  }
}

/** The fields that may be changed; a Worker of another version may say more. */
function changeIn({ name, scopes, models, limits, strict, expiresAtMs }: KeyChange): KeyChange {
  return {
    ...(name === undefined ? {} : { name }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(models === undefined ? {} : { models }),
    ...(limits === undefined ? {} : { limits }),
    ...(strict === undefined ? {} : { strict }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  }
}

/** A record that can be read again, with what a Worker of an earlier version left out. */
function checked(record: KeyRecord): KeyRecord {
  const read = readRecord(record)
  if (read === null) throw new Error('what was said of a key makes no record')
  return read
}
