import type { Charge } from './counter/counter.ts'
import type { OpenedReservation, Take } from './messages.ts'

/** Permits of one counter that a reservation took at one time; null where none of them can be given back. */
export interface ReservedPart extends Take {
  readonly charge: Charge | null
}

/** A reservation as it is kept until it is settled. */
export interface Reserved {
  readonly opened: OpenedReservation
  /** In the order in which they were taken; they add up to `opened.takes`. */
  readonly parts: readonly ReservedPart[]
}

/** A reservation as it is stored. */
export interface ReservationRow {
  readonly id: string
  /** `lost`: charged as it stood, since its deadline passed; the real numbers may still come. */
  readonly state: 'open' | 'lost' | 'settled'
  /** Open: its deadline. Others: when it may be forgotten. Milliseconds since the epoch. */
  readonly untilMs: number
  /** `Reserved` as JSON; null once settled. */
  readonly body: string | null
}

/** Where reservations are. Synchronous; what is saved is durable before the reply leaves, or none of it is. */
export interface ReservationStore {
  find(id: string): ReservationRow | null
  /** Takes the place of a row with the same id. */
  save(row: ReservationRow): void
  /** Open rows whose time has come, the earliest first. */
  due(nowMs: number, max: number): readonly ReservationRow[]
  /** The earliest time of an open row; null when there is none. */
  nextDeadlineMs(): number | null
  /** The earliest time of a row that is not open; null when there is none. */
  nextForgetMs(): number | null
  /** Removes rows that are not open and whose time has come. */
  forget(nowMs: number): void
  count(): number
}

/** The permits of a counter in a list. */
export function costOn(takes: readonly Take[], counter: string): number {
  return takes.reduce((sum, take) => (take.counter === counter ? sum + amountOf(take.cost) : sum), 0)
}

/** What a row kept; null for one that cannot be read, which is then charged as it stands. */
export function readReserved(row: ReservationRow): Reserved | null {
  if (row.body === null) return null
  try {
    return JSON.parse(row.body) as Reserved
  } catch {
    return null
  }
}

/** Counts that make no sense are nothing. */
export function amountOf(cost: number): number {
  return Number.isFinite(cost) && cost > 0 ? cost : 0
}
