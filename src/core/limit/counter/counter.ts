import type { Holding, Take } from '../messages.ts'
import type { LimitSpec } from '../spec.ts'

/** Permits of a reservation that may be given back. Goes through JSON, and may be kept over a restart of the Ledger. */
export interface Charge {
  /** Permits that may be given back, at most. */
  readonly amount: number
  /** Where they are charged: a claim of a bucket, a slot of a ring, a calendar window. */
  readonly place: number
  /** The life of the Ledger in which they were charged. */
  readonly boot: string
}

/** What reservations do to the counters of an account. Amounts are permits. */
export interface Counters {
  /**
   * Turns permits that the message being served reported as used, or as granted to a request that waited, into ones that
   * may be given back.
   * @returns null when there are none, or no such counter: then the reservation stays charged as it is
   */
  claim(take: Take): Charge | null
  /** Gives back `amount` of a charge and ends it; once for each charge, with 0 when all was used. */
  refund(counter: string, charge: Charge, amount: number): void
  /**
   * Charges what a request used beyond its reservation; less than nothing may be left then, which is paid back.
   * @param place where its reservation was charged: windows charge the rest there too; null: now
   */
  extra(counter: string, amount: number, place: number | null): void
}

/** How a counter stands. What isolates hold on lease and have not used is left. */
export interface Standing {
  readonly used: number
  readonly left: number
  readonly windowStartsMs: number
  readonly windowEndsMs: number
}

/** What an isolate says of a counter. */
export interface Report {
  readonly isolate: string
  readonly seq: number
  /** The last message whose reply the isolate took; 0 when there is none. */
  readonly ackedSeq: number
  /** The life of the Ledger that its permits are from. */
  readonly boot: string | null
  readonly holding: Holding
}

/** Permits that are used for certain, and where they are charged. */
export interface Spent {
  readonly amount: number
  readonly place: number
}

/** What became of a report: whether what the isolate holds stays valid, and what it has used. */
export interface Heard {
  readonly keep: boolean
  readonly spent: Spent
}

/** Permits granted to a request that waits, until its isolate says what became of them. */
export interface Flight {
  readonly cost: number
  readonly place: number
  /** When they were granted. */
  readonly sinceMs: number
  /** When the request has left if it ever does. */
  readonly untilMs: number
}

/** The authority's side of one counter. Whoever calls another method calls `advance` first. */
export interface Counter {
  readonly spec: LimitSpec
  /** Brings it to a time: what flows in, and leases that end. */
  advance(nowMs: number): void
  /** Takes on a changed limit of the same kind. What is left is not raised by it. */
  change(spec: LimitSpec): void
  /** Takes in what an isolate says. @returns null when it was said before something that is known already */
  hear(report: Report): Heard | null
  /** Permits that can be granted now; whole, at least 0. */
  left(): number
  /** Grants permits to a request of an isolate, whose reply may take `withinMs`. */
  take(cost: number, withinMs: number, isolate: string): Flight
  /** The request left `agoMs` ago, or never will when null. @returns what it used for certain */
  land(flight: Flight, agoMs: number | null): Spent
  /** Renews what an isolate that was heard holds, and leases it more. */
  lease(isolate: string, want: number): { readonly permits: number; readonly ttlMs: number }
  /** Milliseconds until a cost can be granted, if nobody takes it before; null when never. */
  waitMs(cost: number): number | null
  /** Milliseconds until all is there again, or the window is over. */
  resetMs(): number
  /** Isolates that were heard lately, and a number for this one that differs from most others'. */
  isolates(isolate: string): { readonly count: number; readonly ordinal: number }
  /** Permits in a second that the isolate may admit while the Ledger does not answer. */
  coastPerSecond(isolate: string): number
  claim(spent: Spent): number
  refund(charge: Charge, amount: number): void
  extra(amount: number, place: number | null): void
  standing(): Standing
  /** The row to store before the reply leaves; null when what is stored is good. */
  row(): string | null
  /** The row for a Ledger that goes to sleep: how it stands, exactly; null when what is stored is good. */
  restingRow(): string | null
  /** Whether it may be forgotten once its row is stored. */
  idle(): boolean
}

/** What a counter begins with. */
export interface CounterStart {
  /** As it was stored; null when nothing was. */
  readonly row: string | null
  /** The life of the Ledger. */
  readonly boot: string
  readonly nowMs: number
}
