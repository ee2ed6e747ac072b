import { setTimeout as wait } from 'node:timers/promises'
import { startGateway, type Gateway } from '../../rig/gateway.ts'
import { startPassthrough } from '../../rig/plain-worker.ts'
import { openConnection, requestBytes, type Connection } from '../connection.ts'
import { hostileRequests, startSink, type HostileRequest, type Sink } from '../hostile-requests.ts'
import { written, type Findings } from '../report.ts'
import { median } from '../stats.ts'
import type { AreaOptions } from './pipeline.ts'

interface Effort {
  readonly groups: number
  readonly normalPerBlock: number
  /** Requests in flight at a time, when memory is measured; large ones above `smallMegabytesMax`. */
  readonly smallInFlight: number
  readonly largeInFlight: number
}

const fullEffort: Effort = { groups: 5, normalPerBlock: 200, smallInFlight: 128, largeInFlight: 8 }
const quickEffort: Effort = { groups: 1, normalPerBlock: 40, smallInFlight: 64, largeInFlight: 2 }
/** The bar of Envoy's availability policy: past it, one request is a way to take a server down. */
const ratioMax = 100

/** A workerd that takes requests. */
interface Server {
  readonly url: string
  readonly cpuNs: () => number
}

interface World {
  readonly sink: Sink
  /** Does nothing but `fetch`: what a request costs there is the runtime's. */
  readonly passthrough: Server & { readonly close: () => Promise<void> }
  readonly gateway: Gateway
  readonly normal: Buffer
  readonly hostile: readonly HostileRequest[]
}

/** What the worst single request costs the gateway, in processor time and in memory, beside a normal one. */
export async function hostileArea(findings: Findings, { quick }: AreaOptions): Promise<void> {
  const effort = quick ? quickEffort : fullEffort
  const cpu = await inWorld((world) => cpuRatios(world, effort, findings))
  const small = cpu.filter(({ megabytes }) => megabytes <= smallMegabytesMax)
  const large = cpu.filter(({ megabytes }) => megabytes > smallMegabytesMax)
  findings.figure(
    'hostile.worst_cpu_ratio',
    worst(cpu, ({ ratio }) => ratio),
    'ratio',
  )
  findings.figure(
    'hostile.worst_cpu_ratio_small',
    worst(small, ({ ratio }) => ratio),
    'ratio',
  )
  findings.figure(
    'hostile.worst_cpu_per_mb',
    worst(large, ({ us, megabytes }) => us / megabytes) / 1_000,
    'ms',
  )
  const passed = worst(cpu, ({ overPassthrough }) => overPassthrough ?? 0)
  findings.figure('hostile.worst_cpu_over_passthrough', passed, 'ratio')
  const memory = await memoryRatios(effort, findings)
  findings.figure(
    'hostile.worst_memory_ratio',
    worst(memory, ({ ratio }) => ratio),
    'ratio',
  )
  const smallMemory = memory.filter(({ megabytes }) => megabytes <= smallMegabytesMax)
  findings.figure(
    'hostile.worst_memory_ratio_small',
    worst(smallMemory, ({ ratio }) => ratio),
    'ratio',
  )
  findings.figure('hostile.worst_memory_mb', worst(memory, ({ bytes }) => bytes) / 1_000_000, 'MB')
}

/** What a single request may be without being priced by its size: above, work grows with bytes that were sent. */
const smallMegabytesMax = 0.27

function worst<T>(costs: readonly T[], of: (cost: T) => number): number {
  return Math.max(...costs.map(of))
}

async function inWorld<T>(work: (world: World) => Promise<T>): Promise<T> {
  const sink = await startSink()
  const gateway = await startGateway(sink.url)
  const passthrough = await startPassthrough(sink.url)
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
    const world = { sink, gateway, passthrough, normal, hostile: hostileRequests(url, gateway.key) }
    await block(gateway.rig, normal, { count: 300, status: 200 })
    await block(passthrough, normal, { count: 300, status: 200 })
    return await work(world)
  } finally {
    await gateway.rig.close()
    await passthrough.close()
    await sink.close()
  }
}

