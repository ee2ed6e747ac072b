import { AccountLease } from '../core/key/account-lease.ts'
import type { KeyRecord } from '../core/key/key-record.ts'
import { AppliedLimitsCache } from '../core/limit/applied-limits.ts'
import type { OpenedReservation, SettledReservation, SyncReply } from '../core/limit/messages.ts'
import { OutputQuantile } from '../core/limit/output-quantile.ts'
import { PermitHolder } from '../core/limit/permit-holder.ts'
import type { AppliedLimit } from '../core/limit/spec.ts'
import type { LimitStanding } from '../core/limit/standing.ts'
import type { Pools } from '../core/upstream/pools.ts'
import { firstGeneration } from '../core/storage-layout.ts'
import { within } from '../core/within.ts'
import type { Ledger } from '../durable/ledger/ledger.ts'
import type { Clock, Scope } from '../ports.ts'
import { callTwice, RoundTrip } from './ledger-link-call.ts'
import { readReply } from './ledger-link-reply.ts'
import { LinkTargets } from './ledger-link-targets.ts'
import { Waiter, type Heard, type Wish } from './ledger-link-waiter.ts'
import { ledgerStub } from './ledger-stub.ts'

export interface LinkDeps {
  readonly ledgers: DurableObjectNamespace<Ledger>
  readonly clock: Clock
  /** What the isolate knows of targets. */
  readonly pools: Pools
}

/** A message on its way, on behalf of the request that sent it. */
interface Flight {
  readonly startedMs: number
  readonly patienceMs: number
  sentAtMs: number
  members: readonly Waiter[]
  /** Never rejects; never settles when its request has died. */
  landed: Promise<void>
}

/** How much longer others wait for a flight than its own request does; then that request has died. Milliseconds. */
const overdueMs = 50

/** How long nobody waits for a Ledger after it has failed; probes go out more often than that. Milliseconds. */
const downMs = 4_000

/** How long, and for how many messages, a request waits when one message does not hold all who wait. */
const waitMaxMs = 3_000
const messagesMax = 50

/** For how long a request that has ended goes on sending messages that fall due. Milliseconds. */
const laterMaxMs = 20_000
/** How soon the Ledger is told again what it did not acknowledge. Milliseconds. */
const againMs = 2_000
const soonestMs = 50

/** For how long a message that nobody waits for any more may still be answered. Milliseconds. */
const lateMs = 1_000

const late = 'late' as const
const none: readonly LimitStanding[] = []
const nothing = (): void => {}

/**
 * What an isolate and the Ledger of one account say to each other: one message at a time, which carries everything there
 * is to say. Requests that need an answer share the message that goes next; each waits with a timer of its own.
 */
export class LedgerLink {
  readonly account: string
  readonly holder: PermitHolder
  readonly lease = new AccountLease()
  readonly applied = new AppliedLimitsCache()
  readonly outputs = new OutputQuantile()
  readonly #deps: LinkDeps
  readonly #overridden: (record: KeyRecord) => void
  readonly #roundTrip = new RoundTrip()
  readonly #targets: LinkTargets
  readonly #waiters = new Set<Waiter>()
  #flight: Flight | null = null
  #failedAtMs = -Infinity
  /** Until when a message that was given up may still be answered. */
  #airUntilMs = 0
  /** When the next message goes that a request which has ended has planned. */
  #laterMs = 0
  #notes = 0
  #notesTold = 0

  /**
   * @param isolate random, one for each link
   * @param overridden hears of each record that overrides older ones
   */
  constructor(account: string, isolate: string, deps: LinkDeps, overridden: (record: KeyRecord) => void) {
    this.account = account
    this.holder = new PermitHolder(isolate)
    this.#deps = deps
    this.#targets = new LinkTargets(deps.pools)
    this.#overridden = overridden
  }

  /** Whether the Ledger is known to fail: then nobody waits for it. */
  isDown(nowMs: number): boolean {
    return this.holder.failingSinceMs !== null && nowMs - this.#failedAtMs < downMs
  }

  /** Whether the Ledger has yet to be told of something. */
  get hasUntold(): boolean {
    return this.#notes > this.#notesTold
  }

  /** Whether anything would be lost if this link were dropped. */
  get isBusy(): boolean {
    return this.#waiters.size > 0 || this.#flight !== null || this.hasUntold
  }

