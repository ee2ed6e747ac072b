import { setTimeout as wait } from 'node:timers/promises'
import { startMock } from '../mock/server.ts'
import { startGateway } from '../rig/gateway.ts'
import { startPassthrough } from '../rig/plain-worker.ts'
import { requestBytes } from './connection.ts'
import {
  blockBootstrap,
  median,
  pairedDifferences,
  quantile,
  randomFrom,
  shuffled,
  type Estimate,
} from './stats.ts'
import { openStreamConnection, type StreamConnection, type StreamSeen } from './stream-client.ts'

interface StreamBatch {
  readonly rounds: number
  /** Streams at a time. */
  readonly streams: number
  readonly eventsPerStream: number
}

export interface StreamEffort {
  /** Many streams: what an event costs a busy server. */
  readonly cpu: StreamBatch
  /** Few streams: what an event waits where it need not wait for a processor. */
  readonly delay: StreamBatch
}

/** CPU time and delay of the two tiers beside the native hand-over. */
export interface StreamFindings {
  readonly cpuRatio: Readonly<Record<Tier, Estimate>>
  readonly delayP50Ms: Readonly<Record<Tier, Estimate>>
  /** Difference of the 99th percentiles of all delays. */
  readonly delayP99Ms: Readonly<Record<Tier, number>>
  /** Medians over the rounds, in microseconds. */
  readonly cpuUsPerEvent: Readonly<Record<LegName, number>>
  readonly nativeDelayP50Ms: number
}

export type Tier = 'tap' | 'pump'
type LegName = 'native' | Tier

interface StreamLeg {
  readonly name: LegName
  readonly cpuNs: () => number
  readonly request: Buffer
  readonly connections: readonly StreamConnection[]
}

interface LegRound {
  readonly cpuUsPerEvent: number
  readonly delaysMs: readonly number[]
}

type Round = Readonly<Record<LegName, LegRound>>

const betweenEventsMs = 4
/** Makes an event of about 340 bytes. */
const tokenBytes = 32
/** What a tier does after its streams have ended is its cost as well. */
const settleMs = 150
const path = '/v1/chat/completions'

/** Measures native hand-over, tap and pump side by side, each on a server of its own. */
export async function measureStreams(effort: StreamEffort, seed: number): Promise<StreamFindings> {
  const closers: (() => Promise<void>)[] = []
  try {
    const mock = await startMock()
    closers.push(mock.close)
    const passthrough = await startPassthrough(mock.url)
    closers.push(passthrough.close)
    const [tap, pump] = [await startGateway(mock.url), await startGateway(mock.url)]
    closers.push(tap.rig.close, pump.rig.close)
    const servers: readonly Server[] = [
      { name: 'native', url: passthrough.url, cpuNs: passthrough.cpuNs, key: tap.key, asks: true },
      { name: 'tap', url: tap.rig.url, cpuNs: tap.rig.cpuNs, key: tap.key, asks: true },
      { name: 'pump', url: pump.rig.url, cpuNs: pump.rig.cpuNs, key: pump.key, asks: false },
    ]
    const cpuRounds = await runBatch(servers, effort.cpu, seed)
    const delayRounds = await runBatch(servers, effort.delay, seed)
    expectTiers(tap.rig.log(), pump.rig.log())
    return findingsOf(cpuRounds, delayRounds, seed)
  } finally {
    for (const close of closers.toReversed()) await close()
  }
}

interface Server {
  readonly name: LegName
  readonly url: string
  readonly key: string
  readonly cpuNs: () => number
  /** Whether the client asks for usage itself; else the gateway does, and has to pump. */
  readonly asks: boolean
}

async function runBatch(
  servers: readonly Server[],
  batch: StreamBatch,
  seed: number,
): Promise<readonly Round[]> {
  const legs = await Promise.all(servers.map((server) => openLeg(server, batch)))
  try {
    return await runRounds(legs, batch.rounds, seed)
  } finally {
    for (const { connections } of legs) for (const connection of connections) connection.close()
  }
}

