/** `node test/fuzz/limits.ts --schedules 1000000 --seed 1`: random schedules; prints those that exceed a limit. */
import { PermitBook } from '../../src/core/limit/permit-book.ts'
import { PermitHolder } from '../../src/core/limit/permit-holder.ts'
import { runSchedule } from './limits-hunt.ts'
import { judge } from './limits-judge.ts'
import { variants } from './limits-variants.ts'

const shownMax = 20

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? otherwise : Number(process.argv[at + 1])
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

const schedules = option('schedules', 10_000)
const from = option('seed', 1) * 1_000_003
const begunMs = performance.now()
const sums = { asked: 0, admitted: 0, denied: 0, calls: 0, crashes: 0 }
let violating = 0
for (let at = 0; at < schedules; at += 1) {
  const options = variants[at % variants.length]
  if (options === undefined) break
  const run = runSchedule({ PermitBook, PermitHolder }, options, from + at)
  for (const name of ['asked', 'admitted', 'denied', 'calls', 'crashes'] as const) sums[name] += run[name]
  const violations = judge(run)
  if (violations.length === 0) continue
  violating += 1
  if (violating <= shownMax) say({ seed: from + at, options, violations })
}
const seconds = (performance.now() - begunMs) / 1000
say({ schedules, violating, ...sums, seconds })
if (violating > 0) process.exitCode = 1
