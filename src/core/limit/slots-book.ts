import type { Counter, Flight, Heard, Report, Spent, Standing } from './counter/counter.ts'
import { heldAtStart, readRow, rowToStore, type SlotRow } from './slots-row.ts'
import { slotGuardMs, slotLeaseMs } from './slots-terms.ts'
import type { LimitSpec } from './spec.ts'

/** What the Ledger knows of one isolate. */
interface Held {
  readonly ordinal: number
  /** Its last message about these slots. */
  seq: number
  /** Slots it may have, in use or free. */
  slots: number
  untilMs: number
  /** Slots that its requests would use at once, and have not. */
  lacks: number
  /** Slots in use and free that it told of last. */
  inUse: number
  have: number
  /** Free slots that it would have ahead of need. */
  wants: number
  /** What it has stands under slots of the Ledger's former life. */
  former: boolean
  /** What it has was dropped: what it is leased is all it has. */
  dropped: boolean
}

const nothing: Held = {
  ordinal: 0,
  seq: 0,
  slots: 0,
  untilMs: 0,
  lacks: 0,
  inUse: 0,
  have: 0,
  wants: 0,
  former: false,
  dropped: false,
}

const nothingSpent: Spent = { amount: 0, place: 0 }

/**
 * The authority on slots: requests or streams that are under way at the same time. At every instant
 * `held by isolates + held back since a restart <= max`, and an isolate never has more than is held for it: what it tells
 * is its whole truth, it takes slots from the reply to its last message only, and its leases end a guard earlier by its
 * own clock, counted from when it sent. A lowered limit ends nothing that runs.
 *
 * After a restart the stored row says how many slots may be out there. They are held back until their leases have ended
 * for certain; an isolate that has heard of the new life moves its own from there. A message sent before that moves
 * nothing, since an older one that was delayed would say the same.
 */
export class SlotBook implements Counter {
  spec: LimitSpec
  readonly #isolates = new Map<string, Held>()
  /** Slots of the former life that no isolate has claimed. */
  #former: SlotRow
  #stored: SlotRow | null
  readonly #boot: string
  #nowMs: number
  #ordinal = 0

  /**
   * @param row as it was stored, null when there is none
   * @param life of the Ledger, and when it began
   */
  constructor(
    spec: LimitSpec,
    row: string | null,
    { boot, nowMs }: { readonly boot: string; readonly nowMs: number },
  ) {
    this.spec = spec
    this.#boot = boot
    this.#former = heldAtStart(row, spec.max, nowMs)
    this.#stored = row === null ? null : (readRow(row) ?? this.#former)
    this.#nowMs = nowMs
  }

