import type { LimitSpec } from '../spec.ts'
import type { Charge, Counter, CounterStart, Flight, Heard, Report, Spent, Standing } from './counter.ts'
import { leaseSize } from './lease-size.ts'
import { guardMs, leaseMsOf, periodMsOf } from './lease-terms.ts'
import { Leases, reckon, type Lease } from './leases.ts'
import { SlotCharges } from './slot-charges.ts'
import { parseWindowRow, type WindowRow } from './window-row.ts'
import { shapeOf, type WindowShape } from './window-shape.ts'

/** The part of a limit that a row says is charged although it is not yet, so that it is not written with each request. */
const headroom = 0.01

interface WindowFlight extends Flight {
  open: boolean
  /** The calendar window after `place`, where the request may leave in either. */
  readonly also: number | null
}

/**
 * The authority of a window that rolls, or of a calendar window: in no window more than `max` is used. Permits are
 * charged when they are granted, to the slot in which they can be used last.
 */
export class Window implements Counter {
  spec: LimitSpec
  #shape: WindowShape
  #charges: SlotCharges
  /** What a restart would begin with; null when nothing is stored. */
  #stored: SlotCharges | null = null
  /** Whether what is stored is exact and has the leases, as long as nothing happens. */
  #resting = false
  #touched = false
  #nowMs: number
  readonly #leases: Leases

  constructor(spec: LimitSpec, { row, boot, nowMs }: CounterStart) {
    const before = parseWindowRow(row)
    this.spec = before === null ? spec : { ...spec, ...before.shape }
    this.#shape = shapeOf(this.spec)
    this.#nowMs = nowMs
    this.#leases = new Leases(boot)
    this.#charges = new SlotCharges(this.#shape, before?.slots ?? [])
    if (before === null) return
    this.#stored = new SlotCharges(this.#shape, before.slots)
    this.#resting = before.leases !== null
    for (const [isolate, lease] of before.leases ?? []) this.#leases.restore(isolate, lease)
    this.change(spec)
  }

