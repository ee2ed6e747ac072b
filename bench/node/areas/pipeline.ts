import { currentBundle } from '../../rig/bundle.ts'
import { runMicro, type MicroCase } from '../../rig/micro.ts'
import { measureOverPassthrough, type Effort } from '../over-passthrough.ts'
import { interval, written, type Findings } from '../report.ts'
import { measureStartUp } from '../startup.ts'

export interface AreaOptions {
  /** Short runs: everything is exercised, little is measured. */
  readonly quick: boolean
  readonly seed: number
}

const fullEffort: Effort = {
  sets: 3,
  rounds: 40,
  perRound: 25,
  warmUp: 400,
  cpuGroups: 8,
  perCpuBlock: 150,
}
const quickEffort: Effort = { sets: 1, rounds: 10, perRound: 10, warmUp: 50, cpuGroups: 3, perCpuBlock: 40 }
const startUpPairs = { full: 15, quick: 3 }
/** Widest interval, as a share of its median, with which a benchmark in the isolate counts. */
const spreadMax = 0.15
/** Milliseconds below which a difference between the direct way and itself is of no account. */
const selfTestMsMax = 0.02

/** What the straight line costs: in the isolate, beside a pass-through Worker, at the start, and in bytes. */
export async function pipelineArea(findings: Findings, options: AreaOptions): Promise<void> {
  await bundleSize(findings)
  await startUp(findings, options)
  await entryToFetch(findings, options)
  await routeMatching(findings, options)
  await overPassthrough(findings, options)
}

async function bundleSize({ figure }: Findings): Promise<void> {
  const { bytes, gzipBytes } = await currentBundle()
  figure('pipeline.bundle.gz_kb', gzipBytes / 1_000, 'kB')
  figure('pipeline.bundle.raw_kb', bytes / 1_000, 'kB')
}

async function startUp({ figure, remark }: Findings, { quick, seed }: AreaOptions): Promise<void> {
  const { added, gatewayMs, emptyMs } = await measureStartUp(
    quick ? startUpPairs.quick : startUpPairs.full,
    seed,
  )
  figure('pipeline.startup.ms', added, 'ms')
  remark(
    `startup: workerd to first 200 of /health, less an empty Worker: ${written(gatewayMs)} - ${written(emptyMs)} ms, ` +
      `median paired difference 95 % ${interval(added)}`,
  )
}

async function entryToFetch({ figure, remark, doubt }: Findings, { quick }: AreaOptions): Promise<void> {
  const cases = await runMicro(new URL('../../micro/pipeline.bench.ts', import.meta.url), { quick })
  const whole = caseNamed(cases, 'entry_to_fetch')
  const request = caseNamed(cases, 'new_request')
  figure('pipeline.entry_to_fetch.us', (whole.wallNs - request.wallNs) / 1_000, 'us')
  remark(`entry_to_fetch: ${micro(whole)} less ${micro(request)} for making the Request`)
  const read = caseNamed(cases, 'entry_to_fetch_llm')
  figure('pipeline.entry_to_fetch_llm.us', (read.wallNs - request.wallNs) / 1_000, 'us')
  remark(`entry_to_fetch_llm: ${micro(read)}, with the reading and scanning of an 870-byte body`)
  if ((whole.highNs - whole.lowNs) / whole.wallNs > spreadMax) doubt('entry_to_fetch varies much')
}

async function routeMatching({ figure, remark }: Findings, { quick }: AreaOptions): Promise<void> {
  const cases = await runMicro(new URL('../../micro/match.bench.ts', import.meta.url), {
    quick,
    cases: 'match-1*',
  })
  for (const size of [1, 100, 10_000]) {
    const found = caseNamed(cases, `match-${size}`)
    figure(`pipeline.match_${size}.us`, found.wallNs / 1_000, 'us')
    remark(`match_${size}: ${micro(found)}`)
  }
}

function caseNamed(cases: readonly MicroCase[], name: string): MicroCase {
  const found = cases.find((each) => each.name === name)
  if (found === undefined) {
    throw new Error(`The benchmark has no case ${name}; it has ${cases.map((each) => each.name).join(', ')}.`)
  }
  return found
}

function micro({ wallNs, lowNs, highNs, cpuNs }: MicroCase): string {
  const [wall, low, high, cpu] = [wallNs, lowNs, highNs, cpuNs].map((ns) => written(ns / 1_000))
  return `wall ${wall} us [${low}, ${high}], cpu ${cpu} us`
}

async function overPassthrough(
  { figure, remark, doubt }: Findings,
  { quick, seed }: AreaOptions,
): Promise<void> {
  const over = await measureOverPassthrough(quick ? quickEffort : fullEffort, seed)
  figure('pipeline.over_passthrough.p50_ms', over.p50, 'ms')
  figure('pipeline.over_passthrough.cpu_ratio', over.cpuRatio, 'ratio')
  const { direct, passthrough, gateway } = over.p50Ms
  remark(
    `p50: direct ${written(direct)} ms, pass-through ${written(passthrough)} ms, gateway ${written(gateway)} ms`,
  )
  remark(
    `over pass-through: median paired difference 95 % ${interval(over.p50)} ms, ` +
      `by set of processes ${over.p50OfSets.map(written).join(', ')} ms`,
  )
  remark(`over pass-through, difference of p99: ${written(over.p99.value)} ms, 95 % ${interval(over.p99)}`)
  remark(`over direct: ${written(over.overDirect.value)} ms, 95 % ${interval(over.overDirect)}`)
  remark(
    `cpu a request: pass-through ${written(over.cpuUs.passthrough)} us, gateway ${written(over.cpuUs.gateway)} us, ` +
      `ratio 95 % ${interval(over.cpuRatio)}`,
  )
  const { value, low, high } = over.selfTest
  remark(`self-test, direct over direct: ${written(value)} ms, 99 % ${interval(over.selfTest)}`)
  if ((low > 0 || high < 0) && Math.abs(value) > selfTestMsMax) doubt('the direct way differs from itself')
}
