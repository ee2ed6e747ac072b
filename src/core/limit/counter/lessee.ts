import type { CounterGrant, Holding } from '../messages.ts'
import type { LimitSpec } from '../spec.ts'
import type { LimitStanding } from '../standing.ts'

/** What `Lessee.check` says when there is a permit in hand. */
export const inHand = 0

/** What `Lessee.check` says when nobody but the Ledger can tell. */
export const unknown = -1

/** An isolate's side of one counter: permits (or slots) leased from the Ledger, and the Ledger's last word. */
export interface Lessee {
  readonly counter: string
  readonly spec: LimitSpec
  /** Permits used from leases in total. Never less than those of an earlier lessee of the same counter. */
  readonly used: number
  /** When it was last asked for anything. */
  readonly touchedMs: number
  /** Takes on the limit as a key's record or a route has it now. */
  change(spec: LimitSpec): void
  /** @returns `inHand`, `unknown`, or for how many milliseconds such a cost is refused (Infinity: for good) */
  check(cost: number, nowMs: number): number
  /** Uses permits that `check` found in hand. */
  take(cost: number, nowMs: number): void
  /** Gives back permits just taken for a request that did not leave. */
  putBack(cost: number, nowMs: number): void
  /** Keeps permits that `check` found in hand for a request that waits for others. */
  setAside(cost: number): void
  /** Uses permits set aside. @returns false when their lease has ended */
  takeAside(cost: number, nowMs: number): boolean
  /** Frees permits set aside. */
  freeAside(cost: number): void
  /** A request waits for the Ledger to grant a cost. */
  asked(cost: number, nowMs: number): void
  /** The Ledger has granted a cost to a request that waited. */
  granted(cost: number, nowMs: number): void
  /** The Ledger has granted a cost that nobody waits for any more. */
  unwanted(cost: number, nowMs: number): void
  /** The Ledger has refused a cost for some time. */
  refused(cost: number, waitMs: number, nowMs: number): void
  /** Whether to ask for more before a request has to wait. */
  due(nowMs: number, roundTripMs: number): boolean
  /** What to tell the Ledger. */
  holding(nowMs: number): Holding
  /** The Ledger's word in reply to a message sent at `sentAtMs`. */
  apply(grant: CounterGrant, sentAtMs: number, nowMs: number): void
  /** Nothing that is held is valid any more. */
  lose(): void
  /** Whether the limit lets a request go on without a permit while the Ledger has not answered since `sinceMs`. */
  maySpare(cost: number, sinceMs: number, nowMs: number): boolean
  /** Lets a request go on that `maySpare` allowed. */
  spare(cost: number, nowMs: number): void
  standing(nowMs: number): LimitStanding
  /** Whether it may be forgotten. */
  idle(nowMs: number): boolean
}
