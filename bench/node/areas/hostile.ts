import { setTimeout as wait } from 'node:timers/promises'
import { startGateway, type Gateway } from '../../rig/gateway.ts'
import { openConnection, requestBytes, type Connection } from '../connection.ts'
import { hostileRequests, startSink, type HostileRequest, type Sink } from '../hostile-requests.ts'
import { written, type Findings } from '../report.ts'
import { median } from '../stats.ts'
import type { AreaOptions } from './pipeline.ts'

interface Effort {
  readonly groups: number
  readonly normalPerBlock: number
  /** Requests in flight at a time, when memory is measured. */
  readonly inFlight: number
}

const fullEffort: Effort = { groups: 5, normalPerBlock: 200, inFlight: 8 }
const quickEffort: Effort = { groups: 1, normalPerBlock: 40, inFlight: 4 }
/** The bar of Envoy's availability policy: past it, one request is a way to take a server down. */
const ratioMax = 100

interface World {
  readonly sink: Sink
  readonly gateway: Gateway
  readonly normal: Buffer
  readonly hostile: readonly HostileRequest[]
}

/** What the worst single request costs the gateway, in processor time and in memory, beside a normal one. */
export async function hostileArea(findings: Findings, { quick }: AreaOptions): Promise<void> {
  const effort = quick ? quickEffort : fullEffort
  const cpu = await inWorld((world) => cpuRatios(world, effort, findings))
  findings.figure('hostile.worst_cpu_ratio', Math.max(...cpu.map(({ ratio }) => ratio)), 'ratio')
  const perMegabyte = cpu.filter(({ megabytes }) => megabytes >= 1).map(({ us, megabytes }) => us / megabytes)
  findings.figure('hostile.worst_cpu_per_mb', Math.max(...perMegabyte) / 1_000, 'ms')
  const memory = await memoryRatios(effort, findings)
  findings.figure('hostile.worst_memory_ratio', Math.max(...memory), 'ratio')
}

async function inWorld<T>(work: (world: World) => Promise<T>): Promise<T> {
  const sink = await startSink()
  const gateway = await startGateway(sink.url)
  try {
    const { url } = gateway.rig
    const normal = requestBytes(url, {
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.key}` },
      body: JSON.stringify({
        model: 'm',
        messages: [{ role: 'user', content: 'Say what a gateway does. '.repeat(38) }],
      }),
    })
    const world = { sink, gateway, normal, hostile: hostileRequests(url, gateway.key) }
    await block(world, normal, { count: 300, status: 200 })
    return await work(world)
  } finally {
    await gateway.rig.close()
    await sink.close()
  }
}

interface Cost {
  readonly us: number
  readonly ratio: number
  readonly megabytes: number
}

async function cpuRatios(world: World, effort: Effort, { remark }: Findings): Promise<Cost[]> {
  const costs: Cost[] = []
  for (const { name, bytes, status, perBlock } of world.hostile) {
    const request = bytes()
    await block(world, request, { count: 1, status })
    const pairs: { normal: number; hostile: number }[] = []
    for (let group = 0; group < effort.groups; group += 1) {
      const normal = await block(world, world.normal, { count: effort.normalPerBlock, status: 200 })
      pairs.push({ normal, hostile: await block(world, request, { count: perBlock, status }) })
    }
    const us = median(pairs.map(({ hostile }) => hostile))
    const ratio = median(pairs.map(({ hostile, normal }) => hostile / normal))
    const megabytes = request.length / 1_000_000
    costs.push({ us, ratio, megabytes })
    const over = ratio > ratioMax ? `, OVER ${ratioMax}` : ''
    remark(
      `cpu: ${name}: ${written(us)} us a request of ${written(megabytes)} MB, ratio ${written(ratio)}${over}`,
    )
  }
  return costs
}

/** Processor time a request of a block, one after the other, in microseconds; a connection for each, as refusals close it. */
async function block(
  { gateway }: World,
  request: Buffer,
  { count, status }: { readonly count: number; readonly status: number },
): Promise<number> {
  const connections: Connection[] = []
  for (let at = 0; at < count; at += 1) connections.push(await openConnection(gateway.rig.url))
  const before = gateway.rig.cpuNs()
  for (const connection of connections) {
    const answer = await connection.ask(request)
    if (answer.status !== status) throw new Error(`An answer has status ${answer.status}, not ${status}.`)
  }
  const after = gateway.rig.cpuNs()
  for (const connection of connections) connection.close()
  return (after - before) / 1_000 / count
}

/** Growth of a fresh process per request in flight, beside that of a normal one. */
async function memoryRatios(effort: Effort, { remark }: Findings): Promise<number[]> {
  const normalBytes = await inWorld((world) => growth(world, world.normal, effort.inFlight * 8))
  remark(`memory: a normal request in flight: ${written(normalBytes / 1_000)} kB`)
  const ratios: number[] = []
  const names = await inWorld(async ({ hostile }) => hostile.map(({ name }) => name))
  for (const [at, name] of names.entries()) {
    const bytes = await inWorld((world) =>
      growth(world, (world.hostile[at] as HostileRequest).bytes(), effort.inFlight),
    )
    const ratio = bytes / normalBytes
    ratios.push(ratio)
    const over = ratio > ratioMax ? `, OVER ${ratioMax}` : ''
    remark(`memory: ${name}: ${written(bytes / 1_000)} kB a request, ratio ${written(ratio)}${over}`)
  }
  return ratios
}

const settleMs = 250
const patienceMs = 30_000

/**
 * Bytes of peak resident memory over the idle process, a request, with `count` requests in flight at a time: sent as
 * fast as they are taken, and held by the upstream until each is answered or waits there.
 */
async function growth({ gateway, sink }: World, request: Buffer, count: number): Promise<number> {
  await wait(settleMs)
  const idle = gateway.rig.memory().total
  const connections = await Promise.all(Array.from({ length: count }, () => openConnection(gateway.rig.url)))
  sink.hold(true)
  let answered = 0
  const answers = connections.map((connection) => connection.ask(request).then(() => (answered += 1)))
  const deadlineMs = performance.now() + patienceMs
  while (answered + sink.waiting() < count && performance.now() < deadlineMs) await wait(20)
  const { peak } = gateway.rig.memory()
  sink.hold(false)
  await Promise.all(answers)
  for (const connection of connections) connection.close()
  return Math.max(0, peak - idle) / count
}
