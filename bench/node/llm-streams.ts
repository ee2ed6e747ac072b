import { setTimeout as wait } from 'node:timers/promises'
import { startMock } from '../mock/server.ts'
import { startGateway, type Gateway } from '../rig/gateway.ts'
import { startPassthrough } from '../rig/plain-worker.ts'
import { requestBytes } from './connection.ts'
import { blockBootstrap, median, randomFrom, shuffled, type Estimate } from './stats.ts'
import { openStreamConnection, type StreamConnection, type StreamSeen } from './stream-client.ts'

export interface StreamEffort {
  readonly rounds: number
  /** Streams at a time. */
  readonly streams: number
  readonly eventsPerStream: number
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
    const legs = await Promise.all([
      openLeg('native', { url: passthrough.url, cpuNs: passthrough.cpuNs, key: tap.key, asks: true }, effort),
      openLeg('tap', serverOf(tap, true), effort),
      openLeg('pump', serverOf(pump, false), effort),
    ])
    const rounds = await runRounds(legs, effort, seed)
    for (const { connections } of legs) for (const connection of connections) connection.close()
    expectTiers(tap.rig.log(), pump.rig.log())
    return findingsOf(rounds, seed)
  } finally {
    for (const close of closers.toReversed()) await close()
  }
}

interface Server {
  readonly url: string
  readonly key: string
  readonly cpuNs: () => number
  /** Whether the client asks for usage itself; else the gateway does, and has to pump. */
  readonly asks: boolean
}

function serverOf({ rig, key }: Gateway, asks: boolean): Server {
  return { url: rig.url, cpuNs: rig.cpuNs, key, asks }
}

async function openLeg(
  name: LegName,
  { url, key, cpuNs, asks }: Server,
  { streams, eventsPerStream }: StreamEffort,
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
  { rounds }: StreamEffort,
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

function findingsOf(rounds: readonly Round[], seed: number): StreamFindings {
  const blocks = rounds.map((round) => [round])
  const cpu = (sample: readonly Round[], name: LegName) =>
    median(sample.map((each) => each[name].cpuUsPerEvent))
  const cpuRatio = (tier: Tier) =>
    blockBootstrap(blocks, (sample) => cpu(sample, tier) / cpu(sample, 'native'), { seed })
  const p50 = new Map(rounds.map((round) => [round, p50Of(round)]))
  const delay = (tier: Tier) =>
    blockBootstrap(
      rounds.map((round) => [
        (p50.get(round)?.[tier] ?? Number.NaN) - (p50.get(round)?.native ?? Number.NaN),
      ]),
      median,
      { seed },
    )
  const all = (name: LegName) => Float64Array.from(rounds.flatMap((each) => each[name].delaysMs)).toSorted()
  const p99 = (name: LegName) => sortedAt(all(name), 0.99)
  const nativeP99 = p99('native')
  return {
    cpuRatio: { tap: cpuRatio('tap'), pump: cpuRatio('pump') },
    delayP50Ms: { tap: delay('tap'), pump: delay('pump') },
    delayP99Ms: { tap: p99('tap') - nativeP99, pump: p99('pump') - nativeP99 },
    cpuUsPerEvent: { native: cpu(rounds, 'native'), tap: cpu(rounds, 'tap'), pump: cpu(rounds, 'pump') },
    nativeDelayP50Ms: median(rounds.map((round) => p50.get(round)?.native ?? Number.NaN)),
  }
}

function p50Of(round: Round): Readonly<Record<LegName, number>> {
  return {
    native: median(round.native.delaysMs),
    tap: median(round.tap.delaysMs),
    pump: median(round.pump.delaysMs),
  }
}

function sortedAt(sorted: Float64Array, q: number): number {
  return sorted[Math.floor((sorted.length - 1) * q)] ?? Number.NaN
}
