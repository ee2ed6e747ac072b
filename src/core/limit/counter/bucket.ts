import type { LimitSpec } from '../spec.ts'
import { BucketLevel } from './bucket-level.ts'
import {
  mustStore,
  parseBucketRow,
  perMsOf,
  rowOf,
  startOf,
  type BucketRow,
  type BucketState,
} from './bucket-row.ts'
import type { Charge, Counter, CounterStart, Flight, Heard, Report, Spent, Standing } from './counter.ts'
import { Leases, reckon, type Lease } from './leases.ts'
import { leaseSize } from './lease-size.ts'
import { capacityOf, guardMs, leaseMsOf, periodMsOf } from './lease-terms.ts'

/** How much an isolate may misjudge, by its clock, when a request left. */
const clockMs = 25
const driftPart = 0.0005
/** What rounding may come to, in permits. */
const rounding = 1e-6

interface BucketFlight extends Flight {
  /** False once it has left or never will. */
  open: boolean
  /** The claim it became when nobody said in time what became of it. */
  claim: number | null
}

/** The authority of a token bucket: at most `capacity + rate * time` requests leave in any time, from all isolates. */
export class Bucket implements Counter {
  spec: LimitSpec
  readonly #boot: string
  readonly #bucket: BucketLevel
  readonly #leases: Leases
  readonly #flights = new Set<BucketFlight>()
  #inherited: number
  #inheritedUntilMs: number
  #row: BucketRow | null
  #changed = false