  advance(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs)
    if (this.#former.untilMs <= this.#nowMs) this.#former = { out: 0, untilMs: 0 }
    for (const [isolate, { untilMs }] of this.#isolates) {
      if (untilMs <= this.#nowMs) this.#isolates.delete(isolate)
    }
  }

  change(spec: LimitSpec): void {
    this.spec = spec
  }

  hear({ isolate, seq, boot, holding }: Report): Heard | null {
    const held = this.#heldBy(isolate)
    if (seq <= held.seq) return null
    const { inUse, debt, have, want } = holding
    Object.assign(held, {
      seq,
      inUse,
      have,
      lacks: debt,
      wants: want,
      former: false,
      dropped: false,
    })
    held.untilMs = this.#endsMs()
    const keep =
      boot === this.#boot ? this.#hearOurs(held, inUse + have) : this.#hearFormer(held, inUse + have)
    return { keep, spent: nothingSpent }
  }

  left(): number {
    return Math.max(0, this.spec.max - this.#out())
  }

  /** Held for the isolate at once, whether the reply arrives or not; its next message says what it has. */
  take(cost: number, _withinMs: number, isolate: string): Flight {
    const held = this.#heldBy(isolate)
    held.slots += cost
    held.untilMs = this.#endsMs()
    return { cost, place: 0, sinceMs: this.#nowMs, untilMs: this.#nowMs }
  }

  land(): Spent {
    return nothingSpent
  }

  /** Gives slots for requests that go on without one, then some ahead of need while more than half of all are free. */
  lease(isolate: string): { readonly permits: number; readonly ttlMs: number } {
    const held = this.#heldBy(isolate)
    held.untilMs = this.#endsMs()
    const covered = Math.min(held.lacks, this.left())
    held.slots += covered
    held.lacks = 0
    const ahead = this.#ahead(held)
    held.slots += ahead
    const permits = held.dropped ? held.slots : covered + ahead
    const formerMs = this.#former.untilMs - slotGuardMs - this.#nowMs
    return { permits, ttlMs: held.former ? Math.max(0, formerMs) : slotLeaseMs }
  }

  /** Nobody knows when a slot becomes free. */
  waitMs(cost: number): number | null {
    if (cost > this.spec.max) return null
    return cost <= this.left() ? 0 : 1000
  }

  resetMs(): number {
    return this.#out() === 0 ? 0 : Math.max(0, this.#heldUntilMs() - this.#nowMs)
  }

  /** A slot is freed, not given back. */
  claim(): number {
    return 0
  }

  refund(): void {
    // Nothing is charged.
  }

  extra(): void {
    // Nothing is charged.
  }

  standing(): Standing {
    const used = this.#out()
    return { used, left: this.left(), windowStartsMs: this.#nowMs, windowEndsMs: this.#nowMs }
  }

  /** How many slots the isolate may use at once while the Ledger does not answer: its own, and a share of the others. */
  coastPerSecond(isolate: string): number {
    const own = this.#isolates.get(isolate)?.slots ?? 0
    return own + Math.floor(this.left() / (this.#isolates.size + 1))
  }

  row(): string | null {
    return this.#store(rowToStore(this.#stored, this.#held(), this.spec.max))
  }

  restingRow(): string | null {
    const held = this.#held()
    const exact = held.out === 0 ? { out: 0, untilMs: 0 } : held
    const before = this.#stored ?? { out: 0, untilMs: 0 }
    const good = before.out === exact.out && (exact.out === 0 || before.untilMs === exact.untilMs)
    return good ? null : this.#store(exact)
  }

  /** All that is held goes with the isolates' leases, and what is stored says so. */
  idle(): boolean {
    return this.#isolates.size === 0 && this.#former.out === 0
  }

  isolates(isolate: string): { readonly count: number; readonly ordinal: number } {
    return { count: this.#isolates.size, ordinal: this.#isolates.get(isolate)?.ordinal ?? 0 }
  }

  /** Such an isolate has taken no reply of this life: nothing is held for it but what the former life granted. */
  #hearFormer(held: Held, told: number): boolean {
    held.slots = 0
    held.former = told > 0 && told <= this.#former.out
    return told === 0 || held.former ? true : this.#drop(held)
  }

  #hearOurs(held: Held, told: number): boolean {
    const beyond = Math.max(0, told - held.slots)
    const moved = Math.min(beyond, this.#former.out)
    this.#former = { ...this.#former, out: this.#former.out - moved }
    held.slots += moved
    if (beyond - moved > this.left()) return this.#drop(held)
    held.slots = told
    return true
  }

  /** The isolate's slots had ended and went to others: what can be spared is leased to it anew. */
  #drop(held: Held): false {
    held.dropped = true
    held.lacks += Math.max(0, held.inUse - held.slots)
    return false
  }

  #ahead({ have, wants, former, dropped }: Held): number {
    const left = this.left()
    if (former || dropped || left * 2 <= this.spec.max) return 0
    return Math.max(0, Math.min(wants - have, Math.floor(left / 4)))
  }

  #heldBy(isolate: string): Held {
    const known = this.#isolates.get(isolate)
    if (known !== undefined) return known
    this.#ordinal += 1
    const held = { ...nothing, ordinal: this.#ordinal, untilMs: this.#endsMs() }
    this.#isolates.set(isolate, held)
    return held
  }

  #out(): number {
    let out = this.#former.out
    for (const { slots } of this.#isolates.values()) out += slots
    return out
  }

  #held(): SlotRow {
    return { out: this.#out(), untilMs: this.#heldUntilMs() }
  }

  #heldUntilMs(): number {
    let untilMs = Math.max(this.#nowMs, this.#former.untilMs)
    for (const held of this.#isolates.values()) {
      if (held.slots > 0) untilMs = Math.max(untilMs, held.untilMs)
    }
    return untilMs
  }

  #endsMs(): number {
    return this.#nowMs + slotLeaseMs + slotGuardMs
  }

  #store(row: SlotRow | null): string | null {
    if (row === null) return null
    this.#stored = row
    return JSON.stringify(row)
  }
}
