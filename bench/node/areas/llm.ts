import { makeLlmBody } from '../../micro/llm-bodies.ts'
import { runMicro } from '../../rig/micro.ts'
import { measureBodies, type BodyEffort } from '../llm-bodies.ts'
import { measureStreams, type StreamEffort, type Tier } from '../llm-streams.ts'
import { interval, written, type Findings } from '../report.ts'
import { median } from '../stats.ts'
import { countWakeUps } from '../wake-ups.ts'
import type { AreaOptions } from './pipeline.ts'

const streamEffort: Readonly<Record<'full' | 'quick', StreamEffort>> = {
  full: {
    cpu: { rounds: 16, streams: 40, eventsPerStream: 250 },
    delay: { rounds: 12, streams: 8, eventsPerStream: 100 },
  },
  quick: {
    cpu: { rounds: 2, streams: 10, eventsPerStream: 100 },
    delay: { rounds: 2, streams: 4, eventsPerStream: 50 },
  },
}
const bodyEffort: Readonly<Record<'full' | 'quick', BodyEffort>> = {
  full: { groups: 12, perBlock: 30 },
  quick: { groups: 2, perBlock: 5 },
}
const tracedStreams = { full: 5, quick: 2 }
const scanBytes = 1_000_000
/** Widest interval, as a share of its value, with which a ratio counts. */
const spreadMax = 0.15

/** What it costs to understand LLM traffic: streams in each tier, large bodies, the scan of a body. */
export async function llmArea(findings: Findings, options: AreaOptions): Promise<void> {
  await streams(findings, options)
  await wakeUps(findings, options)
  await bodies(findings, options)
  await scan(findings, options)
}

async function streams({ figure, remark, doubt }: Findings, { quick, seed }: AreaOptions): Promise<void> {
  const effort = streamEffort[quick ? 'quick' : 'full']
  const found = await measureStreams(effort, seed)
  const { native, tap, pump } = found.cpuUsPerEvent
  for (const tier of ['tap', 'pump'] as const satisfies readonly Tier[]) {
    const ratio = found.cpuRatio[tier]
    figure(`llm.${tier}.cpu_ratio`, ratio, 'ratio')
    figure(`llm.${tier}.delay_p50_ms`, found.delayP50Ms[tier], 'ms')
    remark(
      `${tier}: cpu ratio 95 % ${interval(ratio)}, added delay p50 95 % ${interval(found.delayP50Ms[tier])} ms`,
    )
    if ((ratio.high - ratio.low) / ratio.value > spreadMax) doubt(`the cpu ratio of ${tier} varies much`)
  }
  remark(
    `cpu an event: native ${written(native)} us, tap ${written(tap)} us, pump ${written(pump)} us; ` +
      `${effort.cpu.streams} streams of ${effort.cpu.eventsPerStream} events, ${effort.cpu.rounds} rounds of each`,
  )
  remark(
    `delay of an event, ${effort.delay.streams} streams at a time: native p50 ${written(found.nativeDelayP50Ms)} ms; difference of p99: ` +
      `tap ${written(found.delayP99Ms.tap)} ms, pump ${written(found.delayP99Ms.pump)} ms`,
  )
}

async function wakeUps({ figure, remark }: Findings, { quick }: AreaOptions): Promise<void> {
  const seen = await countWakeUps(tracedStreams[quick ? 'quick' : 'full'])
  figure('llm.tap.wakeups_per_stream', median(seen.map((each) => each.wakeUps)), 'wakeups')
  figure('llm.tap.turns_per_stream', median(seen.map((each) => each.turns)), 'turns')
  remark(
    `tap, streams of 250 events in 1 s: wake-ups ${seen.map((each) => each.wakeUps).join(', ')}; ` +
      `turns ${seen.map((each) => each.turns).join(', ')}; ` +
      `JavaScript ${seen.map(({ busyMs }) => written(busyMs)).join(', ')} ms`,
  )
}

async function bodies({ figure, remark, doubt }: Findings, { quick, seed }: AreaOptions): Promise<void> {
  const found = await measureBodies(bodyEffort[quick ? 'quick' : 'full'], seed)
  const { bytes, cpuRatio, blocks, startMs, uploadMs } = found
  figure('llm.body_1mb.cpu_ratio', cpuRatio, 'ratio')
  figure('llm.body_1mb.start_ms', startMs, 'ms')
  remark(
    `body of ${bytes} bytes, model overridden: cpu a request, pass-through ` +
      `${written(median(blocks.map(({ firstUs }) => firstUs)))} us, gateway ` +
      `${written(median(blocks.map(({ secondUs }) => secondUs)))} us, ratio 95 % ${interval(cpuRatio)}`,
  )
  remark(`the upstream had the headers after ${written(startMs)} ms of an upload of ${written(uploadMs)} ms`)
  if (!(startMs < uploadMs)) doubt('the upstream was called only when the upload had ended')
  if ((cpuRatio.high - cpuRatio.low) / cpuRatio.value > spreadMax)
    doubt('the cpu ratio of bodies varies much')
}

async function scan({ figure, remark }: Findings, { quick }: AreaOptions): Promise<void> {
  const [found] = await runMicro(new URL('../../micro/scan.bench.ts', import.meta.url), {
    quick,
    cases: 'scan-agent-1m',
  })
  if (found === undefined) throw new Error('The benchmark has no case scan-agent-1m.')
  const bytes = makeLlmBody('agent', scanBytes).length
  figure('llm.scan.ns_per_byte', found.wallNs / bytes, 'ns')
  const [low, high] = [found.lowNs, found.highNs].map((ns) => written(ns / bytes))
  remark(`scan of an agent's body of ${bytes} bytes: 95 % [${low}, ${high}] ns a byte`)
}
