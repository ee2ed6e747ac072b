import type { Charge, Counters } from '../../src/core/limit/counter/counter.ts'
import type { Take } from '../../src/core/limit/messages.ts'
import type { ReservationRow, ReservationStore } from '../../src/core/limit/reservations-row.ts'

/** Rows in memory. */
export class RowStore implements ReservationStore {
  rows = new Map<string, ReservationRow>()
  /** What is kept of a row that is saved; null: it is removed. */
  saves: (row: ReservationRow) => ReservationRow | null = (row) => row

  find(id: string): ReservationRow | null {
    return this.rows.get(id) ?? null
  }

  save(row: ReservationRow): void {
    const kept = this.saves(row)
    if (kept === null) this.rows.delete(row.id)
    else this.rows.set(row.id, kept)
  }

  due(nowMs: number, max: number): readonly ReservationRow[] {
    return this.#of(true)
      .filter(({ untilMs }) => untilMs <= nowMs)
      .slice(0, max)
  }

  nextDeadlineMs(): number | null {
    return this.#of(true)[0]?.untilMs ?? null
  }

  nextForgetMs(): number | null {
    return this.#of(false)[0]?.untilMs ?? null
  }

  forget(nowMs: number): void {
    for (const { id, untilMs } of this.#of(false)) if (untilMs <= nowMs) this.rows.delete(id)
  }

  count(): number {
    return this.rows.size
  }

  #of(open: boolean): ReservationRow[] {
    return [...this.rows.values()]
      .filter(({ state }) => (state === 'open') === open)
      .toSorted((a, b) => a.untilMs - b.untilMs)
  }
}

/** What is charged on counters; says so when something is given back that is not there. */
export class ChargeBook implements Counters {
  boot = 'a'
  charged = new Map<string, number>()
  claims = new Map<number, { readonly counter: string; readonly amount: number }>()
  readonly problems: string[] = []
  /** Whether a restart forfeits what could have been given back, as with buckets. */
  readonly forfeits: boolean
  #places = 0

  constructor(forfeits = false) {
    this.forfeits = forfeits
  }

  /** An isolate takes permits from its lease. */
  take({ counter, cost }: Take): void {
    this.charged.set(counter, this.of(counter) + cost)
  }

  of(counter: string): number {
    return this.charged.get(counter) ?? 0
  }

  claim({ counter, cost }: Take): Charge {
    this.#places += 1
    this.claims.set(this.#places, { counter, amount: cost })
    return { amount: cost, place: this.#places, boot: this.boot }
  }

  refund(counter: string, charge: Charge, amount: number): void {
    const claim = this.claims.get(charge.place)
    this.claims.delete(charge.place)
    if (this.forfeits && charge.boot !== this.boot) return
    if (claim === undefined) this.problems.push(`${counter}: ${charge.place} is refunded twice`)
    else if (claim.counter !== counter)
      this.problems.push(`${counter}: refunded the claim of ${claim.counter}`)
    else if (amount < 0 || amount > claim.amount)
      this.problems.push(`${counter}: ${amount} of ${claim.amount}`)
    this.charged.set(counter, this.of(counter) - amount)
  }

  extra(counter: string, amount: number): void {
    this.charged.set(counter, this.of(counter) + amount)
  }
}
