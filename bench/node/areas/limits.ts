import { runMicro } from '../../rig/micro.ts'
import { Leased } from '../../simulation/leased.ts'
import { PerRequest } from '../../simulation/per-request.ts'
import { apiMix, scenarios, type Scenario } from '../../simulation/scenarios.ts'
import { simulate, type Limiting, type Outcome, type Surroundings } from '../../simulation/simulate.ts'
import { simulateTokens, tokenScenarios, type TokenOutcome } from '../../simulation/tokens.ts'
import { written, type Findings } from '../report.ts'
import { median } from '../stats.ts'
import type { AreaOptions } from './pipeline.ts'

const seeds = { full: 8, quick: 1 }

type Make = (surroundings: Surroundings) => Limiting
const leased: Make = (surroundings) => new Leased(surroundings)
const perRequest: Make = (surroundings) => new PerRequest(surroundings)

/**
 * Limits: what leasing permits costs and keeps, simulated with the code that runs in production on both sides, and what
 * an admission from a lease costs in an isolate. The network, the traffic and the clock are the simulation's.
 */
export async function limitsArea(findings: Findings, options: AreaOptions): Promise<void> {
  const outcomes = runScenarios(findings, options)
  summarize(findings, outcomes)
  runTokens(findings, options)
  await leaseCheck(findings, options)
}

interface Run {
  readonly scenario: string
  readonly durability: 'default' | 'strict'
  readonly outcome: Outcome
}

function runScenarios({ remark }: Findings, { quick, seed }: AreaOptions): readonly Run[] {
  const runs: Run[] = []
  const count = quick ? seeds.quick : seeds.full
  for (const scenario of quick ? scenarios.filter(({ name }) => name !== 's6') : scenarios) {
    remark(`${scenario.name}: ${scenario.what}`)
    const baseline = simulate(scenario, seed, { durability: 'default', make: perRequest })
    remark(tableRow(scenario, 'a call per request', [baseline]))
    for (const durability of ['default', 'strict'] as const) {
      const outcomes = Array.from({ length: count }, (_, index) =>
        simulate(scenario, seed + index, { durability, make: leased }),
      )
      runs.push(...outcomes.map((outcome) => ({ scenario: scenario.name, durability, outcome })))
      remark(tableRow(scenario, `leases, ${durability}`, outcomes))
    }
  }
  return runs
}

function summarize({ figure, remark }: Findings, runs: readonly Run[]): void {
  const s1 = runs.filter(({ scenario, durability }) => scenario === apiMix.name && durability === 'default')
  const s1Strict = runs.filter(
    ({ scenario, durability }) => scenario === apiMix.name && durability === 'strict',
  )
  const of = (some: readonly Run[], pick: (outcome: Outcome) => number): number[] =>
    some.map(({ outcome }) => pick(outcome))
  const calls = of(s1, ({ callsPerRequest }) => callsPerRequest)
  figure('limits.excess.max', Math.max(...of(runs, ({ excessPercent }) => excessPercent)), 'percent')
  figure('limits.s1.calls_per_request.median', median(calls), 'ratio')
  figure('limits.s1.calls_per_request.max', Math.max(...calls), 'ratio')
  figure('limits.s1.no_io_share', median(of(s1, ({ noIoShare }) => noIoShare)), 'ratio')
  figure('limits.s1.under_percent', Math.max(...of(s1, ({ underPercent }) => underPercent)), 'percent')
  figure(
    'limits.s1.strict_under_percent',
    Math.max(...of(s1Strict, ({ underPercent }) => underPercent)),
    'percent',
  )
  remark(`excess over ${runs.length} runs of ${new Set(runs.map(({ scenario }) => scenario)).size} scenarios`)
}

const reserves = ['auto', 'p90', 'max', 'slices'] as const

/** S7: tokens in a rolling window, reserved in each way; `auto` is what a limit does that says nothing. */
function runTokens({ figure, remark }: Findings, { quick, seed }: AreaOptions): void {
  const count = quick ? seeds.quick : seeds.full
  for (const scenario of tokenScenarios) {
    remark(`${scenario.name}: ${scenario.what}`)
    for (const reserve of reserves) {
      const outcomes = Array.from({ length: count }, (_, index) =>
        simulateTokens(scenario, reserve, seed + index),
      )
      const of = (pick: (outcome: TokenOutcome) => number): number[] => outcomes.map(pick)
      const overshoot = Math.max(...of(({ overshootPercent }) => overshootPercent))
      const use = median(of(({ usePercent }) => usePercent))
      remark(
        `${scenario.name} | reserve ${reserve} | ${count} seeds | overshoot ${written(overshoot)} % (worst) | ` +
          `use ${written(use)} % | calls ${written(median(of(({ callsPerRequest }) => callsPerRequest)))}`,
      )
      if (scenario.fanOut === 0) continue
      const name = reserve === 'auto' ? 'limits.llm_fanout' : `limits.llm_fanout_${reserve}`
      figure(`${name}.overshoot_percent`, overshoot, 'percent')
      figure(`${name}.use_percent`, use, 'percent')
    }
  }
}

/** A row of the table: excess, under-admission, calls, writes, no I/O, added delay; medians over the seeds. */
function tableRow({ name }: Scenario, design: string, outcomes: readonly Outcome[]): string {
  const of = (pick: (outcome: Outcome) => number): number => median(outcomes.map(pick))
  const excess = Math.max(...outcomes.map(({ excessPercent }) => excessPercent))
  return (
    `${name} | ${design} | ${outcomes.length} seeds | excess ${written(excess)} % of B (worst) | ` +
    `under ${written(of(({ underPercent }) => underPercent))} % | calls ${written(of(({ callsPerRequest }) => callsPerRequest))} | ` +
    `writes ${written(of(({ writesPerRequest }) => writesPerRequest))} | no I/O ${written(100 * of(({ noIoShare }) => noIoShare))} % | ` +
    `added mean ${written(of(({ addedMs }) => addedMs.mean))} p50 ${written(of(({ addedMs }) => addedMs.p50))} ` +
    `p99 ${written(of(({ addedMs }) => addedMs.p99))} ms`
  )
}

async function leaseCheck({ figure, remark }: Findings, { quick }: AreaOptions): Promise<void> {
  const cases = await runMicro(new URL('../../micro/limits.bench.ts', import.meta.url), { quick })
  for (const { name, wallNs, lowNs, highNs } of cases) {
    if (name === 'lease-check-1') figure('limits.lease_check.ns', wallNs, 'ns')
    remark(`${name}: ${written(wallNs)} ns, 95 % [${written(lowNs)}, ${written(highNs)}]`)
  }
}
