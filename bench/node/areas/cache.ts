import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { makeSecrets } from '../../../scripts/start/state.mjs'
import { runMicro } from '../../rig/micro.ts'
import { startBareMatch, startPassthrough } from '../../rig/plain-worker.ts'
import { startRig } from '../../rig/rig.ts'
import {
  cpuRatio,
  runCpuBlocks,
  runRounds,
  withConnections,
  type Asker,
  type CpuBlock,
  type Leg,
  type Rounds,
} from '../paired.ts'
import { interval, written, type Findings } from '../report.ts'
import { blockBootstrap, median, ratioOfMedians, type Estimate } from '../stats.ts'
import type { AreaOptions } from './pipeline.ts'

interface Effort {
  readonly rounds: number
  readonly perRound: number
  readonly warmUp: number
  readonly cpuGroups: number
  readonly perCpuBlock: number
}

const fullEffort: Effort = { rounds: 40, perRound: 25, warmUp: 300, cpuGroups: 8, perCpuBlock: 200 }
const quickEffort: Effort = { rounds: 6, perRound: 10, warmUp: 50, cpuGroups: 2, perCpuBlock: 40 }

/** What isolate memory holds, and what is read from the Cache API each time. */
const bodies = { memory: 1_000, store: 100_000 } as const
type Kind = keyof typeof bodies

/** What a hit costs: its decision, its time beside a pass-through Worker, its processor time beside a bare match. */
export async function cacheArea(findings: Findings, { quick, seed }: AreaOptions): Promise<void> {
  await decision(findings, quick)
  const effort = quick ? quickEffort : fullEffort
  for (const kind of ['memory', 'store'] as const) {
    const measured = await measureHits(kind, effort, seed)
    report(findings, kind, measured)
  }
}

async function decision({ figure, remark }: Findings, quick: boolean): Promise<void> {
  const cases = await runMicro(new URL('../../micro/cache.bench.ts', import.meta.url), { quick })
  for (const { name, wallNs, lowNs, highNs } of cases) {
    if (name === 'decision') figure('cache.decision.us', wallNs / 1_000, 'us')
    const [wall, low, high] = [wallNs, lowNs, highNs].map((ns) => written(ns / 1_000))
    remark(`${name}: wall ${wall} us [${low}, ${high}]`)
  }
}

interface Measured {
  readonly latency: Estimate
  readonly cpu: Estimate
  readonly cpuUs: Readonly<Record<'match' | 'hit', number>>
  readonly p50Ms: Readonly<Record<string, number>>
}

function report({ figure, remark }: Findings, kind: Kind, { latency, cpu, cpuUs, p50Ms }: Measured): void {
  const suffix = kind === 'memory' ? '' : '_store'
  figure(`cache.hit_over_miss.latency_ratio${suffix}`, latency, 'ratio')
  figure(`cache.hit_over_bare_match.cpu_ratio${suffix}`, cpu, 'ratio')
  const times = Object.entries(p50Ms).map(([name, ms]) => `${name} ${written(ms)} ms`)
  remark(
    `${kind}, ${bodies[kind]} bytes: p50 ${times.join(', ')}; hit over pass-through ${interval(latency)}`,
  )
  remark(
    `${kind}: cpu a request: bare match ${written(cpuUs.match)} us, hit ${written(cpuUs.hit)} us, ${interval(cpu)}`,
  )
}

async function measureHits(kind: Kind, effort: Effort, seed: number): Promise<Measured> {
  const origin = await startOrigin(bodies[kind])
  const closers: (() => Promise<void>)[] = [origin.close]
  try {
    const passthrough = await startPassthrough(origin.url)
    closers.push(passthrough.close)
    const match = await startBareMatch(origin.url)
    closers.push(match.close)
    const gateway = await startRig({ bindings: bindingsFor(origin.url) })
    closers.push(gateway.close)
    const legs: Leg[] = [
      { name: 'pass-through', origin: passthrough.url, cpuNs: passthrough.cpuNs },
      { name: 'match', origin: match.url, cpuNs: match.cpuNs },
      { name: 'hit', origin: gateway.url, cpuNs: gateway.cpuNs },
    ]
    const request = { method: 'GET', path: '/cached', headers: { 'user-agent': 'sluice-bench' } }
    return await withConnections(legs, request, async (askers) => {
      const times = await runRounds(askers, { ...effort, request, expectStatus: 200, seed })
      const [, first, second] = askers as readonly [Asker, Asker, Asker]
      const plan = { groups: effort.cpuGroups, perBlock: effort.perCpuBlock }
      return summary(times, await runCpuBlocks([first, second], plan), seed)
    })
  } finally {
    for (const close of closers.toReversed()) await close()
  }
}

function summary(
  times: Readonly<Record<string, Rounds>>,
  blocks: readonly CpuBlock[],
  seed: number,
): Measured {
  const [hit = [], miss = []] = [times['hit'], times['pass-through']]
  const rounds = hit.map((round, at) => [ratioOfMedians(round, miss[at] ?? [])])
  const p50 = Object.entries(times).map(([name, each]) => [name, median(each.flat())])
  return {
    latency: blockBootstrap(rounds, median, { seed }),
    cpu: cpuRatio(blocks, seed),
    cpuUs: {
      match: median(blocks.map(({ firstUs }) => firstUs)),
      hit: median(blocks.map(({ secondUs }) => secondUs)),
    },
    p50Ms: Object.fromEntries(p50) as Record<string, number>,
  }
}

async function startOrigin(
  bytes: number,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const body = Buffer.alloc(bytes, 'x')
  const server = createServer((_req, res) => {
    res.writeHead(200, { 'cache-control': 'max-age=3600', 'content-type': 'text/plain', etag: '"1"' })
    res.end(body)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function bindingsFor(originUrl: string): Record<string, unknown> {
  return {
    ...makeSecrets(),
    SLUICE_CONFIG: {
      version: 1,
      gateway: { clientAddress: 'none', log: { sample: 0 } },
      upstreams: { origin: { dialect: 'http', targets: [{ origin: originUrl }] } },
      routes: [{ id: 'cached', path: '/cached', upstream: 'origin', auth: 'none', cache: {} }],
    },
  }
}
