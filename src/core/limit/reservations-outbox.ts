import type { OpenedReservation, SettledReservation } from './messages.ts'
import { costOn } from './reservations-row.ts'
import { repeatedMs, type ReservationBatch } from './reservations.ts'

const entriesMax = 2000
const batchMs = 2000
const soonAtEntries = 50

interface Entry {
  readonly opened: OpenedReservation | null
  readonly settled: SettledReservation | null
}

/**
 * An isolate's news of reservations, told with every message until they are acknowledged. All opened ones go with the
 * next message, for it is the one that reports their permits as used. A settlement says all that its reservation says,
 * which is then not told on its own.
 *
 * Bounded. When it is full, what is dropped leaves at least as much charged as was used: first what was opened (then
 * only its deadline is not watched), then settlements that would give something back, the oldest first, and last of all
 * those that charge more. What is not acknowledged half an hour after its deadline is dropped as well.
 */
export class ReservationOutbox {
  readonly #entries = new Map<string, Entry>()
  readonly #max: number
  /** Since when something waits that no message has told. Milliseconds. */
  #untoldMs: number | null = null
  #dropped = 0

  constructor(max = entriesMax) {
    this.#max = max
  }

  get size(): number {
    return this.#entries.size
  }

  /** How many were dropped so far. */
  get dropped(): number {
    return this.#dropped
  }

  /** Permits were taken for a reservation; again with more when it has taken more. Before the next message. */
  open(opened: OpenedReservation, nowMs: number): void {
    if (this.#entries.get(opened.id)?.settled) return
    this.#put(opened.id, { opened, settled: null }, nowMs)
  }

  /** An exchange is over. The first word counts. */
  settle(settled: SettledReservation, nowMs: number): void {
    if (this.#entries.get(settled.id)?.settled) return
    this.#put(settled.id, { opened: null, settled }, nowMs)
  }

  /** What the next message says. */
  batch(nowMs: number): ReservationBatch {
    const opened: OpenedReservation[] = []
    const settled: SettledReservation[] = []
    this.#untoldMs = null
    for (const [id, entry] of this.#entries) {
      const told = entry.settled ?? entry.opened
      if (told === null || nowMs >= told.deadlineMs + repeatedMs) this.#drop(id)
      else if (entry.settled !== null) settled.push(entry.settled)
      else if (entry.opened !== null) opened.push(entry.opened)
    }
    return { opened, settled }
  }

  /** The Ledger keeps these of a batch now. What was said of them since is still to be told. */
  acknowledge(batch: ReservationBatch, ids: readonly string[]): void {
    const kept = new Set(ids)
    for (const told of [...batch.opened, ...batch.settled]) {
      const entry = this.#entries.get(told.id)
      if (kept.has(told.id) && (entry?.opened === told || entry?.settled === told)) {
        this.#entries.delete(told.id)
      }
    }
  }

  /** When a message is due for what was never told; null when there is none. Milliseconds since the epoch. */
  dueMs(): number | null {
    if (this.#untoldMs === null) return null
    return this.#entries.size >= soonAtEntries ? this.#untoldMs : this.#untoldMs + batchMs
  }

  #put(id: string, entry: Entry, nowMs: number): void {
    this.#entries.delete(id)
    if (this.#entries.size >= this.#max) this.#dropOne()
    this.#entries.set(id, entry)
    this.#untoldMs ??= nowMs
  }

  #dropOne(): void {
    const ids = [...this.#entries.keys()]
    const settledOf = (id: string) => this.#entries.get(id)?.settled ?? null
    const opened = ids.find((id) => settledOf(id) === null)
    const givesBack = ids.find((id) => !chargesMore(settledOf(id)))
    const id = opened ?? givesBack ?? ids[0]
    if (id !== undefined) this.#drop(id)
  }

  #drop(id: string): void {
    this.#entries.delete(id)
    this.#dropped += 1
  }
}

function chargesMore(settled: SettledReservation | null): boolean {
  if (settled === null) return false
  return settled.costs.some(({ counter, cost }) => cost > costOn(settled.takes, counter))
}
