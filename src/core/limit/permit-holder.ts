import { Asks, type Ask } from './asks.ts'
import { isSlots, replyWithinMs } from './counter/lease-terms.ts'
import { inHand, unknown, type Lessee } from './counter/lessee.ts'
import { Lessees } from './counter/lessees.ts'
import type { NeedAnswer, OpenedReservation, SettledReservation, SyncReply, SyncRequest } from './messages.ts'
import { Outage } from './outage.ts'
import { ReservationOutbox } from './reservations-outbox.ts'
import type { ReservationBatch } from './reservations.ts'
import type { SlotUser } from './slots-users.ts'
import { takesOf, unused } from './reservations-unused.ts'
import type { AppliedLimit } from './spec.ts'
import type { LimitStanding } from './standing.ts'

export type { Ask } from './asks.ts'

const countersMax = 4096
const needsMax = 64
const holdingsMax = 256

/** What is known at once of a request's permits. */
export type Taken =
  | { readonly kind: 'taken' }
  /** Only the Ledger can tell. */
  | { readonly kind: 'ask' }
  /** Counters that have too little, and when to try again: null when it can never be granted. */
  | { readonly kind: 'denied'; readonly violated: readonly string[]; readonly waitMs: number | null }
  /** The Ledger does not answer, and this counter's limit is closed then. */
  | { readonly kind: 'unavailable'; readonly counter: string }

/** What became of a request that waited. `ask`: it goes on waiting, and has to go with another message. */
export interface Answered {
  readonly id: string
  readonly outcome: Taken
  /** What the Ledger said; null when it did not answer. */
  readonly answer: NeedAnswer | null
}

const taken: Taken = { kind: 'taken' }
const ask: Taken = { kind: 'ask' }

/**
 * An isolate's side of the limits of one account. It decides everything and sends nothing: the caller sends `message` to
 * the Ledger and hands the reply to `apply`, or says `failed`. The reply to any but the last message is worthless.
 */
export class PermitHolder {
  readonly #isolate: string
  readonly #lessees = new Lessees(countersMax)
  readonly #asks = new Asks(this.#lessees)
  readonly #outage = new Outage()
  readonly #due = new Set<Lessee>()
  readonly #reservations = new ReservationOutbox()
  #told: ReservationBatch = { opened: [], settled: [] }
  readonly #found: Lessee[] = []
  #seq = 0
  #boot: string | null = null
  #acked: { readonly seq: number; readonly atMs: number } | null = null
  /** When the last message was sent, until its reply was taken. */
  #sentAtMs: number | null = null
  #underWay = false
  /** How long the Ledger takes to answer, a moving average. */
  #roundTripMs = 50

  /** @param isolate random, one for each isolate */
  constructor(isolate: string) {
    this.#isolate = isolate
  }

