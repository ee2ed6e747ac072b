import type { Counters } from './counter/counter.ts'
import type { OpenedReservation, SettledReservation, Take } from './messages.ts'
import {
  amountOf,
  costOn,
  readReserved,
  type ReservationRow,
  type ReservationStore,
  type Reserved,
  type ReservedPart,
} from './reservations-row.ts'

/** How long after its deadline an id is known: no isolate says anything of it for so long. Milliseconds. */
export const idKeptMs = 3_600_000

/** For how long an isolate repeats what is not acknowledged, after the deadline. Milliseconds. */
export const repeatedMs = 1_800_000

const deadlineMaxMs = 86_400_000
const rowsMax = 500_000
const earlyMs = 900_000
const forgetEveryMs = 900_000

/** What came of a message or an alarm: for acknowledgements and for usage. */
export interface Settlements {
  readonly acknowledged: readonly string[]
  /** Exchanges that count now; those of an alarm have source `lost`. */
  readonly settled: readonly SettledReservation[]
  /** What was counted as lost before and counts no more: its real numbers are in `settled`. */
  readonly withdrawn: readonly SettledReservation[]
}

/** What one message says of reservations. */
export interface ReservationBatch {
  readonly opened: readonly OpenedReservation[]
  readonly settled: readonly SettledReservation[]
}

interface Outcome {
  readonly acknowledged: string[]
  readonly settled: SettledReservation[]
  readonly withdrawn: SettledReservation[]
}

/**
 * The authority on reservations. Permits are charged when an isolate takes them from its lease, before and without
 * this book; the book makes what was not used come back, and what was used beyond it be charged, exactly once for each
 * id. Whatever is lost on the way, the reservation stays charged as it was taken.
 *
 * Of each id only the first of `opened` counts, but for what a later one took beyond it, and only the first of
 * `settled`. A settlement whose `opened` never came opens it first. Past its deadline a reservation is settled as it
 * stands; real numbers that come later replace that, once. Ids are known until an hour after the deadline, and what
 * comes later than that changes nothing.
 */
export class ReservationBook {
  readonly #store: ReservationStore
  readonly #counters: Counters
  #rows: number | null = null

  constructor(store: ReservationStore, counters: Counters) {
    this.#store = store
    this.#counters = counters
  }

  /**
   * Takes in a message, after the use that it reports was noted and only if it is the latest of its isolate. What is not
   * acknowledged has to be said again.
   */
  hear({ opened, settled }: ReservationBatch, nowMs: number): Settlements {
    const outcome: Outcome = { acknowledged: [], settled: [], withdrawn: [] }
    const settledIds = new Set(settled.map(({ id }) => id))
    const onlyOpened = opened.filter(({ id }) => !settledIds.has(id))
    for (const each of onlyOpened) {
      if (this.#hearOpened(each, nowMs)) outcome.acknowledged.push(each.id)
    }
    for (const each of settled) {
      if (this.#hearSettled(each, nowMs, outcome)) outcome.acknowledged.push(each.id)
    }
    return outcome
  }

  /** Settles what nobody settled in time, some of it if there is much. Repeated, it changes nothing. */
  alarm(nowMs: number): Settlements {
    const outcome: Outcome = { acknowledged: [], settled: [], withdrawn: [] }
    for (const row of this.#store.due(nowMs, 1000)) {
      const reserved = readReserved(row)
      const deadlineMs = row.untilMs
      this.#store.save({ ...row, state: 'lost', untilMs: deadlineMs + idKeptMs })
      if (reserved !== null) outcome.settled.push(lost(reserved.opened, deadlineMs))
    }
    this.#store.forget(nowMs)
    this.#rows = null
    return outcome
  }

  /** When `alarm` has something to do; null when never. Milliseconds since the epoch. */
  nextAlarmMs(): number | null {
    const deadlineMs = this.#store.nextDeadlineMs()
    const forgetMs = this.#store.nextForgetMs()
    if (forgetMs === null) return deadlineMs
    return Math.min(deadlineMs ?? Infinity, forgetMs + forgetEveryMs)
  }

  /** @returns false when there is no room for it */
  #hearOpened(opened: OpenedReservation, nowMs: number): boolean {
    const row = this.#store.find(opened.id)
    if (row === null) {
      if (isForgotten(opened, nowMs)) return true
      if (!this.#hasRoom(nowMs)) return false
    } else if (row.state !== 'open') return true
    const before = row === null ? null : readReserved(row)
    if (row !== null && before === null) return true
    const reserved = this.#grown(before, opened)
    if (reserved === before) return true
    const untilMs = row?.untilMs ?? deadlineOf(opened, nowMs)
    this.#save({ id: opened.id, state: 'open', untilMs, body: JSON.stringify(reserved) }, row)
    return true
  }

  /** @returns false when there is no room for it */
  #hearSettled(settled: SettledReservation, nowMs: number, outcome: Outcome): boolean {
    const row = this.#store.find(settled.id)
    if (row === null) {
      if (isForgotten(settled, nowMs)) return true
      if (!this.#hasRoom(nowMs)) return false
    } else if (row.state === 'settled') return true
    const before = row === null ? null : readReserved(row)
    // A row that cannot be read stays charged as it is.
    if (row === null || before !== null) this.#settle(settled, this.#grown(before, settled))
    const untilMs = deadlineOf(settled, nowMs) + idKeptMs
    this.#save({ id: settled.id, state: 'settled', untilMs, body: null }, row)
    outcome.settled.push(settled)
    if (row?.state === 'lost' && before !== null) {
      outcome.withdrawn.push(lost(before.opened, row.untilMs - idKeptMs))
    }
    return true
  }

  #settle(settled: SettledReservation, { parts }: Reserved): void {
    for (const counter of new Set(parts.map((part) => part.counter))) {
      const taken = parts.filter((part) => part.counter === counter)
      this.#balance(counter, taken, costOf(settled, counter))
    }
  }

  /** Gives back what was not used, of what was taken last first; or charges what was used beyond it. */
  #balance(counter: string, parts: readonly ReservedPart[], cost: number | null): void {
    const reserved = costOn(parts, counter)
    let unused = Math.max(0, reserved - (cost ?? reserved))
    for (const part of parts.toReversed()) {
      const back = Math.min(unused, part.cost)
      unused -= back
      if (part.charge !== null) this.#counters.refund(counter, part.charge, back)
    }
    if (cost === null || cost <= reserved) return
    const place = parts.find((part) => part.charge !== null)?.charge?.place ?? null
    this.#counters.extra(counter, cost - reserved, place)
  }

