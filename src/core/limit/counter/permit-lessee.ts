import type { CounterGrant, Holding } from '../messages.ts'
import { afterSilence } from '../outage.ts'
import type { LimitSpec } from '../spec.ts'
import type { LimitStanding } from '../standing.ts'
import { Demand } from './demand.ts'
import { capacityOf, coastFreshMs, isRate, leaseMsOf } from './lease-terms.ts'
import { inHand, unknown, type Lessee } from './lessee.ts'

/** An isolate's side of a counter of requests, tokens or money. */
export class PermitLessee implements Lessee {
  readonly counter: string
  spec: LimitSpec
  used: number
  readonly #demand: Demand
  #leaseMs: number
  #capacity: number
  #free = 0
  #aside = 0
  #expiresMs = 0
  /** Taken from the lease since a message told of it. */
  #untold = 0
  #debt = 0
  #debtTold = 0
  #coasted = 0
  #denyUntilMs = 0
  #denyCost = 1
  /** From when on a refusal is asked about again, although it may be known to last. */
  #askAgainMs = 0
  /** The most that a request waits for. */
  #asking = 0
  #nextRefillMs = 0
  /** When a refill need not be thought about: while more than this is free, and before that time. */
  #lookBelow = 0
  #lookAtMs = 0
  #last: CounterGrant | null = null
  #heardMs = 0
  #resetAtMs = 0

  /** @param used where the count of used permits begins; never below what an earlier lessee of the counter came to */
  constructor(counter: string, spec: LimitSpec, used: number) {
    this.counter = counter
    this.spec = spec
    this.used = used
    this.#leaseMs = leaseMsOf(spec)
    this.#capacity = capacityOf(spec)
    this.#demand = new Demand(Math.min(30_000, Math.max(2000, this.#leaseMs)))
  }

  get touchedMs(): number {
    return this.#demand.lastMs
  }

  change(spec: LimitSpec): void {
    this.spec = spec
    this.#leaseMs = leaseMsOf(spec)
    this.#capacity = capacityOf(spec)
  }