  constructor(spec: LimitSpec, { row, boot, nowMs }: CounterStart) {
    this.spec = spec
    this.#boot = boot
    this.#row = parseBucketRow(row)
    const start = startOf(this.#row, spec, nowMs)
    const before = this.#row ?? { capacity: capacityOf(spec), perMs: perMsOf(spec) }
    this.#bucket = new BucketLevel(before.capacity, before.perMs, { level: start.level, atMs: nowMs })
    this.#bucket.out = start.leased
    this.#inherited = start.leased
    this.#inheritedUntilMs = start.leasedUntilMs
    this.#leases = new Leases(boot)
    if (before.capacity !== capacityOf(spec) || before.perMs !== perMsOf(spec)) this.change(spec)
  }

  advance(nowMs: number): void {
    for (const { atMs, end } of this.#endings(nowMs)) {
      this.#bucket.refill(atMs)
      end()
    }
    this.#bucket.refill(nowMs)
    this.#forgetFlights()
  }

  change(spec: LimitSpec): void {
    this.spec = spec
    this.#bucket.shrink(capacityOf(spec), perMsOf(spec))
    this.#changed = true
  }

  hear(report: Report): Heard | null {
    const lease = this.#leases.get(report.isolate)
    if (lease === undefined) {
      const begun = this.#leases.begin(report, this.#bucket.atMs)
      this.#bucket.level -= this.#leases.owed(begun, report)
      return { keep: false, spent: nothing }
    }
    if (report.seq <= lease.seq) return null
    this.#bucket.level -= this.#leases.owed(lease, report)
    const heard = this.#reckon(lease, report)
    this.#leases.heard(lease, report, this.#bucket.atMs)
    return heard
  }

  left(): number {
    return Math.max(0, Math.floor(this.#bucket.level + rounding))
  }

  take(cost: number, withinMs: number): Flight {
    const sinceMs = this.#bucket.atMs
    const untilMs = sinceMs + withinMs + guardMs
    const flight: BucketFlight = { cost, place: 0, sinceMs, untilMs, open: true, claim: null }
    this.#bucket.give(cost)
    this.#flights.add(flight)
    return flight
  }

  land(flight: BucketFlight, agoMs: number | null): Spent {
    if (!flight.open) return nothing
    flight.open = false
    this.#flights.delete(flight)
    const held = flight.claim === null ? flight.cost : this.#bucket.claimLeft(flight.claim)
    const leftMs = this.#bucket.atMs - (agoMs ?? 0) * (1 - driftPart) + clockMs
    const back = agoMs === null ? held : this.#recover(Math.max(leftMs, flight.sinceMs), held)
    if (flight.claim !== null) this.#bucket.settle(flight.claim, back)
    else {
      this.#bucket.giveBack(back)
      this.#bucket.use(held - back)
    }
    return { amount: agoMs === null ? 0 : held - back, place: 0 }
  }

  lease(isolate: string, want: number): { permits: number; ttlMs: number } {
    const ttlMs = leaseMsOf(this.spec)
    const lease = this.#leases.get(isolate)
    if (lease === undefined) return { permits: 0, ttlMs }
    const permits = leaseSize({
      spec: this.spec,
      want,
      have: lease.live,
      left: this.left(),
      leased: this.#leased,
      demand: this.#leases.demand(isolate, this.#bucket.atMs),
    })
    this.#bucket.give(permits)
    this.#leases.setLive(lease, lease.live + permits)
    this.#leases.extend(lease, this.#bucket.atMs + ttlMs + guardMs)
    return { permits, ttlMs }
  }

  isolates(isolate: string): { readonly count: number; readonly ordinal: number } {
    const { others } = this.#leases.demand(isolate, this.#bucket.atMs)
    return { count: others + 1, ordinal: this.#leases.get(isolate)?.ordinal ?? 0 }
  }

  coastPerSecond(isolate: string): number {
    return (this.#leases.promise(isolate, this.#bucket.atMs) * 1000 * this.spec.max) / periodMsOf(this.spec)
  }

  waitMs(cost: number): number | null {
    const { level, perMs, capacity } = this.#bucket
    return cost > capacity ? null : Math.max(0, cost - level) / perMs
  }

  resetMs(): number {
    return Math.max(0, this.#bucket.capacity - this.#bucket.level) / this.#bucket.perMs
  }

  claim(spent: Spent): number {
    return this.#bucket.claim(spent.amount)
  }

  refund(charge: Charge, amount: number): void {
    if (charge.boot === this.#boot) this.#bucket.settle(charge.place, Math.min(amount, charge.amount))
  }

  extra(amount: number): void {
    this.#bucket.level -= amount
  }

  standing(): Standing {
    const left = this.left()
    const { atMs, capacity } = this.#bucket
    return { used: capacity - left, left, windowStartsMs: atMs, windowEndsMs: atMs + this.resetMs() }
  }

  row(): string | null {
    const state = this.#state
    if (!this.#changed && !mustStore(this.#row, this.spec, state)) return null
    this.#changed = false
    this.#row = rowOf(this.spec, state)
    return JSON.stringify(this.#row)
  }

  restingRow(): string | null {
    const state = this.#state
    if (this.spec.durability === 'default' || this.#row === null || this.#row.clean || state.out > 0)
      return null
    this.#row = { ...rowOf(this.spec, state), level: state.level, clean: true }
    return JSON.stringify(this.#row)
  }

  idle(): boolean {
    return this.#bucket.out === 0 && this.#bucket.level >= this.#bucket.capacity - rounding
  }

  get #leased(): number {
    return this.#leases.live + this.#inherited
  }

  get #state(): BucketState {
    const { level, atMs, out } = this.#bucket
    return { level, atMs, out, leased: this.#leased }
  }

  /** What flowed in since and was lost; but tokens are reserved, and come back when their request is settled. */
  #recover(sinceMs: number, cost: number): number {
    return this.spec.kind === 'token-rate' ? 0 : this.#bucket.recover(sinceMs, cost)
  }

  #reckon(lease: Lease, report: Report): Heard {
    if (lease.ended > 0) {
      const left = this.#bucket.claimLeft(lease.place)
      const { used, returned } = reckon(lease.ended, lease, report)
      const back = this.#bucket.settle(lease.place, returned)
      lease.ended = 0
      return { keep: false, spent: { amount: Math.min(used, left - back), place: 0 } }
    }
    const { used, returned, have, keep } = reckon(lease.live, lease, report)
    this.#leases.setLive(lease, have)
    this.#bucket.giveBack(returned)
    this.#bucket.use(used)
    return { keep, spent: { amount: used, place: 0 } }
  }

  /** What can no longer be used as of a time, in the order in which it ends. */
  #endings(nowMs: number): readonly { readonly atMs: number; readonly end: () => void }[] {
    const endings: { atMs: number; end: () => void }[] = []
    for (const lease of this.#leases.ending(nowMs))
      endings.push({ atMs: lease.endsMs, end: () => this.#endLease(lease) })
    for (const flight of this.#flights) {
      if (flight.untilMs <= nowMs && flight.claim === null)
        endings.push({ atMs: flight.untilMs, end: () => this.#endFlight(flight) })
    }
    if (this.#inherited > 0 && this.#inheritedUntilMs <= nowMs) {
      endings.push({ atMs: this.#inheritedUntilMs, end: () => this.#endInherited() })
    }
    return endings.length > 1 ? endings.toSorted((a, b) => a.atMs - b.atMs) : endings
  }

  #endLease(lease: Lease): void {
    this.#bucket.use(lease.live)
    lease.ended = lease.live
    lease.place = this.#bucket.claim(lease.live)
    this.#leases.setLive(lease, 0)
  }

  #endFlight(flight: BucketFlight): void {
    this.#bucket.use(flight.cost)
    flight.claim = this.#bucket.claim(flight.cost)
  }

  #endInherited(): void {
    this.#bucket.use(this.#inherited)
    this.#inherited = 0
  }

  /** Flights whose claims have ended have nothing to get back. */
  #forgetFlights(): void {
    for (const flight of this.#flights) {
      const over = flight.claim !== null && this.#bucket.claimLeft(flight.claim) === 0
      if (!over) {
        this.#bucket.forgetLost(flight.sinceMs)
        return
      }
      this.#flights.delete(flight)
    }
    this.#bucket.forgetLost(this.#bucket.atMs)
  }
}

const nothing: Spent = { amount: 0, place: 0 }