  /** How limits stand, as far as is known here. */
  standing(limits: readonly AppliedLimit[]): readonly LimitStanding[] {
    return limits.length === 0 ? none : this.holder.standing(limits, this.#deps.clock.nowMs())
  }

  /** Notes what was reserved from permits in hand. */
  open(reservation: OpenedReservation): void {
    this.holder.open(reservation, this.#deps.clock.nowMs())
    this.#notes += 1
  }

  /** Notes what an exchange came to. */
  settle(settled: SettledReservation): void {
    this.holder.settle(settled, this.#deps.clock.nowMs())
    this.#notes += 1
  }

  /** Gives back slots that were taken for a request which does not go on. */
  giveBackSlots(counters: readonly string[], scope: Scope): void {
    for (const counter of counters) {
      const user = this.holder.hold(counter, nothing)
      if (user !== null) this.holder.free(counter, user, this.#deps.clock.nowMs())
    }
    if (counters.length > 0) this.tendLater(scope)
  }

  /** Asks the Ledger, together with all others who ask, and waits for what it says. */
  async ask(wish: Wish, scope: Scope): Promise<Heard> {
    const { clock } = this.#deps
    const startedMs = clock.nowMs()
    const waiter = new Waiter(wish)
    this.#waiters.add(waiter)
    if (wish.ask !== null) this.holder.ask(wish.ask, startedMs)
    for (let messages = 0; !waiter.isDone; messages += 1) {
      const nowMs = clock.nowMs()
      if (nowMs - startedMs >= waitMaxMs || messages >= messagesMax) this.#giveUp(waiter)
      else await this.#wait(this.#underWay(nowMs) ?? this.#lead(scope, nowMs))
    }
    this.#waiters.delete(waiter)
    scope.waited('ledger', clock.nowMs() - startedMs)
    if (wish.ask !== null && wish.ask.reservation !== null) this.#notes += 1
    this.tend(scope)
    return waiter.heard
  }

  /** Sends a message that nobody waits for, if one is due: the lease or permits run out, or a failing Ledger is tried. */
  tend(scope: Scope): void {
    const nowMs = this.#deps.clock.nowMs()
    if (this.#underWay(nowMs) === null && this.#isDue(nowMs)) this.#lead(scope, nowMs)
  }

  /**
   * Sends a message if one is due, and waits for the one under way.
   * @param leased whether the end of the account lease makes one due, or only what there is to tell
   */
  async renew(scope: Scope, leased: boolean): Promise<void> {
    const nowMs = this.#deps.clock.nowMs()
    const isDue = leased ? this.#isDue(nowMs) : this.#isHolderDue(nowMs)
    const flight = this.#underWay(nowMs) ?? (isDue ? this.#lead(scope, nowMs) : null)
    if (flight !== null) await this.#wait(flight)
  }

  /** Sees to it that a message goes when there is something to tell or to give back, although no request may come. */
  tendLater(scope: Scope): void {
    const nowMs = this.#deps.clock.nowMs()
    const wakeMs = this.#wakeMs(nowMs)
    const isPlanned = nowMs < this.#laterMs && this.#laterMs <= (wakeMs ?? Infinity) + soonestMs
    if (wakeMs !== null && !isPlanned) scope.defer(this.#later(scope))
  }

  async #later(scope: Scope): Promise<void> {
    const { clock } = this.#deps
    const endMs = clock.nowMs() + laterMaxMs
    for (;;) {
      const nowMs = clock.nowMs()
      const wakeMs = this.#wakeMs(nowMs)
      if (wakeMs === null || wakeMs >= endMs) return
      const waitMs = Math.max(soonestMs, wakeMs - nowMs)
      this.#laterMs = nowMs + waitMs
      await clock.wait(waitMs)
      await this.renew(scope, false)
    }
  }

  /** When a message falls due if nothing happens before; null: none does. */
  #wakeMs(nowMs: number): number | null {
    return this.holder.wakeMs(nowMs) ?? (this.hasUntold ? nowMs + againMs : null)
  }

  #isDue(nowMs: number): boolean {
    if (this.#isHolderDue(nowMs)) return true
    return this.holder.failingSinceMs === null && this.lease.refreshDue(nowMs)
  }

  /** A Ledger that fails is not called while it may still answer an earlier call. */
  #isHolderDue(nowMs: number): boolean {
    const mayAnswer = this.holder.failingSinceMs !== null && nowMs < this.#airUntilMs
    return !mayAnswer && this.holder.refillDue(nowMs)
  }

  /** The flight that may still land. */
  #underWay(nowMs: number): Flight | null {
    const flight = this.#flight
    if (flight === null || nowMs - flight.startedMs < flight.patienceMs + overdueMs) return flight
    this.#flight = null
    return null
  }

  /** Sends a message in the context of this request, which is kept alive until it has been answered. */
  #lead(scope: Scope, nowMs: number): Flight {
    const { patienceMs } = this.#roundTrip
    const flight: Flight = {
      startedMs: nowMs,
      patienceMs,
      sentAtMs: nowMs,
      members: [],
      landed: Promise.resolve(),
    }
    this.#flight = flight
    flight.landed = this.#fly(flight, scope)
    scope.defer(flight.landed)
    return flight
  }

  /** Waits for a flight with a timer of its own: it may be another request's, and that request may be dead. */
  async #wait(flight: Flight): Promise<void> {
    const { clock } = this.#deps
    const leftMs = flight.startedMs + flight.patienceMs + overdueMs - clock.nowMs()
    await within(clock, leftMs, flight.landed, undefined)
  }

