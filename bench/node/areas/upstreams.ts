import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { startMock, type RunningMock } from '../../mock/server.ts'
import { startGateway, type Gateway } from '../../rig/gateway.ts'
import { runMicro } from '../../rig/micro.ts'
import { openConnection, requestBytes } from '../connection.ts'
import { written, type Findings } from '../report.ts'
import { median, pairedDifferences } from '../stats.ts'
import type { AreaOptions } from './pipeline.ts'

interface Effort {
  readonly reuseRequests: number
  readonly failovers: number
  readonly outageSeconds: number
}

const fullEffort: Effort = { reuseRequests: 5_000, failovers: 500, outageSeconds: 60 }
const quickEffort: Effort = { reuseRequests: 300, failovers: 30, outageSeconds: 3 }
const lanes = 4
const outagePerSecond = 50
/** Retries that are saved up, beside the share of the requests and one a second. */
const savedRetries = 10

/** What the pools of targets cost and save: the choice, the connections, a failing target, an outage. */
export async function upstreamsArea(findings: Findings, { quick }: AreaOptions): Promise<void> {
  await selection(findings, quick)
  const effort = quick ? quickEffort : fullEffort
  const world = await startWorld()
  try {
    await reuse(findings, effort, world)
    await failover(findings, effort, world)
    await outage(findings, effort, world)
  } finally {
    await world.close()
  }
}

async function selection({ figure, remark }: Findings, quick: boolean): Promise<void> {
  const cases = await runMicro(new URL('../../micro/upstream-select.bench.ts', import.meta.url), { quick })
  for (const { name, wallNs } of cases) remark(`select: ${name}: ${written(wallNs / 1_000)} us`)
  const ofThree = cases.filter(({ name }) => name.endsWith('-3'))
  figure('upstreams.select.us', Math.max(...ofThree.map(({ wallNs }) => wallNs)) / 1_000, 'us')
}

interface World {
  readonly mock: RunningMock
  readonly gateway: Gateway
  readonly close: () => Promise<void>
}

/** The mock, an origin that answers everything with 500, and the gateway with a route for each figure. */
async function startWorld(): Promise<World> {
  const mock = await startMock()
  const failing = createServer((_, response) => void response.writeHead(500).end())
  await new Promise<void>((resolve) => {
    failing.listen(0, '127.0.0.1', resolve)
  })
  const failingUrl = `http://127.0.0.1:${(failing.address() as AddressInfo).port}`
  const healthy = { origin: mock.url }
  // Otherwise the failing target would be passed over after its first failures, which is not what is timed.
  const blind = { failures: 1_000_000, callsMin: 1_000_000, openMs: 1 }
  const retries = { minPerSecond: 1_000 }
  const upstreams = {
    good: { dialect: 'http', targets: [healthy] },
    failing: { dialect: 'http', targets: [{ origin: failingUrl }, healthy], health: blind, retries },
    outage: { dialect: 'http', targets: [healthy], concurrency: { max: 1_000 } },
  }
  const routes = Object.keys(upstreams).map((name) => ({
    id: name,
    path: `/${name}/*`,
    upstream: name,
    rewrite: '/*',
    auth: 'none',
  }))
  const document = { version: 1, gateway: { log: { sample: 0 } }, upstreams, routes }
  const gateway = await startGateway(mock.url, { bindings: { SLUICE_CONFIG: document } })
  return {
    mock,
    gateway,
    async close() {
      await gateway.rig.close()
      await mock.close()
      failing.close()
      failing.closeAllConnections()
    },
  }
}

function getBytes({ gateway }: World, path: string): Buffer {
  return requestBytes(gateway.rig.url, { method: 'GET', path })
}

/** Share of the requests that found a connection open; counted at the origin. */
async function reuse({ figure, remark }: Findings, effort: Effort, world: World): Promise<void> {
  world.mock.reset()
  const request = getBytes(world, '/good/bytes/100')
  const perLane = Math.ceil(effort.reuseRequests / lanes)
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      const connection = await openConnection(world.gateway.rig.url)
      for (let at = 0; at < perLane; at += 1) await connection.ask(request)
      connection.close()
    }),
  )
  const { requests, connections } = world.mock.stats()
  figure('upstreams.reuse_percent', (1 - connections / requests) * 100, '%')
  remark(`reuse: ${requests} requests, ${lanes} at a time, came over ${connections} connections`)
}

/** What a request pays for a first target that fails: median difference to one whose only target is well. */
async function failover({ figure, remark }: Findings, effort: Effort, world: World): Promise<void> {
  const connection = await openConnection(world.gateway.rig.url)
  const [good, failing] = [getBytes(world, '/good/bytes/100'), getBytes(world, '/failing/bytes/100')]
  const times: { readonly good: number[]; readonly failing: number[] } = { good: [], failing: [] }
  for (let at = 0; at < effort.failovers; at += 1) {
    const first = await connection.ask(good)
    const second = await connection.ask(failing)
    if (first.status !== 200 || second.status !== 200) throw new Error('A request did not get to the mock.')
    times.good.push(first.ns / 1e6)
    times.failing.push(second.ns / 1e6)
  }
  connection.close()
  figure('upstreams.failover_ms', median(pairedDifferences(times.failing, times.good)), 'ms')
  remark(
    `failover: ${written(median(times.failing))} ms with a first target that answers 500 at once, ${written(median(times.good))} ms without`,
  )
}

/** Attempts at an origin that answers everything with 503, by requests. */
async function outage({ figure, remark, doubt }: Findings, effort: Effort, world: World): Promise<void> {
  const { mock, gateway } = world
  mock.reset()
  const requests = outagePerSecond * effort.outageSeconds
  const startedMs = performance.now()
  const asked: Promise<unknown>[] = []
  for (let at = 0; at < requests; at += 1) {
    const leftMs = startedMs + (at * 1_000) / outagePerSecond - performance.now()
    if (leftMs > 0) await wait(leftMs)
    asked.push(fetch(`${gateway.rig.url}/outage/status/503`).then((answer) => answer.arrayBuffer()))
  }
  await Promise.all(asked)
  const attempts = mock.stats().requests
  const bound = requests * 1.2 + effort.outageSeconds + savedRetries
  figure('upstreams.outage.attempts_ratio', attempts / requests, 'ratio')
  remark(
    `outage: ${attempts} attempts for ${requests} requests in ${effort.outageSeconds} s; at most ${bound} may be`,
  )
  if (attempts > bound) doubt('an outage saw more attempts than the budget allows')
}