  /**
   * Takes the costs of all limits from permits in hand, or nothing at all.
   * @param costs whole numbers, one for each limit
   */
  take(applied: readonly AppliedLimit[], costs: readonly number[], nowMs: number): Taken {
    const obstacle = this.#check(applied, costs, nowMs)
    if (obstacle === ask && this.#outage.sinceMs !== null) return this.#withoutLedger(applied, costs, nowMs)
    if (obstacle !== taken) return obstacle
    for (let at = 0; at < applied.length; at += 1) {
      const lessee = this.#found[at]
      if (lessee === undefined) continue
      lessee.take(costs[at] ?? 0, nowMs)
      if (isSlots(lessee.spec)) this.#lessees.watch(lessee)
      else if (lessee.due(nowMs, this.#roundTripMs)) this.#due.add(lessee)
    }
    return taken
  }

  /** Gives back what `take` has just taken for a request that did not leave; what was told meanwhile stays used. */
  putBack(applied: readonly AppliedLimit[], costs: readonly number[], nowMs: number): void {
    for (const [at, limit] of applied.entries())
      this.#lessees.get(limit.counter)?.putBack(costs[at] ?? 0, nowMs)
  }

  /** Lets a request wait that `take` answered `ask`: it goes with the next message. */
  ask(request: Ask, nowMs: number): void {
    this.#asks.add(request, nowMs)
  }

  /** Nobody waits for the request any more; what it is granted all the same is given back where that can be. */
  cancel(id: string): void {
    this.#asks.cancel(id)
  }

  /** Notes a reservation just taken from permits in hand, or grown; before the next message. */
  open(reservation: OpenedReservation, nowMs: number): void {
    this.#reservations.open(reservation, nowMs)
  }

  /** Notes what a reserved request came to. */
  settle(settled: SettledReservation, nowMs: number): void {
    this.#reservations.settle(settled, nowMs)
  }

  /**
   * Keeps a slot that was taken for a request until `free`.
   * @param lost called once if the slot is lost and its limit fails closed
   * @returns null where the counter counts no slots
   */
  hold(counter: string, lost: () => void): SlotUser | null {
    const slots = this.#lessees.slotsOf(counter)
    if (slots === null) return null
    // The Ledger may have added it to a request whose key was not known here.
    this.#lessees.watch(slots)
    return slots.hold(lost)
  }

  /** A request that held a slot is over. Repeated, it changes nothing. */
  free(counter: string, user: SlotUser, nowMs: number): void {
    this.#lessees.slotsOf(counter)?.free(user, nowMs)
  }

  /** Whether a message is to be sent although no request waits: there is something to tell, or permits run out. */
  refillDue(nowMs: number): boolean {
    // Whoever waits for a reply may have died.
    if (this.#underWay && nowMs - (this.#sentAtMs ?? nowMs) < 2 * replyWithinMs) return false
    if (this.#outage.sinceMs !== null) return this.#outage.probeDue(nowMs)
    return this.#due.size > 0 || this.#asks.tellSoon || this.#wakeMs(nowMs) <= nowMs
  }

  /** When `refillDue` is to be asked again if nothing happens before; null: not at all. Milliseconds since the epoch. */
  wakeMs(nowMs: number): number | null {
    const wakeMs = this.#wakeMs(nowMs)
    return wakeMs === Infinity ? null : wakeMs
  }

  /** When slots in use are lost unless a message is answered before; null: there are none. Milliseconds since the epoch. */
  slotsEndMs(nowMs: number): number | null {
    let soonestMs = Infinity
    for (const lessee of this.#lessees.busySlots(nowMs)) soonestMs = Math.min(soonestMs, lessee.expiresMs)
    return soonestMs === Infinity ? null : soonestMs
  }

  /** Whether a reply is waited for. */
  get underWay(): boolean {
    return this.#underWay
  }

  /** The number of the last message. */
  get seq(): number {
    return this.#seq
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#asks.size
  }

  /** Since when the Ledger has not answered; null while it does. Milliseconds since the epoch. */
  get failingSinceMs(): number | null {
    return this.#outage.sinceMs
  }

  /** The next message, with all that is to be said. */
  message(
    nowMs: number,
    account: { readonly sequence: number | null; readonly keys: readonly string[] },
  ): SyncRequest {
    const { needs, lessees } = this.#asks.needs(needsMax, holdingsMax / 2)
    this.#told = this.#reservations.batch(nowMs)
    // What reservations took is told as used in the same message, else it could never be given back.
    for (const lessee of this.#lessees.reserved(this.#told.opened)) lessees.add(lessee)
    for (const lessee of this.#due) lessees.add(lessee)
    for (const lessee of this.#lessees.busySlots(nowMs)) if (lessee.due(nowMs)) lessees.add(lessee)
    for (const lessee of this.#lessees.reserved(this.#told.settled)) lessees.add(lessee)
    const told = [...lessees].slice(0, holdingsMax)
    for (const lessee of told) this.#due.delete(lessee)
    this.#seq += 1
    this.#sentAtMs = nowMs
    this.#underWay = true
    return {
      v: 1,
      isolate: this.#isolate,
      seq: this.#seq,
      boot: this.#boot,
      replyWithinMs,
      acked: this.#acked && { seq: this.#acked.seq, agoMs: nowMs - this.#acked.atMs },
      holdings: told.map((lessee) => lessee.holding(nowMs)),
      needs,
      opened: this.#told.opened,
      settled: this.#told.settled,
      sequence: account.sequence,
      keys: account.keys,
    }
  }

  /** Takes in a reply. @returns what became of requests that waited; the others wait on */
  apply(reply: SyncReply, nowMs: number): readonly Answered[] {
    if (reply.seq !== this.#seq || this.#sentAtMs === null) return []
    const sentAtMs = this.#sentAtMs
    this.#sentAtMs = null
    this.#underWay = false
    this.#outage.answered()
    if (nowMs - sentAtMs > replyWithinMs) return []
    this.#roundTripMs += (nowMs - sentAtMs - this.#roundTripMs) / 4
    this.#acked = { seq: reply.seq, atMs: nowMs }
    if (reply.boot !== this.#boot) this.#lessees.loseAll()
    this.#boot = reply.boot
    for (const grant of reply.grants) this.#lessees.get(grant.counter)?.apply(grant, sentAtMs, nowMs)
    this.#reservations.acknowledge(this.#told, reply.acknowledged)
    return reply.needs.flatMap((answer) => this.#answer(answer, nowMs))
  }

  /** The call failed, or nobody waits for it any more. @returns what becomes of the requests that waited */
  failed(nowMs: number): readonly Answered[] {
    this.#underWay = false
    this.#outage.failed(nowMs)
    return this.#asks.all().map((waiting) => {
      this.#asks.cancel(waiting.id)
      const outcome = waiting.key === null ? this.take(waiting.applied, waiting.costs, nowMs) : ask
      if (outcome === taken) this.#leave(waiting, nowMs)
      return { id: waiting.id, outcome, answer: null }
    })
  }

  /** How limits stand, as far as is known here; no I/O. */
  standing(applied: readonly AppliedLimit[], nowMs: number): LimitStanding[] {
    return applied.map((limit) => this.#lessees.of(limit, nowMs).standing(nowMs))
  }

  /** Whether all costs are in hand; `#found` has the lessees. Spends nothing. */
  #check(applied: readonly AppliedLimit[], costs: readonly number[], nowMs: number): Taken {
    let result = taken
    for (let at = 0; at < applied.length; at += 1) {
      const limit = applied[at]
      if (limit === undefined) continue
      const lessee = this.#lessees.of(limit, nowMs)
      this.#found[at] = lessee
      const found = lessee.check(costs[at] ?? 0, nowMs)
      if (found === inHand) continue
      if (found === unknown) {
        if (result === taken) result = ask
      } else result = denied(result, limit.counter, found)
    }
    return result
  }

  #wakeMs(nowMs: number): number {
    let soonestMs = this.#reservations.dueMs() ?? Infinity
    for (const lessee of this.#lessees.busySlots(nowMs)) {
      soonestMs = Math.min(soonestMs, lessee.wakeMs(nowMs) ?? Infinity)
    }
    return soonestMs
  }

  #withoutLedger(applied: readonly AppliedLimit[], costs: readonly number[], nowMs: number): Taken {
    const sinceMs = this.#outage.sinceMs ?? nowMs
    for (const [at, limit] of applied.entries()) {
      const lessee = this.#lessees.of(limit, nowMs)
      if (lessee.check(costs[at] ?? 0, nowMs) === inHand) continue
      if (!lessee.maySpare(costs[at] ?? 0, sinceMs, nowMs))
        return { kind: 'unavailable', counter: limit.counter }
    }
    for (const [at, limit] of applied.entries()) {
      const lessee = this.#lessees.of(limit, nowMs)
      const cost = costs[at] ?? 0
      if (lessee.check(cost, nowMs) === inHand) lessee.take(cost, nowMs)
      else lessee.spare(cost, sinceMs, nowMs)
    }
    return taken
  }

  #answer(answer: NeedAnswer, nowMs: number): readonly Answered[] {
    const answered = this.#asks.answer(answer, nowMs)
    if (answered === null) return []
    const { ask: request, left, result } = answered
    if (left) {
      if (result === 'granted') this.#giveUp(request, nowMs)
      return []
    }
    if (result === 'again') return [{ id: request.id, outcome: ask, answer }]
    if (result === 'granted') this.#leave(request, nowMs)
    const outcome: Taken =
      result === 'granted' ? taken : { kind: 'denied', violated: answer.violated, waitMs: answer.waitMs }
    return [{ id: request.id, outcome, answer }]
  }

  /** A request leaves that had to wait. */
  #leave({ id, reservation, applied }: Ask, nowMs: number): void {
    this.#asks.forget(id)
    if (reservation !== null) this.open(reservation, nowMs)
    for (const { counter } of applied) {
      const slots = this.#lessees.slotsOf(counter)
      if (slots !== null) this.#lessees.watch(slots)
    }
  }

  /** A request was granted what it asked for when nobody waited any more: it has used nothing of that. */
  #giveUp({ id, reservation, applied, costs }: Ask, nowMs: number): void {
    if (reservation !== null)
      this.settle(unused({ ...reservation, id }, takesOf(applied, costs), nowMs), nowMs)
  }
}

/** One more limit in the way. */
function denied(before: Taken, counter: string, waitMs: number): Taken {
  const wait = waitMs === Infinity ? null : waitMs
  if (before.kind !== 'denied') return { kind: 'denied', violated: [counter], waitMs: wait }
  const longest = before.waitMs === null || wait === null ? null : Math.max(before.waitMs, wait)
  return { kind: 'denied', violated: [...before.violated, counter], waitMs: longest }
}
