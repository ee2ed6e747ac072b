import { startMock } from '../mock/server.ts'
import { startGateway } from '../rig/gateway.ts'
import { startPassthrough } from '../rig/plain-worker.ts'
import {
  cpuRatio,
  pairedDifference,
  quantileDifference,
  runCpuBlocks,
  runRounds,
  withConnections,
  type CpuBlock,
  type Leg,
  type Rounds,
} from './paired.ts'
import { median, type Estimate } from './stats.ts'

export interface Effort {
  /** Times that every process is started anew: what differs from process to process shows only there. */
  readonly sets: number
  readonly rounds: number
  readonly perRound: number
  readonly warmUp: number
  readonly cpuGroups: number
  readonly perCpuBlock: number
}

/** What the gateway costs a request beyond the pass-through Worker; times in milliseconds. */
export interface OverPassthrough {
  readonly p50: Estimate
  /** Difference of the 99th percentiles. */
  readonly p99: Estimate
  readonly overDirect: Estimate
  readonly cpuRatio: Estimate
  /** The direct way against itself; holds zero when the method works. Level 0.99. */
  readonly selfTest: Estimate
  /** Median of each set alone, in milliseconds. */
  readonly p50OfSets: readonly number[]
  readonly p50Ms: Readonly<Record<LegName, number>>
  readonly cpuUs: { readonly passthrough: number; readonly gateway: number }
}

type LegName = 'direct' | 'again' | 'passthrough' | 'gateway'

interface RunSet {
  readonly times: Readonly<Record<string, Rounds>>
  readonly cpu: readonly CpuBlock[]
}

/** A chat completion of about 1 KB each way, not streamed: the whole cost of a request and no more. */
const request = {
  method: 'POST',
  path: '/v1/chat/completions',
  headers: { 'content-type': 'application/json', 'user-agent': 'sluice-bench' },
  body: JSON.stringify({
    model: 'mock/n=64',
    messages: [
      { role: 'system', content: 'You answer briefly.' },
      { role: 'user', content: 'Say what an edge gateway does. '.repeat(28) },
    ],
  }),
}

/** Measures the gateway beside a pass-through Worker and the direct way to the same mock. */
export async function measureOverPassthrough(effort: Effort, seed: number): Promise<OverPassthrough> {
  const sets: RunSet[] = []
  for (let set = 0; set < effort.sets; set++) sets.push(await runSet(effort, seed + set))
  const all = (name: LegName): Rounds => sets.flatMap(({ times }) => times[name] ?? [])
  const cpu = sets.flatMap((set) => set.cpu)
  const p50 = (name: LegName): number => median(all(name).flat())
  return {
    p50: pairedDifference(all('gateway'), all('passthrough'), { seed }),
    p99: quantileDifference(all('gateway'), all('passthrough'), { q: 0.99, seed }),
    overDirect: pairedDifference(all('gateway'), all('direct'), { seed }),
    cpuRatio: cpuRatio(cpu, seed),
    selfTest: pairedDifference(all('again'), all('direct'), { seed, level: 0.99 }),
    p50OfSets: sets.map(({ times }) =>
      medianDifference(times['gateway'] ?? [], times['passthrough'] ?? [], seed),
    ),
    p50Ms: {
      direct: p50('direct'),
      again: p50('again'),
      passthrough: p50('passthrough'),
      gateway: p50('gateway'),
    },
    cpuUs: {
      passthrough: median(cpu.map(({ firstUs }) => firstUs)),
      gateway: median(cpu.map(({ secondUs }) => secondUs)),
    },
  }
}

function medianDifference(later: Rounds, earlier: Rounds, seed: number): number {
  return pairedDifference(later, earlier, { seed }).value
}

async function runSet(effort: Effort, seed: number): Promise<RunSet> {
  const closers: (() => Promise<void>)[] = []
  try {
    const mock = await startMock()
    closers.push(mock.close)
    const passthrough = await startPassthrough(mock.url)
    closers.push(passthrough.close)
    const gateway = await startGateway(mock.url)
    closers.push(gateway.rig.close)
    const authorization = `Bearer ${gateway.key}`
    const legs: Leg[] = [
      { name: 'direct', origin: mock.url, headers: { authorization }, cpuNs: null },
      { name: 'again', origin: mock.url, headers: { authorization }, cpuNs: null },
      { name: 'passthrough', origin: passthrough.url, headers: { authorization }, cpuNs: passthrough.cpuNs },
      { name: 'gateway', origin: gateway.rig.url, headers: { authorization }, cpuNs: gateway.rig.cpuNs },
    ]
    return await withConnections(legs, request, async (askers) => {
      const times = await runRounds(askers, { ...effort, request, expectStatus: 200, seed })
      const [, , first, second] = askers
      if (first === undefined || second === undefined) throw new Error('The legs have no connections.')
      const plan = { groups: effort.cpuGroups, perBlock: effort.perCpuBlock }
      return { times, cpu: await runCpuBlocks([first, second], plan) }
    })
  } finally {
    for (const close of closers.toReversed()) await close()
  }
}
