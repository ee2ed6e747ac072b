import type { Flight, Standing } from './counter/counter.ts'
import { denyMsOf, replyWithinMs } from './counter/lease-terms.ts'
import type { CounterGrant, Need, NeedAnswer, SettledReservation, SyncRequest, Take } from './messages.ts'
import { BookCounters, isOurs, type BookLimits, type BookStore } from './permit-book-counters.ts'
import type { ReservationStore } from './reservations-row.ts'
import { ReservationBook, type Settlements } from './reservations.ts'
import type { LimitSpec } from './spec.ts'

export type { BookLimits, BookStore } from './permit-book-counters.ts'

const isolatesMax = 1000
const forgetAfterMs = 60_000
/** When a request may ask again whose limit its message did not tell of. Milliseconds. */
const untoldMs = 1000

/** What a message comes to. Empty when it is older than one that was served. */
export interface Served {
  readonly grants: readonly CounterGrant[]
  readonly needs: readonly NeedAnswer[]
  readonly acknowledged: readonly string[]
  /** Exchanges that count now. */
  readonly settled: readonly SettledReservation[]
  /** What was counted as lost before, and counts no more. */
  readonly withdrawn: readonly SettledReservation[]
}

interface Isolate {
  seq: number
  heardMs: number
  /** Granted in reply to its last message to requests that waited. */
  flights: (readonly [string, Flight])[]
}

const noSettlements: Settlements = { acknowledged: [], settled: [], withdrawn: [] }

/**
 * The authority on all limits of one account. What it decides it decides at once, with no I/O but the stores'; whatever
 * it grants is covered by a stored row before the reply leaves.
 */
export class PermitBook {
  readonly #boot: string
  readonly #counters: BookCounters
  readonly #reservations: ReservationBook | null
  readonly #isolates = new Map<string, Isolate>()

  /**
   * @param boot random, one for each life of the Ledger
   * @param reservations null where nothing is reserved: then nothing is acknowledged
   */
  constructor(store: BookStore, boot: string, nowMs: number, reservations: ReservationStore | null = null) {
    this.#boot = boot
    this.#counters = new BookCounters(store, boot, nowMs)
    this.#reservations = reservations === null ? null : new ReservationBook(reservations, this.#counters)
  }

  /** Answers a message, synchronously. Its reply must not leave before what was saved meanwhile is durable. */
  serve(request: SyncRequest, limits: BookLimits, atMs: number): Served {
    const nowMs = this.#counters.advance(atMs)
    const isolate = this.#isolate(request.isolate, nowMs)
    if (request.seq <= isolate.seq) return { grants: [], needs: [], ...noSettlements }
    this.#counters.begin(limits, request.holdings)
    this.#land(isolate, request)
    const kept = this.#hear(request)
    const settlements = this.#reservations?.hear(request, nowMs) ?? noSettlements
    const needs = request.needs.map((need) => this.#answer(need, { request, limits, isolate }))
    const grants = this.#grants(request, kept)
    isolate.seq = request.seq
    isolate.heardMs = nowMs
    this.#counters.save()
    return { grants, needs, ...settlements }
  }

  /** How a limit stands. */
  standing(counter: string, spec: LimitSpec, nowMs: number): Standing {
    this.#counters.advance(nowMs)
    return this.#counters.open(counter, spec).standing()
  }

  /** Whether `rest` would store anything. */
  get restless(): boolean {
    return this.#counters.restless
  }

  /** Stores how everything stands exactly; to be called some seconds after the last message, before the Ledger sleeps. */
  rest(nowMs: number): void {
    this.#counters.advance(nowMs)
    this.#counters.rest()
  }

  /** When `alarm` has something to do; null when never. Milliseconds since the epoch. */
  nextAlarmMs(): number | null {
    return this.#reservations?.nextAlarmMs() ?? null
  }

  /** Settles reservations that nobody settled in time. Repeated, it changes nothing. */
  alarm(nowMs: number): Settlements {
    return this.#reservations?.alarm(this.#counters.advance(nowMs)) ?? noSettlements
  }

  /** What became of requests that were granted permits in reply to the isolate's last message. */
  #land(isolate: Isolate, { acked, boot }: SyncRequest): void {
    const agoMs = acked !== null && acked.seq === isolate.seq && boot === this.#boot ? acked.agoMs : null
    for (const [id, flight] of isolate.flights) {
      const counter = this.#counters.touch(id)
      if (counter !== null) this.#counters.spend(id, counter.land(flight, agoMs))
    }
    isolate.flights = []
  }

