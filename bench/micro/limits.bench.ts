/** A module for `workerd bench`: what it costs to admit a request from leased permits, with one limit and with three. */
import { PermitBook } from '../../src/core/limit/permit-book.ts'
import { PermitHolder } from '../../src/core/limit/permit-holder.ts'
import { accountCounter, keyCounter, routeCounter, type AppliedLimit } from '../../src/core/limit/spec.ts'
import { roomyLimit as spec, rowsInMemory } from './roomy-limit.ts'

interface Bench {
  run(name: string, measured: () => unknown): void
  blackBox(value: unknown): void
}

const limits: readonly AppliedLimit[] = [
  { counter: keyCounter('k', 'rate'), spec, level: 'key' },
  { counter: accountCounter('rate'), spec, level: 'account' },
  { counter: routeCounter('r', 'k', 'rate'), spec, level: 'route' },
]
const nowMs = 1_800_000_000_000

/** A holder that has leased so much that it never has to ask. */
function holderOf(applied: readonly AppliedLimit[]): PermitHolder {
  const book = new PermitBook(rowsInMemory(), 'boot', nowMs)
  const holder = new PermitHolder('isolate')
  const costs = applied.map(() => 100_000_000_000)
  holder.take(applied, costs, nowMs)
  holder.ask({ id: 'first', applied, costs, key: null, reservation: null }, nowMs)
  const request = holder.message(nowMs, { sequence: null, keys: [] })
  const served = book.serve(request, { specOf: () => spec, limitsOfKey: () => applied }, nowMs)
  holder.apply({ v: 1, boot: 'boot', seq: request.seq, ...served, account: null, keys: [] }, nowMs)
  return holder
}

export default {
  bench(b: Bench): void {
    for (const count of [1, 3]) {
      const applied = limits.slice(0, count)
      const costs = applied.map(() => 1)
      const holder = holderOf(applied)
      if (holder.take(applied, costs, nowMs).kind !== 'taken') throw new Error('the lease is empty')
      b.run(`lease-check-${count}`, () => b.blackBox(holder.take(applied, costs, nowMs)))
    }
  },
}
