import type { AccountLease } from '../core/key/account-lease.ts'
import type { KeyRecord } from '../core/key/key-record.ts'
import type { Answered, Ask } from '../core/limit/permit-holder.ts'

/** What a request asks of the Ledger, in one message. */
export interface Wish {
  /** Id of a key whose record is asked for. */
  readonly key: string | null
  /** Permits that are asked for. */
  readonly ask: Ask | null
}

/** What came of a wish. */
export interface Heard {
  /** False: the Ledger did not answer in time. */
  readonly answered: boolean
  /** Null: there is no such key, none was asked for, or nobody answered. */
  readonly record: KeyRecord | null
  /** Term of the account lease to which the record belongs. */
  readonly term: object | null
  /** Null: no permits were asked for, or nobody can say. */
  readonly permits: Answered | null
}

/** A request that waits for the Ledger. */
export class Waiter {
  readonly key: string | null
  readonly askId: string | null
  #record: KeyRecord | null | undefined
  #term: object | null = null
  #permits: Answered | null = null
  #failed = false

  constructor({ key, ask }: Wish) {
    this.key = key
    this.askId = ask?.id ?? null
  }

  get isDone(): boolean {
    if (this.#failed) return true
    return (
      (this.key === null || this.#record !== undefined) && (this.askId === null || this.#permits !== null)
    )
  }

  get heard(): Heard {
    return {
      answered: !this.#failed,
      record: this.#record ?? null,
      term: this.#term,
      permits: this.#permits,
    }
  }

  /** Takes in records that a message brought which asked for this key as well. */
  hear(records: ReadonlyMap<string, KeyRecord | null>, lease: AccountLease): void {
    if (this.key === null || this.#record !== undefined || !records.has(this.key)) return
    const record = records.get(this.key) ?? null
    this.#record = record === null ? null : lease.newest(record)
    this.#term = lease.term
  }

  /** Takes in what became of requests for permits; one that has to be asked for again waits on. */
  hearNeed(answered: ReadonlyMap<string, Answered>): void {
    const permits = this.askId === null ? undefined : answered.get(this.askId)
    if (permits !== undefined && permits.outcome.kind !== 'ask') this.#permits = permits
  }

  /** The Ledger does not answer; what its limits say then is among `answered`. */
  fail(answered: ReadonlyMap<string, Answered>): void {
    if (this.isDone) return
    this.hearNeed(answered)
    this.#failed = true
  }
}
