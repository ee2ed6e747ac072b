import { Demand } from './counter/demand.ts'
import { replyWithinMs } from './counter/lease-terms.ts'
import { inHand, unknown, type Lessee } from './counter/lessee.ts'
import type { CounterGrant, Holding } from './messages.ts'
import { afterSilence } from './outage.ts'
import { slotLeaseMs, slotMemoryMs, slotRenewMs } from './slots-terms.ts'
import { Peak } from './slots-peak.ts'
import { SlotUsers, type SlotUser } from './slots-users.ts'
import type { LimitSpec } from './spec.ts'
import type { LimitStanding } from './standing.ts'

const returnEveryMs = 250
const askAgainMs = 1000

/**
 * An isolate's side of a limit on what is under way at the same time. Slots that are freed are used again with no I/O;
 * those that its requests no longer use at once go back with the next message, at the latest a few seconds later, and
 * at once where few are left. `wakeMs` says when it has to be looked at although no request comes.
 */
export class SlotLessee implements Lessee {
  readonly counter: string
  spec: LimitSpec
  used: number
  readonly #users = new SlotUsers()
  readonly #demand = new Demand(slotMemoryMs)
  readonly #peak = new Peak(slotMemoryMs)
  /** Slots that it may use until `#expiresMs`. */
  #slots = 0
  #aside = 0
  #expiresMs = 0
  #renewMs = 0
  #returnMs = 0
  /** A message was not answered: slots may be held for this isolate that it does not have. */
  #askUntilMs = 0
  /** What the last message told, and what was granted in reply to it so far. */
  #told = 0
  #granted = 0
  #denyUntilMs = 0
  #last: CounterGrant | null = null

  /** @param used where the count of slots begins that were ever used */
  constructor(counter: string, spec: LimitSpec, used: number) {
    this.counter = counter
    this.spec = spec
    this.used = used
  }

  get touchedMs(): number {
    return this.#demand.lastMs
  }

  change(spec: LimitSpec): void {
    this.spec = spec
  }

