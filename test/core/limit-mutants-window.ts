import type { Flight } from '../../src/core/limit/counter/counter.ts'
import type * as leases from '../../src/core/limit/counter/leases.ts'
import type * as charges from '../../src/core/limit/counter/slot-charges.ts'
import { replays, type Mutant } from './limit-mutant.ts'

/** Rules of a window whose absence the oracle has to find. */
export const windowMutants: readonly Mutant[] = [
  {
    name: 'a ring whose slots leave with their first millisecond',
    kind: 'ring',
    change: {
      shape: (actual) => ({
        shapeOf: (spec) => {
          const real = actual.shapeOf(spec)
          const leavesMs = (slot: number): number => real.leavesMs(slot - 1)
          return real.rolls ? { ...real, leavesMs, counts: (slot, nowMs) => leavesMs(slot) > nowMs } : real
        },
      }),
    },
  },
  {
    name: 'a ring that charges a lease to the slot in which it was given',
    kind: 'ring',
    change: {
      leases: (actual) => ({
        Leases: class extends actual.Leases {
          override extend(lease: leases.Lease): void {
            super.extend(lease, lease.heardMs)
          }
        },
      }),
    },
  },
  {
    name: 'a ring that charges a request that waits to the slot in which it was granted',
    kind: 'ring',
    change: {
      window: (actual) => ({
        Window: class extends actual.Window {
          override take(cost: number): Flight {
            return super.take(cost, -100)
          }
        },
      }),
    },
  },
  { name: 'a ring that serves a message again', kind: 'ring', change: { book: replays } },
  {
    name: 'a ring that is stored once',
    kind: 'ring',
    change: {
      charges: (actual) => ({
        SlotCharges: class extends actual.SlotCharges {
          override covers(): boolean {
            return this.sorted().length > 0
          }
        },
      }),
    },
  },
  {
    name: 'a ring that is stored when its sum grows, whatever the slots',
    kind: 'ring',
    schedules: 4000,
    change: {
      charges: (actual) => ({
        SlotCharges: class extends actual.SlotCharges {
          override covers(others: charges.SlotCharges): boolean {
            return sumOf(this) >= sumOf(others)
          }
        },
      }),
    },
  },
  {
    name: 'a calendar window whose leases outlive it',
    kind: 'calendar',
    change: {
      shape: (actual) => ({ shapeOf: (spec) => ({ ...actual.shapeOf(spec), boundaryMs: () => Infinity }) }),
    },
  },
  {
    name: 'a calendar window that counts a request where it was granted, not where it leaves',
    kind: 'calendar',
    schedules: 4000,
    change: {
      window: (actual) => ({
        Window: class extends actual.Window {
          override take(cost: number): Flight {
            return super.take(cost, -100)
          }
        },
      }),
    },
  },
  {
    name: 'a calendar window that takes back permits of the window before',
    kind: 'calendar',
    change: {
      charges: (actual) => ({
        SlotCharges: class extends actual.SlotCharges {
          override remove(_slot: number, amount: number): void {
            const newest = this.sorted().at(-1)
            if (newest !== undefined) super.remove(newest[0], amount)
          }
        },
      }),
    },
  },
  { name: 'a calendar window that serves a message again', kind: 'calendar', change: { book: replays } },
]

function sumOf(charged: charges.SlotCharges): number {
  return charged.sorted().reduce((sum, [, amount]) => sum + amount, 0)
}
