import type { AccountLease } from '../core/key/account-lease.ts'
import { judgeKey } from '../core/key/judge.ts'
import { isRefusal } from '../core/outcome.ts'
import type { Clock, Scope, StopReason } from '../ports.ts'
import type { LedgerLink } from './ledger-link.ts'

export interface WatchTerms {
  readonly link: LedgerLink
  readonly keyId: string
  /** Whether the request is stopped when its key is revoked or expires. */
  readonly cuts: boolean
  readonly scope: Scope
  readonly clock: Clock
}

const everyMs = 1_000
/** How soon to look again when a message is due that could not be sent. Milliseconds. */
const retryMs = 250

/**
 * Keeps what a running request holds: its slots are renewed, and the account lease is where the request ends with its
 * key. The timer is the request's own, and so is whatever it does: nothing of another request is touched.
 */
export class Watch {
  readonly #terms: WatchTerms
  #term: object
  #slots = 0
  #disarm: (() => void) | null = null
  #stop: ((why: StopReason) => void) | null = null
  #why: StopReason | null = null
  #isOver = false

  constructor(terms: WatchTerms) {
    this.#terms = terms
    this.#term = terms.link.lease.term
  }

  /** A slot is held. @returns what is to be called, from wherever, when it is lost */
  slotHeld(): () => void {
    this.#slots += 1
    const { promise, resolve } = Promise.withResolvers<void>()
    // Whoever finds out may be another request: what follows is done in this one's context.
    void promise.then(() => this.#tell('slot_lost'))
    this.#arm()
    return resolve
  }

  onStop(stop: (why: StopReason) => void): void {
    this.#stop = stop
    if (this.#why !== null) stop(this.#why)
    else this.#arm()
  }

  end(): void {
    this.#isOver = true
    this.#disarm?.()
    this.#disarm = null
  }

  #tell(why: StopReason): void {
    if (this.#isOver || this.#why !== null) return
    this.#why = why
    this.#disarm?.()
    this.#disarm = null
    this.#stop?.(why)
  }

  #arm(): void {
    if (this.#isOver || this.#why !== null || this.#disarm !== null) return
    const nowMs = this.#terms.clock.nowMs()
    const wakeMs = this.#wakeMs(nowMs)
    if (wakeMs === null) return
    this.#disarm = this.#terms.clock.after(Math.max(1, wakeMs - nowMs), () => {
      this.#disarm = null
      this.#terms.scope.defer(this.#tick())
    })
  }

  /** When to look again; null: never. */
  #wakeMs(nowMs: number): number | null {
    const slotsMs = this.#slots === 0 ? null : this.#slotsWakeMs(nowMs)
    if (!this.#terms.cuts || this.#stop === null) return slotsMs
    return Math.min(slotsMs ?? Infinity, nowMs + everyMs)
  }

  /** When slots have to be renewed, and when they are lost. */
  #slotsWakeMs(nowMs: number): number | null {
    const { holder } = this.#terms.link
    const wakeMs = holder.wakeMs(nowMs)
    if (wakeMs === null || wakeMs > nowMs) return wakeMs
    return Math.min(nowMs + retryMs, holder.slotsEndMs(nowMs) ?? Infinity)
  }

  async #tick(): Promise<void> {
    const { link, cuts, scope } = this.#terms
    await link.renew(scope)
    if (cuts && this.#stop !== null && (await this.#isRevoked(link.lease))) this.#tell('key_revoked')
    this.#arm()
  }

  async #isRevoked(lease: AccountLease): Promise<boolean> {
    const { link, keyId, scope, clock } = this.#terms
    const told = lease.told(keyId)
    if (told !== null) return isRefusal(judgeKey(told, clock.nowMs()))
    if (this.#term === lease.term) return false
    // Changes may have been missed.
    const heard = await link.ask({ key: keyId, ask: null }, scope)
    if (!heard.answered) return false
    this.#term = heard.term ?? this.#term
    return heard.record === null || isRefusal(judgeKey(heard.record, clock.nowMs()))
  }
}
