import { noPurges, type PurgeLog } from '../cache/purge-log.ts'
import { dropOldest } from '../drop-oldest.ts'
import type { LimitSpec } from '../limit/spec.ts'
import type { AccountNews } from './account-news.ts'
import type { KeyRecord } from './key-record.ts'

/** How long the Ledger's word on an account and its keys counts, from when it was asked for. Milliseconds. */
const accountLeaseMs = 5_000

/** From when on a use of the account asks again in the background. Milliseconds. */
const refreshAfterMs = 4_000

/** Changed records that are remembered although no request has asked for their keys. */
const toldMax = 500

const noLimits: readonly LimitSpec[] = []

/** What an isolate has been told of an account, and since when. Time is always an argument. */
export class AccountLease {
  /** Told of since the term began; a record from elsewhere may be older. */
  readonly #told = new Map<string, KeyRecord>()
  #askedAtMs = -Infinity
  #news: AccountNews | null = null
  #purges: PurgeLog = noPurges
  #term: object = {}

  /**
   * The account's sequence, as a message names it; null: nothing is known yet, or purges there were that a Ledger that
   * knows none did not tell of. Who names the present sequence is told of no purges.
   */
  get sequence(): number | null {
    return this.#news === null || this.#lacksPurges(this.#news) ? null : this.#news.sequence
  }

  /** The account's own limits; the same array until they change. */
  get limits(): readonly LimitSpec[] {
    return this.#news?.limits ?? noLimits
  }

  /** What was purged of the account's cached answers, as far as was told. */
  get purges(): PurgeLog {
    return this.#purges
  }

  /**
   * Stands for all that the lease covers. A record is covered when it was asked for in this term: a change of it would
   * have been told. A new term begins when changes may have been missed.
   */
  get term(): object {
    return this.#term
  }

  /** Whether the Ledger's word counts. */
  isFresh(nowMs: number): boolean {
    return nowMs - this.#askedAtMs < accountLeaseMs
  }

  /** Whether it is time to ask again. */
  refreshDue(nowMs: number): boolean {
    return nowMs - this.#askedAtMs >= refreshAfterMs
  }

  /**
   * Takes in what the Ledger says. What was asked for earlier than what is known says nothing new.
   * @param news null when there is no such account
   * @returns records that override older ones; null when it says nothing new
   */
  apply(news: AccountNews | null, askedAtMs: number): readonly KeyRecord[] | null {
    if (askedAtMs < this.#askedAtMs) return null
    this.#askedAtMs = askedAtMs
    const before = this.#news
    if (news?.purges) this.#purges = news.purges
    this.#news = news !== null && before?.sequence === news.sequence ? before : news
    if (news === null || news.changed === null) {
      if (news !== null || before !== null) this.#beginTerm()
      return []
    }
    for (const record of news.changed) this.#remember(record)
    return news.changed
  }

  /** What was told of a key in this term; null when nothing was. */
  told(id: string): KeyRecord | null {
    return this.#told.get(id) ?? null
  }

  /** The newest version of a record that is known here: an older one never overrides it. */
  newest(record: KeyRecord): KeyRecord {
    const told = this.#told.get(record.id)
    return told !== undefined && told.version > record.version ? told : record
  }

  #lacksPurges({ purgeEpoch }: AccountNews): boolean {
    return purgeEpoch !== 0 && purgeEpoch !== this.#purges.epoch
  }

  #beginTerm(): void {
    this.#told.clear()
    this.#term = {}
  }

  #remember(record: KeyRecord): void {
    const newest = this.newest(record)
    this.#told.delete(record.id)
    this.#told.set(record.id, newest)
    dropOldest(this.#told, toldMax)
  }
}