  check(cost: number, nowMs: number): number {
    this.expire(nowMs)
    if (cost <= this.#free()) return inHand
    if (cost > this.spec.max) return Infinity
    return nowMs < this.#denyUntilMs ? this.#denyUntilMs - nowMs : unknown
  }

  take(cost: number, nowMs: number): void {
    this.#demand.note(cost, nowMs)
    this.used += cost
    this.#users.begin(cost)
    this.#peak.note(this.#users.covered, nowMs)
  }

  putBack(cost: number): void {
    this.#users.cancel(cost)
  }

  setAside(cost: number): void {
    this.#aside += cost
  }

  takeAside(cost: number, nowMs: number): boolean {
    this.expire(nowMs)
    if (this.#aside < cost) return false
    this.#aside -= cost
    this.take(cost, nowMs)
    return true
  }

  freeAside(cost: number): void {
    this.#aside -= Math.min(cost, this.#aside)
  }

  asked(cost: number, nowMs: number): void {
    this.#demand.note(cost, nowMs)
  }

  granted(cost: number, nowMs: number): void {
    this.unwanted(cost, nowMs)
    this.take(cost, nowMs)
  }

  /** A limit that was not known before its request was granted has no other word of the Ledger yet. */
  unwanted(cost: number, nowMs: number): void {
    this.expire(nowMs)
    if (this.#slots === 0) this.#expiresMs = Math.max(this.#expiresMs, nowMs - replyWithinMs + slotLeaseMs)
    this.#slots += cost
    this.#granted += cost
    this.#denyUntilMs = 0
  }

  refused(_cost: number, waitMs: number, nowMs: number): void {
    this.#denyUntilMs = Math.max(this.#denyUntilMs, nowMs + waitMs)
  }

  /**
   * Whoever has begun to use a slot keeps it until `free`. `lost` is called once if the slot was lost and the limit
   * fails closed; otherwise the request goes on without one and gets the next that can be spared.
   */
  hold(lost: () => void): SlotUser {
    return this.#users.hold(lost, this.spec.onFailure === 'closed')
  }

  /** A request is over. Repeated, it changes nothing. */
  free(user: SlotUser, nowMs: number): void {
    this.expire(nowMs)
    this.#users.end(user)
    this.#cover()
  }

  /** Ends what has to end by now. */
  expire(nowMs: number): void {
    if (nowMs < this.#expiresMs || this.#slots === 0) return
    this.#slots = 0
    this.#aside = 0
    this.#cover()
  }

  due(nowMs: number): boolean {
    const wakeMs = this.wakeMs(nowMs)
    return wakeMs !== null && wakeMs <= nowMs
  }

  /** When a message is due or a slot is lost, if nothing happens before; null: never. Milliseconds since the epoch. */
  wakeMs(nowMs: number): number | null {
    const wakes: number[] = []
    if (this.#users.size > 0 || nowMs < this.#askUntilMs) wakes.push(this.#renewMs)
    if (this.#users.covered > 0) wakes.push(this.#expiresMs)
    const surplusMs = this.#surplusMs(nowMs)
    if (surplusMs !== null) wakes.push(Math.max(surplusMs, this.#returnMs))
    return wakes.length === 0 ? null : Math.min(...wakes)
  }

  /** When the slots that it has are lost unless a message is answered before. Milliseconds since the epoch. */
  get expiresMs(): number {
    return this.#expiresMs
  }

  holding(nowMs: number): Holding {
    this.expire(nowMs)
    const { covered, uncovered } = this.#users
    this.#slots = Math.min(this.#slots, covered + this.#aside + this.#keep(nowMs))
    this.#told = this.#slots
    this.#granted = 0
    this.#renewMs = nowMs + askAgainMs
    this.#askUntilMs = nowMs + slotLeaseMs
    this.#returnMs = nowMs + returnEveryMs
    const { counter, spec, used } = this
    const perSecond = this.#demand.perSecond(nowMs)
    return {
      counter,
      spec,
      have: this.#slots - covered,
      used,
      inUse: covered,
      perSecond,
      want: this.#keep(nowMs),
      debt: uncovered,
    }
  }

  apply(grant: CounterGrant, sentAtMs: number, nowMs: number): void {
    this.expire(nowMs)
    const kept = grant.keep ? this.#told : 0
    const still = grant.keep && nowMs < this.#expiresMs ? this.#expiresMs : 0
    this.#slots = kept + grant.permits + this.#granted
    this.#expiresMs = Math.max(still, sentAtMs + grant.ttlMs)
    this.#renewMs = Math.min(sentAtMs + slotRenewMs, (nowMs + this.#expiresMs) / 2)
    this.#askUntilMs = 0
    this.#aside = Math.max(0, Math.min(this.#aside, this.#slots - this.#users.covered))
    this.spec = grant.spec
    this.#denyUntilMs = nowMs + grant.denyMs
    this.#last = grant
    this.expire(nowMs)
    this.#cover()
  }

  /** A Ledger that has lost its memory still holds back what it had granted: slots are valid until their time. */
  lose(): void {
    this.#denyUntilMs = 0
  }

  maySpare(cost: number, sinceMs: number, nowMs: number): boolean {
    const course = afterSilence(this.spec, nowMs - sinceMs)
    if (course !== 'coast') return course === 'open'
    const { covered, uncovered } = this.#users
    const allowed = Math.max(1, this.#last?.coastPerSecond ?? 0)
    return covered + uncovered + cost <= allowed
  }

  spare(cost: number, _sinceMs: number, nowMs: number): void {
    this.#demand.note(cost, nowMs)
    this.used += cost
    this.#users.spare(cost)
  }

  standing(nowMs: number): LimitStanding {
    this.expire(nowMs)
    const left = this.#last === null ? 0 : this.#last.left
    const remaining = Math.min(this.spec.max, Math.max(0, this.#free()) + left)
    return { spec: this.spec, remaining, resetMs: 0 }
  }

  idle(nowMs: number): boolean {
    this.expire(nowMs)
    return this.#users.size === 0 && this.#slots === 0
  }

  #free(): number {
    return this.#slots - this.#users.covered - this.#aside
  }

  /**
   * Free slots worth having: as many as were used at once of late, and some ahead where requests follow each other
   * closely; at most half of what the Ledger had left.
   */
  #keep(nowMs: number): number {
    const covered = this.#users.covered
    const soon = (this.#demand.perSecond(nowMs) * slotMemoryMs) / 1000
    const ahead = soon < 2 ? 0 : 1 + Math.floor(covered / 4)
    const spare = Math.floor((this.#last?.left ?? 0) / 2)
    return Math.max(0, Math.min(Math.max(this.#peak.of(nowMs) - covered, ahead), spare))
  }

  /** When free slots go back; null when there are none. */
  #surplusMs(nowMs: number): number | null {
    const free = this.#free()
    if (free <= 0 || nowMs >= this.#expiresMs) return null
    return free > this.#keep(nowMs) ? nowMs : this.#peak.changesMs(nowMs)
  }

  #cover(): void {
    this.#users.cover(this.#slots - this.#aside)
  }
}