async function openLeg(
  { name, url, key, cpuNs, asks }: Server,
  { streams, eventsPerStream }: StreamBatch,
): Promise<StreamLeg> {
  // The role, the finish and the usage chunk are stamped too.
  const model = `mock/n=${eventsPerStream - 3},itl=${betweenEventsMs},size=${tokenBytes}`
  const options = asks ? { stream_options: { include_usage: true } } : {}
  const request = requestBytes(url, {
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'x' }], stream: true, ...options }),
  })
  const connections = await Promise.all(Array.from({ length: streams }, () => openStreamConnection(url)))
  return { name, cpuNs, request, connections }
}

/** Every round has a run of each leg, in an order of its own; the first round warms up. */
async function runRounds(
  legs: readonly StreamLeg[],
  rounds: number,
  seed: number,
): Promise<readonly Round[]> {
  const random = randomFrom(seed)
  const all: Round[] = []
  for (let round = 0; round <= rounds; round++) {
    const ofRound: Partial<Record<LegName, LegRound>> = {}
    for (const leg of shuffled(legs, random)) ofRound[leg.name] = await runLeg(leg)
    if (round > 0) all.push(ofRound as Round)
  }
  return all
}

async function runLeg({ cpuNs, connections, request }: StreamLeg): Promise<LegRound> {
  const before = cpuNs()
  const seen: StreamSeen[] = await Promise.all(connections.map(({ ask }) => ask(request)))
  await wait(settleMs)
  const events = seen.reduce((sum, each) => sum + each.events, 0)
  return {
    cpuUsPerEvent: (cpuNs() - before) / events / 1_000,
    delaysMs: seen.flatMap(({ delaysMs }) => delaysMs),
  }
}

/** A figure of the wrong tier would be a lie. */
function expectTiers(tapLog: string, pumpLog: string): void {
  for (const [tier, log] of [
    ['tap', tapLog],
    ['pump', pumpLog],
  ] as const) {
    const tiers = new Set(Array.from(log.matchAll(/"tier":"(\w+)"/g), (match) => match[1]))
    if (tiers.size !== 1 || !tiers.has(tier))
      throw new Error(`Not the tier ${tier}: ${[...tiers].join(', ')}.`)
  }
}

function findingsOf(
  cpuRounds: readonly Round[],
  delayRounds: readonly Round[],
  seed: number,
): StreamFindings {
  const cpu = (sample: readonly Round[], name: LegName) =>
    median(sample.map((each) => each[name].cpuUsPerEvent))
  const cpuRatio = (tier: Tier) =>
    blockBootstrap(
      cpuRounds.map((round) => [round]),
      (sample) => cpu(sample, tier) / cpu(sample, 'native'),
      { seed },
    )
  const p50 = (name: LegName) => delayRounds.map((round) => median(round[name].delaysMs))
  const delay = (tier: Tier) =>
    blockBootstrap(
      pairedDifferences(p50(tier), p50('native')).map((difference) => [difference]),
      median,
      { seed },
    )
  const p99 = (name: LegName) =>
    quantile(
      delayRounds.flatMap((each) => each[name].delaysMs),
      0.99,
    )
  const nativeP99 = p99('native')
  return {
    cpuRatio: { tap: cpuRatio('tap'), pump: cpuRatio('pump') },
    delayP50Ms: { tap: delay('tap'), pump: delay('pump') },
    delayP99Ms: { tap: p99('tap') - nativeP99, pump: p99('pump') - nativeP99 },
    cpuUsPerEvent: {
      native: cpu(cpuRounds, 'native'),
      tap: cpu(cpuRounds, 'tap'),
      pump: cpu(cpuRounds, 'pump'),
    },
    nativeDelayP50Ms: median(p50('native')),
  }
}