  check(cost: number, nowMs: number): number {
    if (this.#free >= cost && nowMs < this.#expiresMs) return inHand
    if (cost === 0) return inHand
    if (cost > this.#capacity) return Infinity
    if (nowMs >= Math.min(this.#denyUntilMs, this.#askAgainMs) || cost < this.#denyCost) return unknown
    return this.#denyUntilMs - nowMs
  }

  take(cost: number, nowMs: number): void {
    if (cost === 0) return
    this.#demand.note(cost, nowMs)
    this.#free -= cost
    this.used += cost
    this.#untold += cost
  }

  putBack(cost: number, nowMs: number): void {
    if (cost > this.#untold || nowMs >= this.#expiresMs) return
    this.#free += cost
    this.used -= cost
    this.#untold -= cost
  }

  setAside(cost: number): void {
    this.#free -= cost
    this.#aside += cost
  }

  takeAside(cost: number, nowMs: number): boolean {
    if (this.#aside < cost || (cost > 0 && nowMs >= this.#expiresMs)) return false
    this.#aside -= cost
    this.#free += cost
    this.take(cost, nowMs)
    return true
  }

  freeAside(cost: number): void {
    const freed = Math.min(cost, this.#aside)
    this.#aside -= freed
    this.#free += freed
  }

  asked(cost: number, nowMs: number): void {
    this.#asking = Math.max(this.#asking, cost)
    this.#demand.note(cost, nowMs)
  }

  granted(): void {
    this.#denyUntilMs = 0
  }

  /** The Ledger takes it for used; so is it. */
  unwanted(): void {
    this.#denyUntilMs = 0
  }

  refused(cost: number, waitMs: number, nowMs: number): void {
    if (nowMs < this.#denyUntilMs && this.#denyCost <= cost) return
    this.#denyUntilMs = nowMs + waitMs
    this.#denyCost = cost
    this.#askAgainMs = this.#nextAskMs(nowMs)
  }

  due(nowMs: number, roundTripMs: number): boolean {
    if (this.#free > this.#lookBelow && nowMs < this.#lookAtMs) return false
    this.#lookBelow = this.#free / 2
    this.#lookAtMs = Math.min(nowMs + this.#leaseMs / 10, this.#expiresMs - 2 * roundTripMs)
    if (nowMs < this.#nextRefillMs || nowMs < this.#denyUntilMs) return false
    const low = this.#free < (2 * roundTripMs * this.#demand.perSecond(nowMs)) / 1000
    return (low || this.#expiresMs - nowMs < 2 * roundTripMs) && this.#want(nowMs) >= 2 * this.#demand.cost
  }

  holding(nowMs: number): Holding {
    // What is too little for a request that waits would only be missing where that asks.
    if (nowMs >= this.#expiresMs) this.lose()
    else if (this.#asking > this.#free) this.#free = 0
    this.#asking = 0
    this.#untold = 0
    this.#debtTold = this.#debt
    return {
      counter: this.counter,
      spec: this.spec,
      have: this.#free + this.#aside,
      used: this.used,
      inUse: 0,
      perSecond: this.#demand.perSecond(nowMs),
      want: this.#want(nowMs),
      debt: this.#debt,
    }
  }

  apply(grant: CounterGrant, sentAtMs: number, nowMs: number): void {
    if (!grant.keep || nowMs >= this.#expiresMs) this.lose()
    const expiresMs = sentAtMs + grant.ttlMs
    this.#expiresMs = expiresMs
    this.#free += grant.permits
    if (nowMs >= expiresMs) this.lose()
    this.#debt -= this.#debtTold
    this.#debtTold = 0
    this.#coasted = 0
    this.change(grant.spec)
    this.#denyUntilMs = nowMs + grant.denyMs
    this.#denyCost = 1
    this.#askAgainMs = this.#nextAskMs(nowMs)
    this.#resetAtMs = nowMs + grant.resetMs
    this.#last = grant
    this.#heardMs = sentAtMs
    this.#lookBelow = Infinity
    if (this.#free * 2 < this.#want(nowMs)) this.#nextRefillMs = nowMs + this.#leaseMs / 5
  }

  lose(): void {
    this.#free = 0
    this.#aside = 0
    this.#untold = 0
  }

  maySpare(cost: number, sinceMs: number, nowMs: number): boolean {
    const forMs = nowMs - sinceMs
    const course = afterSilence(this.spec, forMs)
    if (course !== 'coast') return course === 'open'
    if (this.#last === null || sinceMs - this.#heardMs > coastFreshMs) return false
    return this.#coasted + cost <= (this.#last.coastPerSecond * forMs) / 1000
  }

  spare(cost: number, sinceMs: number, nowMs: number): void {
    this.#coasted += cost
    const coasts = afterSilence(this.spec, nowMs - sinceMs) === 'coast'
    if (coasts || !isRate(this.spec)) this.#debt += cost
  }

  standing(nowMs: number): LimitStanding {
    const { spec } = this
    const held = nowMs < this.#expiresMs ? this.#free : 0
    const left = this.#last?.left ?? 0
    return { spec, remaining: held + left, resetMs: Math.max(0, this.#resetAtMs - nowMs) }
  }

  idle(nowMs: number): boolean {
    return this.#debt === 0 && (nowMs >= this.#expiresMs || this.#free + this.#aside === 0)
  }

  /** Windows and whatever is reserved get something back long before their time is over. */
  #nextAskMs(nowMs: number): number {
    return this.spec.kind === 'request-rate' ? Infinity : nowMs + this.#leaseMs
  }

  /**
   * What it would use in the life of a lease; nothing where a lease would hardly serve another request. Asked for with a
   * message that is sent anyway; two requests are worth one of their own.
   */
  #want(nowMs: number): number {
    if (!isRate(this.spec) && !this.#demand.repeats) return 0
    const want = (this.#demand.perSecond(nowMs) * this.#leaseMs) / 1000
    return want < this.#demand.cost / 2 ? 0 : Math.ceil(want)
  }
}
