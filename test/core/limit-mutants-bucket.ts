import type * as holder from '../../src/core/limit/permit-holder.ts'
import type { Flight, Report } from '../../src/core/limit/counter/counter.ts'
import type * as leases from '../../src/core/limit/counter/leases.ts'
import type { CounterGrant, Holding, SyncReply } from '../../src/core/limit/messages.ts'
import { replays, type Mutant } from './limit-mutant.ts'

/** Rules of a bucket whose absence the oracle has to find. */
export const bucketMutants: readonly Mutant[] = [
  {
    name: 'a bucket that fills up regardless of what is leased',
    kind: 'bucket',
    change: {
      level: (actual) => ({
        BucketLevel: class extends actual.BucketLevel {
          override refill(nowMs: number): void {
            const { out } = this
            this.out = 0
            super.refill(nowMs)
            this.out = out
          }
        },
      }),
    },
  },
  {
    name: 'a bucket that takes back any late return, full or not in the meantime',
    kind: 'bucket',
    change: {
      level: (actual) => ({
        BucketLevel: class extends actual.BucketLevel {
          readonly #sizes = new Map<number, number>()
          override claim(amount: number): number {
            const claim = super.claim(amount)
            this.#sizes.set(claim, amount)
            return claim
          }
          override settle(claim: number, amount: number): number {
            const back = super.settle(claim, amount)
            const all = Math.min(this.#sizes.get(claim) ?? 0, Math.max(0, amount))
            this.level += all - back
            return all
          }
          override claimLeft(claim: number): number {
            return this.#sizes.get(claim) ?? 0
          }
        },
      }),
    },
  },
  {
    name: 'an acknowledgement that gives back what was never lost',
    kind: 'bucket',
    change: {
      level: (actual) => ({
        BucketLevel: class extends actual.BucketLevel {
          override recover(_sinceMs: number, amount: number): number {
            return amount
          }
        },
      }),
    },
  },
  {
    name: 'an acknowledgement that gives back what was lost before the request left',
    kind: 'bucket',
    change: {
      level: (actual) => ({
        BucketLevel: class extends actual.BucketLevel {
          override recover(_sinceMs: number, amount: number): number {
            return super.recover(0, amount)
          }
        },
      }),
    },
  },
  {
    name: 'lost refill that is given back once for each acknowledgement',
    kind: 'bucket',
    schedules: 4000,
    change: {
      level: (actual) => ({
        BucketLevel: class extends actual.BucketLevel {
          readonly #spans: { fromMs: number; toMs: number }[] = []
          override refill(nowMs: number): void {
            const fromMs = this.atMs
            const before = this.level
            super.refill(nowMs)
            const gainedMs = (this.level - before) / this.perMs
            if (nowMs > fromMs) this.#spans.push({ fromMs: fromMs + gainedMs, toMs: nowMs })
          }
          override recover(sinceMs: number, amount: number): number {
            super.recover(sinceMs, amount)
            const lostMs = this.#spans.reduce(
              (sum, { fromMs, toMs }) => sum + Math.max(0, toMs - Math.max(fromMs, sinceMs)),
              0,
            )
            return Math.min(amount, lostMs * this.perMs)
          }
        },
      }),
    },
  },
  {
    name: 'permits of a request that waits taken for used at once',
    kind: 'bucket',
    change: {
      bucket: (actual) => ({
        Bucket: class extends actual.Bucket {
          override take(cost: number): Flight {
            return super.take(cost, -1e6)
          }
        },
      }),
    },
  },
  { name: 'a message that is served again when it is repeated', kind: 'bucket', change: { book: replays } },
  {
    name: 'an authority that ends leases a second early',
    kind: 'bucket',
    change: { terms: () => ({ guardMs: -900 as 100 }) },
  },
  {
    name: 'use told message by message, so that a lost message is lost use',
    kind: 'bucket',
    change: {
      lessee: (actual) => ({
        PermitLessee: class extends actual.PermitLessee {
          #told = 0
          #sum = 0
          override holding(nowMs: number): Holding {
            const holding = super.holding(nowMs)
            const since = holding.used - this.#told
            this.#told = holding.used
            this.#sum = since
            return { ...holding, used: this.#sum }
          }
        },
      }),
      leases: (actual) => ({
        reckon: (granted: number, lease: leases.Lease, report: Report) =>
          actual.reckon(granted, { ...lease, used: 0 }, report),
      }),
    },
  },
  {
    name: 'a restart with a full bucket',
    kind: 'bucket',
    change: { row: (actual) => ({ startOf: (_row, spec, nowMs) => actual.startOf(null, spec, nowMs) }) },
  },
  {
    name: 'a restart that forgets what is leased',
    kind: 'bucket',
    change: {
      row: (actual) => ({
        startOf: (before, spec, nowMs) => {
          const start = actual.startOf(before, spec, nowMs)
          return { ...start, level: start.level + start.leased, leased: 0 }
        },
      }),
    },
  },
  {
    name: 'a restart that lets flow in what was lost to replies under way',
    kind: 'bucket',
    schedules: 4000,
    change: {
      row: (actual) => ({
        startOf: (before, spec, nowMs) => {
          const start = actual.startOf(before, spec, nowMs)
          return before === null || before.clean
            ? start
            : { ...start, level: start.level + 1100 * before.perMs }
        },
      }),
    },
  },
  {
    name: 'a strict bucket that is stored as seldom as any other',
    kind: 'bucket',
    change: {
      row: (actual) => ({
        mustStore: (before, spec, state) =>
          actual.mustStore(before, { ...spec, durability: 'default' }, state),
      }),
    },
  },
  {
    name: 'an isolate that uses a lease again that had ended by its clock',
    kind: 'bucket',
    change: {
      lessee: (actual) => ({
        PermitLessee: class extends actual.PermitLessee {
          #had = 0
          override holding(nowMs: number): Holding {
            const holding = super.holding(nowMs)
            this.#had = holding.have
            return holding
          }
          override apply(grant: CounterGrant, sentAtMs: number, nowMs: number): void {
            const revived = grant.keep && this.check(1, nowMs) !== 0 ? this.#had : 0
            super.apply({ ...grant, permits: grant.permits + revived }, sentAtMs, nowMs)
          }
        },
      }),
    },
  },
  {
    name: 'an isolate that takes the reply to an earlier message',
    kind: 'bucket',
    change: {
      holder: (actual) => ({
        PermitHolder: class extends actual.PermitHolder {
          override apply(reply: SyncReply, nowMs: number): readonly holder.Answered[] {
            return super.apply({ ...reply, seq: this.seq }, nowMs)
          }
        },
      }),
    },
  },
]
