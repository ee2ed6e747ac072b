import type * as book from '../../src/core/limit/permit-book.ts'
import type * as holder from '../../src/core/limit/permit-holder.ts'
import type { Charge } from '../../src/core/limit/counter/counter.ts'
import type { SettledReservation, SyncRequest, Take } from '../../src/core/limit/messages.ts'
import type { AppliedLimit } from '../../src/core/limit/spec.ts'
import type { Mutant } from './limit-mutant.ts'

export const hierarchyMutants: readonly Mutant[] = [
  {
    name: 'a hierarchy of which only the first level is asked',
    kind: 'hierarchy',
    change: {
      book: (actual) => ({
        PermitBook: class extends actual.PermitBook {
          override serve(request: SyncRequest, limits: book.BookLimits, nowMs: number): book.Served {
            const needs = request.needs.map((need) => ({ ...need, takes: need.takes.slice(0, 1) }))
            return super.serve({ ...request, needs }, limits, nowMs)
          }
        },
      }),
    },
  },
  {
    name: 'permits set aside for a request that waits, and used by another',
    kind: 'hierarchy',
    change: {
      lessee: (actual) => ({
        PermitLessee: class extends actual.PermitLessee {
          override setAside(): void {
            // Leaves them where they are.
          }
          override takeAside(cost: number, nowMs: number): boolean {
            this.take(cost, nowMs)
            return true
          }
          override freeAside(): void {
            // They never were aside.
          }
        },
      }),
    },
  },
]

export const reservationMutants: readonly Mutant[] = [
  {
    name: 'a reservation that claims more than its message said was used',
    kind: 'reservations',
    change: {
      counters: (actual) => ({
        BookCounters: class extends actual.BookCounters {
          override claim(take: Take): Charge | null {
            super.spend(take.counter, { amount: take.cost, place: 1e9 })
            return super.claim(take)
          }
        },
      }),
    },
  },
  {
    name: 'a refund to a bucket that was full in the meantime',
    kind: 'reservations',
    change: {
      bucket: (actual) => ({
        Bucket: class extends actual.Bucket {
          override refund(charge: Charge, amount: number): void {
            super.refund(charge, 0)
            this.extra(-Math.min(amount, charge.amount))
          }
        },
      }),
    },
  },
  {
    name: 'a refund to the newest slot, whichever was charged',
    kind: 'reservations',
    change: {
      window: (actual) => ({
        Window: class extends actual.Window {
          override refund(charge: Charge, amount: number): void {
            this.extra(-Math.min(amount, charge.amount))
          }
        },
      }),
    },
  },
  {
    name: "a refund into the isolate's own lease",
    kind: 'reservations',
    change: {
      holder: (actual) => ({
        PermitHolder: class extends actual.PermitHolder {
          readonly #applied = new Map<string, AppliedLimit>()
          override take(
            applied: readonly AppliedLimit[],
            costs: readonly number[],
            nowMs: number,
          ): holder.Taken {
            for (const limit of applied) this.#applied.set(limit.counter, limit)
            return super.take(applied, costs, nowMs)
          }
          override settle(settled: SettledReservation, nowMs: number): void {
            super.settle(settled, nowMs)
            for (const { counter, cost } of settled.takes) {
              const limit = this.#applied.get(counter)
              const used = settled.costs.find((each) => each.counter === counter)?.cost ?? cost
              if (limit !== undefined) this.putBack([limit], [cost - used], nowMs)
            }
          }
        },
      }),
    },
  },
]