  advance(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs)
    for (const lease of this.#leases.ending(this.#nowMs)) {
      lease.ended = lease.live
      this.#leases.setLive(lease, 0)
    }
    this.#charges.forget(this.#nowMs)
    this.#stored?.forget(this.#nowMs)
  }

  change(spec: LimitSpec): void {
    const same = spec.periodMs === this.spec.periodMs && spec.calendar === this.spec.calendar
    this.spec = spec
    if (same) return
    const shape = shapeOf(spec)
    const moved = (slot: number): number => shape.slotOf(this.#shape.usedByMs(slot, this.#nowMs))
    const charges = this.#charges.sorted().map(([slot, amount]) => [moved(slot), amount] as const)
    for (const [, lease] of this.#leases.entries()) lease.place = moved(lease.place)
    this.#charges = new SlotCharges(shape, charges)
    this.#shape = shape
    this.#stored = null
    this.#touched = true
  }

  hear(report: Report): Heard | null {
    const lease = this.#leases.get(report.isolate)
    if (lease !== undefined && report.seq <= lease.seq) return null
    this.#touched = true
    if (lease === undefined) {
      const begun = this.#leases.begin(report, this.#nowMs)
      this.extra(this.#leases.owed(begun, report))
      return { keep: false, spent: { amount: 0, place: 0 } }
    }
    this.extra(this.#leases.owed(lease, report))
    const heard = this.#reckon(lease, report)
    this.#leases.heard(lease, report, this.#nowMs)
    return heard
  }

  left(): number {
    return Math.max(0, Math.floor(this.spec.max - this.#charges.total(this.#nowMs)))
  }

  take(cost: number, withinMs: number): Flight {
    this.#touched = true
    const untilMs = this.#nowMs + withinMs + guardMs
    const last = this.#shape.slotOf(untilMs)
    const place = this.#shape.rolls ? last : this.#shape.slotOf(this.#nowMs)
    const also = place === last ? null : last
    this.#charges.add(place, cost)
    if (also !== null) this.#charges.add(also, cost)
    const flight: WindowFlight = { cost, place, sinceMs: this.#nowMs, untilMs, open: true, also }
    return flight
  }

  land(flight: WindowFlight, agoMs: number | null): Spent {
    if (!flight.open) return { amount: 0, place: 0 }
    flight.open = false
    this.#touched = true
    if (agoMs !== null) return { amount: flight.cost, place: flight.place }
    this.#charges.remove(flight.place, flight.cost)
    if (flight.also !== null) this.#charges.remove(flight.also, flight.cost)
    return { amount: 0, place: 0 }
  }

  lease(isolate: string, want: number): { permits: number; ttlMs: number } {
    const toBoundaryMs = this.#shape.boundaryMs(this.#nowMs) - this.#nowMs - guardMs
    const ttlMs = Math.max(0, Math.min(leaseMsOf(this.spec), toBoundaryMs))
    const lease = this.#leases.get(isolate)
    if (lease === undefined || toBoundaryMs <= 0) return { permits: 0, ttlMs }
    const permits = leaseSize({
      spec: this.spec,
      want,
      have: lease.live,
      left: this.left(),
      leased: this.#leases.live,
      demand: this.#leases.demand(isolate, this.#nowMs),
    })
    const from = lease.live
    this.#leases.setLive(lease, from + permits)
    this.#leases.extend(lease, this.#nowMs + ttlMs + guardMs)
    const place = this.#shape.slotOf(this.#shape.rolls ? lease.endsMs : this.#nowMs)
    this.#charges.move(lease.place, place, from)
    this.#charges.add(place, permits)
    lease.place = place
    this.#touched = true
    return { permits, ttlMs }
  }

  isolates(isolate: string): { readonly count: number; readonly ordinal: number } {
    const { others } = this.#leases.demand(isolate, this.#nowMs)
    return { count: others + 1, ordinal: this.#leases.get(isolate)?.ordinal ?? 0 }
  }

  coastPerSecond(isolate: string): number {
    return (this.#leases.promise(isolate, this.#nowMs) * 1000 * this.spec.max) / periodMsOf(this.spec)
  }

  waitMs(cost: number): number | null {
    let left = this.spec.max - this.#charges.total(this.#nowMs)
    if (cost > this.spec.max) return null
    for (const [slot, amount] of this.#charges.sorted()) {
      if (left >= cost) break
      if (!this.#shape.counts(slot, this.#nowMs)) continue
      left += amount
      if (left >= cost) return this.#shape.leavesMs(slot) - this.#nowMs
    }
    return 0
  }

  resetMs(): number {
    if (!this.#shape.rolls) return this.#shape.boundaryMs(this.#nowMs) - this.#nowMs
    const newest = this.#charges.sorted().at(-1)
    return newest === undefined ? 0 : this.#shape.leavesMs(newest[0]) - this.#nowMs
  }

  claim(spent: Spent): number {
    return spent.place
  }

  refund(charge: Charge, amount: number): void {
    this.#charges.remove(charge.place, Math.max(0, Math.min(amount, charge.amount)))
    this.#touched = true
  }

  extra(amount: number): void {
    this.#charges.add(this.#shape.slotOf(this.#nowMs), amount)
    this.#touched = true
  }

  standing(): Standing {
    const total = this.#charges.total(this.#nowMs)
    const unused = Math.min(total, this.#leases.live)
    const first = this.#charges.sorted().find(([slot]) => this.#shape.counts(slot, this.#nowMs))
    const slot = first?.[0] ?? this.#shape.slotOf(this.#nowMs)
    return {
      used: total - unused,
      left: Math.max(0, this.spec.max - total + unused),
      windowStartsMs: this.#shape.beginsMs(slot),
      windowEndsMs: this.#shape.endsMs(slot),
    }
  }

  row(): string | null {
    const safe = this.#resting ? !this.#touched : (this.#stored ?? emptyOf(this.#shape)).covers(this.#charges)
    if (safe) return null
    const ahead = Math.floor(this.spec.max * headroom)
    const stored = new SlotCharges(this.#shape, this.#charges.sorted())
    stored.add(this.#shape.slotOf(this.#nowMs + this.#shape.aheadMs), ahead)
    this.#stored = stored
    this.#resting = false
    return this.#write(null)
  }

  restingRow(): string | null {
    if (this.#resting ? !this.#touched : this.#stored === null) return null
    this.#stored = new SlotCharges(this.#shape, this.#charges.sorted())
    this.#resting = true
    this.#touched = false
    return this.#write([...this.#leases.entries()].filter(([, { live, ended }]) => live + ended > 0))
  }

  idle(): boolean {
    return this.#leases.live === 0 && this.#charges.sorted().length === 0
  }

  #write(leases: WindowRow['leases']): string {
    const { periodMs, calendar } = this.spec
    const slots = this.#stored?.sorted() ?? []
    const row: WindowRow = { v: 1, kind: 'window', shape: { periodMs, calendar }, slots, leases }
    return JSON.stringify(row)
  }

  #reckon(lease: Lease, report: Report): Heard {
    const granted = lease.ended > 0 ? lease.ended : lease.live
    const { used, returned, have, keep } = reckon(granted, lease, report)
    this.#charges.remove(lease.place, returned)
    if (lease.ended > 0) {
      lease.ended = 0
      return { keep: false, spent: { amount: used, place: lease.place } }
    }
    const place = Math.min(lease.place, this.#shape.slotOf(this.#nowMs))
    this.#charges.move(lease.place, place, used)
    this.#leases.setLive(lease, have)
    return { keep, spent: { amount: used, place } }
  }
}

function emptyOf(shape: WindowShape): SlotCharges {
  return new SlotCharges(shape, [])
}
