import { Agenda } from './agenda.ts'
import type { KeyTable } from './key-table.ts'
import { Outbox } from './outbox.ts'
import type { Permits } from './permits.ts'
import { RestTimer } from './rest-timer.ts'

/** When housekeeping that failed is tried again. Milliseconds. */
const retryAfterMs = 60_000

/** What upkeep needs of its Ledger. */
export interface UpkeepLedger {
  /** Limits in their present life. */
  permits(): Permits
  /** Does something whole; or not at all, and throws. */
  decide(work: () => void): void
}

/** What a Ledger does when nobody waits for it: by its one alarm, and when it has been left alone for a while. */
export class Upkeep {
  readonly #ctx: DurableObjectState
  readonly #ledger: UpkeepLedger
  readonly #outbox: Outbox
  readonly #agenda: Agenda
  readonly #rest = new RestTimer(() => this.#quietly((permits, nowMs) => permits.rest(nowMs)))

  constructor(ctx: DurableObjectState, keys: KeyTable, ledger: UpkeepLedger) {
    this.#ctx = ctx
    this.#ledger = ledger
    this.#outbox = new Outbox(keys, () => ctx.waitUntil(this.publishSoon()))
    this.#agenda = new Agenda(ctx.storage)
  }

  /** Does what is due. Never throws, and may run twice. */
  async alarm(kv: KVNamespace, account: string): Promise<void> {
    this.#agenda.begun()
    const kept = this.#quietly((permits, nowMs) => permits.housekeeping(nowMs))
    await this.#outbox.round(kv, account)
    await this.#plan(kept ? 0 : Date.now() + retryAfterMs)
  }

  /** After a message: an alarm for what it opened, and rest when no other follows. */
  later(nowMs: number): void {
    const permits = this.#ledger.permits()
    if (permits.book.restless) this.#rest.touch(nowMs)
    if (permits.sweepOverdue(nowMs)) this.#quietly((present) => present.sweepPermits(nowMs))
    const atMs = permits.nextMs()
    if (atMs !== null && !this.#agenda.covers(atMs)) this.#ctx.waitUntil(this.#plan())
  }

  /** Sets the alarm in the same write as the change before it; also mends an alarm that was lost. */
  async publishSoon(): Promise<void> {
    if (this.#outbox.waits()) await this.#agenda.set(Date.now())
  }

  /**
   * Sets the alarm for the soonest of what is left to do.
   * @param housekeepingAfterMs not before then
   */
  async #plan(housekeepingAfterMs = 0): Promise<void> {
    const outboxMs = this.#outbox.nextMs(Date.now()) ?? Infinity
    const housekeepingMs = Math.max(this.#ledger.permits().nextMs() ?? Infinity, housekeepingAfterMs)
    const soonestMs = Math.min(outboxMs, housekeepingMs)
    if (soonestMs < Infinity && !this.#agenda.covers(soonestMs)) await this.#agenda.set(soonestMs)
  }

  /** @returns false when it failed: then the rows are as they were */
  #quietly(work: (permits: Permits, nowMs: number) => void): boolean {
    try {
      this.#ledger.decide(() => work(this.#ledger.permits(), Date.now()))
      return true
    } catch {
      return false
    }
  }
}
