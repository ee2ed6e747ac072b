import type { ReservationRow, ReservationStore } from '../../src/core/limit/reservations-row.ts'

/** Reservations in memory, which outlives the Ledger. */
export class MemoryReservations implements ReservationStore {
  readonly #rows = new Map<string, ReservationRow>()

  find(id: string): ReservationRow | null {
    return this.#rows.get(id) ?? null
  }

  save(row: ReservationRow): void {
    this.#rows.set(row.id, row)
  }

  due(nowMs: number, max: number): readonly ReservationRow[] {
    return this.#of((row) => row.state === 'open' && row.untilMs <= nowMs).slice(0, max)
  }

  nextDeadlineMs(): number | null {
    return this.#of((row) => row.state === 'open')[0]?.untilMs ?? null
  }

  nextForgetMs(): number | null {
    return this.#of((row) => row.state !== 'open')[0]?.untilMs ?? null
  }

  forget(nowMs: number): void {
    for (const row of this.#of(({ state, untilMs }) => state !== 'open' && untilMs <= nowMs))
      this.#rows.delete(row.id)
  }

  count(): number {
    return this.#rows.size
  }

  #of(which: (row: ReservationRow) => boolean): readonly ReservationRow[] {
    return [...this.#rows.values()].filter(which).toSorted((a, b) => a.untilMs - b.untilMs)
  }
}
