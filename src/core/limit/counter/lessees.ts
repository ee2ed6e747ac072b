import type { OpenedReservation } from '../messages.ts'
import { SlotLessee } from '../slots-lessee.ts'
import type { AppliedLimit, LimitSpec } from '../spec.ts'
import { isSlots } from './lease-terms.ts'
import type { Lessee } from './lessee.ts'
import { PermitLessee } from './permit-lessee.ts'

/** What an isolate holds of the counters of an account; bounded, the least lately used goes. */
export class Lessees {
  readonly #max: number
  readonly #held = new Map<string, { lessee: Lessee; known: LimitSpec }>()
  readonly #slots = new Set<SlotLessee>()
  /** No forgotten counter has used more than this. */
  #usedMax = 0

  constructor(max: number) {
    this.#max = max
  }

  /** The lessee of a limit; what a record says of the limit counts until the Ledger says otherwise. */
  of(applied: AppliedLimit, nowMs: number): Lessee {
    const held = this.#held.get(applied.counter)
    if (held === undefined) return this.#add(applied, nowMs)
    return held.known === applied.spec ? held.lessee : this.#change(held, applied, nowMs)
  }

  get(counter: string): Lessee | undefined {
    return this.#held.get(counter)?.lessee
  }

  /** Lessees of what reservations are of. */
  reserved(reservations: readonly OpenedReservation[]): readonly Lessee[] {
    return reservations.flatMap(({ takes }) => takes.flatMap(({ counter }) => this.get(counter) ?? []))
  }

  /** The slots of a counter; null where it counts no slots. */
  slotsOf(counter: string): SlotLessee | null {
    const lessee = this.get(counter)
    return lessee instanceof SlotLessee ? lessee : null
  }

  /** Slots that something has to be told of, sooner or later. */
  busySlots(nowMs: number): ReadonlySet<SlotLessee> {
    for (const lessee of this.#slots) if (lessee.idle(nowMs)) this.#slots.delete(lessee)
    return this.#slots
  }

  /** Has an eye on slots from now on. */
  watch(lessee: Lessee): void {
    if (lessee instanceof SlotLessee) this.#slots.add(lessee)
  }

  loseAll(): void {
    for (const { lessee } of this.#held.values()) lessee.lose()
  }

  #change(held: { lessee: Lessee; known: LimitSpec }, applied: AppliedLimit, nowMs: number): Lessee {
    if (isSlots(held.lessee.spec) !== isSlots(applied.spec)) {
      this.#usedMax = Math.max(this.#usedMax, held.lessee.used)
      this.#held.delete(applied.counter)
      return this.#add(applied, nowMs)
    }
    held.known = applied.spec
    held.lessee.change(applied.spec)
    return held.lessee
  }

  #add(applied: AppliedLimit, nowMs: number): Lessee {
    if (this.#held.size >= this.#max) this.#forget(nowMs)
    const Kind = isSlots(applied.spec) ? SlotLessee : PermitLessee
    const lessee = new Kind(applied.counter, applied.spec, this.#usedMax)
    this.#held.set(applied.counter, { lessee, known: applied.spec })
    return lessee
  }

  /** Forgets a quarter of the counters: those that may go, the longest unused first. */
  #forget(nowMs: number): void {
    const idle = [...this.#held.values()].map(({ lessee }) => lessee).filter((lessee) => lessee.idle(nowMs))
    const oldest = idle.toSorted((a, b) => a.touchedMs - b.touchedMs).slice(0, Math.ceil(this.#max / 4))
    for (const lessee of oldest) {
      this.#usedMax = Math.max(this.#usedMax, lessee.used)
      this.#held.delete(lessee.counter)
    }
  }
}
