import { judge, type Violation } from './limits-judge.ts'
import { planOf, type PlanOptions } from './limits-plan.ts'
import { Random } from './limits-random.ts'
import { World, type Run, type Subject } from './limits-world.ts'

/** Runs one schedule. Equal seeds and options make equal schedules. */
export function runSchedule(subject: Subject, options: PlanOptions, seed: number): Run {
  const random = new Random(seed)
  return new World(subject, planOf(random, options), random).run()
}

/** The first schedule that exceeds a limit, of those whose seeds begin at 1; null when none does. */
export function hunt(
  subject: Subject,
  variants: readonly PlanOptions[],
  schedules: number,
): {
  readonly seed: number
  readonly options: PlanOptions
  readonly violations: readonly Violation[]
} | null {
  for (let seed = 1; seed <= schedules; seed += 1) {
    for (const options of variants) {
      const violations = judge(runSchedule(subject, options, seed))
      if (violations.length > 0) return { seed, options, violations }
    }
  }
  return null
}