  /** The reservation with what it has taken beyond what is known. */
  #grown(before: Reserved | null, opened: OpenedReservation): Reserved {
    const parts = [...(before?.parts ?? [])]
    for (const counter of new Set(opened.takes.map((take) => take.counter))) {
      const cost = costOn(opened.takes, counter) - costOn(parts, counter)
      if (cost > 0) parts.push({ counter, cost, charge: this.#counters.claim({ counter, cost }) })
    }
    if (before !== null && parts.length === before.parts.length) return before
    return {
      opened: before === null ? openedOf(opened, opened.takes) : openedOf(opened, totals(parts)),
      parts,
    }
  }

  #save(row: ReservationRow, before: ReservationRow | null): void {
    this.#store.save(row)
    if (before === null && this.#rows !== null) this.#rows += 1
  }

  /** Whether one more row may be kept. Where there are very many, those go first that nobody asks about any more. */
  #hasRoom(nowMs: number): boolean {
    this.#rows ??= this.#store.count()
    if (this.#rows < rowsMax) return true
    this.#store.forget(nowMs + earlyMs)
    this.#rows = this.#store.count()
    return this.#rows < rowsMax
  }
}

function isForgotten({ deadlineMs }: OpenedReservation, nowMs: number): boolean {
  return nowMs >= deadlineMs + idKeptMs
}

function deadlineOf({ deadlineMs }: OpenedReservation, nowMs: number): number {
  return Math.min(deadlineMs, nowMs + deadlineMaxMs)
}

/** What an exchange cost; null where nobody said anything sensible: then it is what was reserved. */
function costOf({ costs }: SettledReservation, counter: string): number | null {
  const said = costs.filter((cost) => cost.counter === counter)
  if (said.length === 0 || said.some(({ cost }) => !Number.isFinite(cost) || cost < 0)) return null
  return costOn(said, counter)
}

function totals(parts: readonly ReservedPart[]): readonly Take[] {
  return [...new Set(parts.map(({ counter }) => counter))].map((counter) => ({
    counter,
    cost: costOn(parts, counter),
  }))
}

/** Only what is to be kept: a settlement has more. */
function openedOf(from: OpenedReservation, takes: readonly Take[]): OpenedReservation {
  const { id, deadlineMs, key, route, model, inputTokens, outputTokens, microUsd } = from
  const kept = takes.map(({ counter, cost }) => ({ counter, cost: amountOf(cost) }))
  return { id, takes: kept, deadlineMs, key, route, model, inputTokens, outputTokens, microUsd }
}

function lost(opened: OpenedReservation, endedMs: number): SettledReservation {
  return { ...opened, costs: opened.takes, source: 'lost', endedMs }
}