  async #fly(flight: Flight, scope: Scope): Promise<void> {
    const { clock } = this.#deps
    const call = callTwice(() => this.#send(flight, scope)).catch(() => null)
    const reply = await within(clock, flight.patienceMs, call, late)
    const nowMs = clock.nowMs()
    if (reply === late) {
      this.#airUntilMs = flight.sentAtMs + lateMs
      scope.defer(
        within(
          clock,
          lateMs,
          call.then((tooLate) => this.#hear(flight, tooLate)),
          undefined,
        ),
      )
    }
    if (reply === late || !this.#hear(flight, reply)) this.#fail(flight, nowMs)
    if (this.#flight === flight) this.#flight = null
  }

  #send(flight: Flight, scope: Scope): Promise<SyncReply> {
    const { clock, ledgers } = this.#deps
    scope.count('ledger')
    flight.sentAtMs = clock.nowMs()
    flight.members = [...this.#waiters]
    const keys = new Set(flight.members.flatMap(({ key }) => key ?? []))
    const { sequence } = this.lease
    const message = this.holder.message(flight.sentAtMs, { sequence, keys: [...keys] })
    const notes = this.#notes
    const stub = ledgerStub(ledgers, this.account, firstGeneration)
    return stub.sync({ ...message, ...this.#targets.telling(flight.sentAtMs) }).then((reply) => {
      this.#notesTold = Math.max(this.#notesTold, notes)
      return reply
    })
  }

  /** Takes a reply in. @returns false when it is none, or makes no sense */
  #hear(flight: Flight, value: SyncReply | null): boolean {
    try {
      const reply = value === null ? null : readReply(value)
      if (reply !== null) this.#takeIn(flight, reply)
      return reply !== null
    } catch {
      return false
    }
  }

  #takeIn(flight: Flight, reply: SyncReply): void {
    const nowMs = this.#deps.clock.nowMs()
    this.#roundTrip.note(nowMs - flight.sentAtMs)
    this.#targets.hear(reply, flight.sentAtMs, nowMs)
    const answered = new Map(this.holder.apply(reply, nowMs).map((each) => [each.id, each]))
    for (const waiter of this.#waiters) waiter.hearNeed(answered)
    const changed = this.lease.apply(reply.account, flight.sentAtMs)
    if (changed === null) return
    for (const record of changed) this.#overridden(record)
    const records = new Map(reply.keys.map(({ id, record }) => [id, record]))
    for (const member of flight.members) member.hear(records, this.lease)
  }

  #fail(flight: Flight, nowMs: number): void {
    if (this.#flight !== flight) return
    this.#failedAtMs = nowMs
    const answered = new Map(this.holder.failed(nowMs).map((each) => [each.id, each]))
    for (const waiter of this.#waiters) waiter.fail(answered)
  }

  #giveUp(waiter: Waiter): void {
    if (waiter.askId !== null) this.holder.cancel(waiter.askId)
    waiter.fail(new Map())
  }
}
