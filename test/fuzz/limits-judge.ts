import { bucketExcess, windowExcess, type Admit } from '../../bench/simulation/judge.ts'
import {
  capacityOf,
  isRate,
  leasedMaxOf,
  periodMsOf,
  unstoredMaxOf,
} from '../../src/core/limit/counter/lease-terms.ts'
import type { LimitSpec } from '../../src/core/limit/spec.ts'
import { calendarExcess } from './limits-oracles.ts'
import type { Run } from './limits-world.ts'

/** By how much a limit was exceeded, in permits. */
export function excessOf(spec: LimitSpec, admits: readonly Admit[]): number {
  if (isRate(spec))
    return bucketExcess(admits, { burst: capacityOf(spec), perMs: spec.max / periodMsOf(spec) })
  if (spec.calendar !== null) return calendarExcess(admits, spec.calendar, spec.max)
  return windowExcess(admits, periodMsOf(spec), spec.max)
}

/** What one end of a Ledger that nothing announced may cost: nothing in strict durability, or of windows. */
function perCrash(spec: LimitSpec): number {
  return spec.durability === 'default' && isRate(spec) ? leasedMaxOf(spec) + unstoredMaxOf(spec) : 0
}

/** A limit that was exceeded by more than it may be. */
export interface Violation {
  readonly counter: string
  readonly spec: LimitSpec
  readonly excess: number
  readonly allowed: number
}

export function judge(run: Run): readonly Violation[] {
  return [...run.admits].flatMap(([counter, { spec, admits }]) => {
    const excess = excessOf(spec, admits)
    const allowed = run.crashes * perCrash(spec)
    return excess > allowed + 0.001 ? [{ counter, spec, excess, allowed }] : []
  })
}
