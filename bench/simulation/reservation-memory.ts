import type { ReservationRow, ReservationStore } from '../../src/core/limit/reservations-row.ts'

/** Reservations of a simulated Ledger; what it holds outlives the Ledger's memory. */
export class ReservationMemory implements ReservationStore {
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
    for (const { id } of this.#of((row) => row.state !== 'open' && row.untilMs <= nowMs))
      this.#rows.delete(id)
  }

  count(): number {
    return this.#rows.size
  }

  #of(fits: (row: ReservationRow) => boolean): ReservationRow[] {
    return [...this.#rows.values()].filter(fits).toSorted((a, b) => a.untilMs - b.untilMs)
  }
}