  /** @returns the counters that the isolate told of, and whether what it holds of them stays valid */
  #hear({ isolate, seq, boot, acked, holdings }: SyncRequest): ReadonlyMap<string, boolean> {
    const kept = new Map<string, boolean>()
    for (const holding of holdings) {
      const counter = this.#counters.touch(holding.counter)
      const heard = counter?.hear({ isolate, seq, boot, ackedSeq: acked?.seq ?? 0, holding }) ?? null
      if (heard === null) continue
      kept.set(holding.counter, heard.keep)
      this.#counters.spend(holding.counter, heard.spent)
    }
    return kept
  }

  /** Grants all that a request needs, or nothing. */
  #answer(
    { id, key, takes: asked }: Need,
    message: { readonly request: SyncRequest; readonly limits: BookLimits; readonly isolate: Isolate },
  ): NeedAnswer {
    const { request, isolate } = message
    const limits = key === null ? [] : message.limits.limitsOfKey(key)
    if (limits === null) return { id, takes: null, violated: [], waitMs: null, limits: [] }
    const takes = [...asked, ...limits.map(({ counter }) => ({ counter, cost: 1 }))]
    const short = takes.filter((take) => !this.#has(take))
    if (short.length > 0) {
      const violated = short.map(({ counter }) => counter)
      return { id, takes: null, violated, waitMs: this.#waitMs(short, request.isolate), limits }
    }
    const withinMs = Math.min(request.replyWithinMs, replyWithinMs)
    for (const { counter, cost } of takes) {
      const flight = this.#counters.touch(counter)?.take(cost, withinMs, request.isolate)
      if (flight !== undefined) isolate.flights.push([counter, flight])
    }
    return { id, takes, violated: [], waitMs: 0, limits }
  }

  /** Whether a cost can be granted. A limit that is no more grants anything; one that nobody has told of, nothing. */
  #has({ counter: id, cost }: Take): boolean {
    const counter = this.#counters.touch(id)
    return counter === null ? isOurs(id) : cost <= counter.left()
  }

  /** When all that was short may be there; null when never. */
  #waitMs(short: readonly Take[], isolate: string): number | null {
    let longestMs = 0
    for (const { counter: id, cost } of short) {
      const counter = this.#counters.touch(id)
      const waitMs = counter === null ? untoldMs : counter.waitMs(cost)
      if (waitMs === null) return null
      const denyMs = counter === null ? waitMs : denyMsOf(counter.spec, waitMs, counter.isolates(isolate))
      longestMs = Math.max(longestMs, denyMs)
    }
    return longestMs
  }

  #grants({ holdings, isolate }: SyncRequest, kept: ReadonlyMap<string, boolean>): readonly CounterGrant[] {
    return holdings.flatMap(({ counter: id, want }) => {
      const counter = this.#counters.touch(id)
      const keep = kept.get(id)
      if (counter === null || keep === undefined) return []
      const { permits, ttlMs } = counter.lease(isolate, want)
      const left = counter.left()
      const denyMs = left > 0 ? 0 : denyMsOf(counter.spec, counter.waitMs(1) ?? 0, counter.isolates(isolate))
      const coastPerSecond = counter.coastPerSecond(isolate)
      const { spec } = counter
      const resetMs = counter.resetMs()
      return [{ counter: id, spec, permits, ttlMs, keep, left, resetMs, denyMs, coastPerSecond }]
    })
  }

  #isolate(id: string, nowMs: number): Isolate {
    const known = this.#isolates.get(id)
    if (known !== undefined) return known
    if (this.#isolates.size >= isolatesMax) {
      for (const [other, { heardMs }] of this.#isolates) {
        if (nowMs - heardMs > forgetAfterMs) this.#isolates.delete(other)
      }
    }
    const isolate: Isolate = { seq: 0, heardMs: nowMs, flights: [] }
    this.#isolates.set(id, isolate)
    return isolate
  }
}