interface Cost {
  readonly us: number
  readonly ratio: number
  /** Beside the pass-through Worker's cost of the same request; null where the gateway refuses it. */
  readonly overPassthrough: number | null
  readonly megabytes: number
}

async function cpuRatios(world: World, effort: Effort, { remark }: Findings): Promise<Cost[]> {
  const costs: Cost[] = []
  for (const { name, bytes, status, perBlock } of world.hostile) {
    const request = bytes()
    await block(world.gateway.rig, request, { count: 1, status })
    const pairs: { normal: number; hostile: number; passed: number | null }[] = []
    for (let group = 0; group < effort.groups; group += 1) {
      const normal = await block(world.gateway.rig, world.normal, {
        count: effort.normalPerBlock,
        status: 200,
      })
      const hostile = await block(world.gateway.rig, request, { count: perBlock, status })
      const passed =
        status === 200 ? await block(world.passthrough, request, { count: perBlock, status }) : null
      pairs.push({ normal, hostile, passed })
    }
    const us = median(pairs.map(({ hostile }) => hostile))
    const ratio = median(pairs.map(({ hostile, normal }) => hostile / normal))
    const megabytes = request.length / 1_000_000
    const overs = pairs.flatMap(({ hostile, passed }) => (passed === null ? [] : hostile / passed))
    const overPassthrough = overs.length === 0 ? null : median(overs)
    costs.push({ us, ratio, overPassthrough, megabytes })
    const over = ratio > ratioMax ? `, OVER ${ratioMax}` : ''
    const beside = overPassthrough === null ? '' : `, ${written(overPassthrough)} × the pass-through Worker's`
    remark(
      `cpu: ${name}: ${written(us)} us a request of ${written(megabytes)} MB${beside}, ratio ${written(ratio)}${over}`,
    )
  }
  return costs
}

/** Processor time a request of a block, one after the other, in microseconds; a connection for each, as refusals close it. */
async function block(
  server: Server,
  request: Buffer,
  { count, status }: { readonly count: number; readonly status: number },
): Promise<number> {
  const connections: Connection[] = []
  for (let at = 0; at < count; at += 1) connections.push(await openConnection(server.url))
  const before = server.cpuNs()
  for (const connection of connections) {
    const answer = await connection.ask(request)
    if (answer.status !== status) throw new Error(`An answer has status ${answer.status}, not ${status}.`)
  }
  const after = server.cpuNs()
  for (const connection of connections) connection.close()
  return (after - before) / 1_000 / count
}

interface Growth {
  readonly bytes: number
  readonly ratio: number
  readonly megabytes: number
}

/** Growth of a fresh process per request in flight, beside that of a normal one. */
async function memoryRatios(effort: Effort, { remark }: Findings): Promise<Growth[]> {
  const normalBytes = await inWorld((world) => growth(world, world.normal, effort.smallInFlight))
  remark(`memory: a normal request in flight: ${written(normalBytes / 1_000)} kB`)
  const growths: Growth[] = []
  const names = await inWorld(async ({ hostile }) => hostile.map(({ name }) => name))
  for (const [at, name] of names.entries()) {
    const { bytes, megabytes } = await inWorld((world) => growthOf(world, at, effort))
    const ratio = bytes / normalBytes
    growths.push({ bytes, ratio, megabytes })
    const over = ratio > ratioMax ? `, OVER ${ratioMax}` : ''
    remark(`memory: ${name}: ${written(bytes / 1_000)} kB a request, ratio ${written(ratio)}${over}`)
  }
  return growths
}

async function growthOf(
  world: World,
  at: number,
  effort: Effort,
): Promise<{ readonly bytes: number; readonly megabytes: number }> {
  const request = (world.hostile[at] as HostileRequest).bytes()
  const megabytes = request.length / 1_000_000
  const inFlight = megabytes <= smallMegabytesMax ? effort.smallInFlight : effort.largeInFlight
  return { bytes: await growth(world, request, inFlight), megabytes }
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
