import { describe, expect, test } from 'vitest'
import { PermitBook } from '../../src/core/limit/permit-book.ts'
import { PermitHolder } from '../../src/core/limit/permit-holder.ts'
import { runSchedule } from '../fuzz/limits-hunt.ts'
import { judge } from '../fuzz/limits-judge.ts'
import { variants } from '../fuzz/limits-variants.ts'

/** Of each variant; 12,800 in all. `node test/fuzz/limits.ts` runs as many as it is told to. */
const schedules = 400

describe('no schedule of faults makes isolates let through more than the limit allows', () => {
  test.each(variants)(
    '$kind, $durability durability, restarts: $restarts, reserves: $reserves',
    { timeout: 120_000 },
    (options) => {
      let admitted = 0
      for (let seed = 1; seed <= schedules; seed += 1) {
        const run = runSchedule({ PermitBook, PermitHolder }, options, seed)
        admitted += run.admitted
        expect(judge(run), `seed ${seed}`).toEqual([])
      }
      expect(admitted).toBeGreaterThan(schedules)
    },
  )
})
