import { openConnection, requestBytes, type Connection, type RequestParts } from './connection.ts'
import { blockBootstrap, median, quantile, randomFrom, shuffled, type Estimate } from './stats.ts'

/** One way to the upstream: its origin, and what a request needs there and nowhere else. */
export interface Leg {
  readonly name: string
  readonly origin: string
  readonly headers?: Readonly<Record<string, string>>
  /** CPU time its server has used, in nanoseconds; null for legs whose CPU time is of no interest. */
  readonly cpuNs: (() => number) | null
}

export interface PairedPlan {
  readonly request: RequestParts
  readonly expectStatus: number
  readonly rounds: number
  /** Requests of each leg in a round. */
  readonly perRound: number
  /** Requests of each leg before the first round. */
  readonly warmUp: number
  readonly seed: number
}

/** Times of one leg in milliseconds, by round. */
export type Rounds = readonly (readonly number[])[]

/** Opens one connection to each leg, runs the work and closes them. */
export async function withConnections<T>(
  legs: readonly Leg[],
  request: RequestParts,
  work: (askers: readonly Asker[]) => Promise<T>,
): Promise<T> {
  const connections: Connection[] = []
  try {
    const askers: Asker[] = []
    for (const leg of legs) {
      const connection = await openConnection(leg.origin)
      connections.push(connection)
      const bytes = requestBytes(leg.origin, { ...request, headers: { ...request.headers, ...leg.headers } })
      askers.push({ leg, ask: () => connection.ask(bytes) })
    }
    return await work(askers)
  } finally {
    for (const connection of connections) connection.close()
  }
}

/** Sends the plan's request along one leg. */
export interface Asker {
  readonly leg: Leg
  readonly ask: Connection['ask'] extends (request: Buffer) => infer R ? () => R : never
}

/**
 * Measures the legs side by side: every turn sends one request along each, in an order of its own, so that whatever
 * else the machine does falls on all alike.
 * @returns times by name of leg
 * @throws {Error} when a leg answers with another status than expected
 */
export async function runRounds(askers: readonly Asker[], plan: PairedPlan): Promise<Record<string, Rounds>> {
  const random = randomFrom(plan.seed)
  const times = Object.fromEntries(askers.map(({ leg }) => [leg.name, [] as number[][]]))
  await runTurns(askers, plan, { turns: plan.warmUp, random })
  for (let round = 0; round < plan.rounds; round++) {
    const ofRound = await runTurns(askers, plan, { turns: plan.perRound, random })
    for (const [name, values] of ofRound) times[name]?.push(values)
  }
  return times
}

async function runTurns(
  askers: readonly Asker[],
  { expectStatus }: PairedPlan,
  { turns, random }: { readonly turns: number; readonly random: () => number },
): Promise<Map<string, number[]>> {
  const times = new Map(askers.map(({ leg }) => [leg.name, [] as number[]]))
  for (let turn = 0; turn < turns; turn++) {
    for (const { leg, ask } of shuffled(askers, random)) {
      const { status, ns } = await ask()
      if (status !== expectStatus) throw new Error(`${leg.name} answered ${status}, not ${expectStatus}.`)
      times.get(leg.name)?.push(ns / 1e6)
    }
  }
  return times
}

/** Median of the differences between two legs of the same turns, in milliseconds, with an interval over rounds. */
export function pairedDifference(
  later: Rounds,
  earlier: Rounds,
  options: { seed: number; level?: number },
): Estimate {
  const blocks = later.map((round, index) =>
    round.map((ms, turn) => ms - (earlier[index]?.[turn] ?? Number.NaN)),
  )
  return blockBootstrap(blocks, median, options)
}

/** The q-quantile of the later leg less that of the earlier one: a difference of quantiles, not a quantile of differences. */
export function quantileDifference(
  later: Rounds,
  earlier: Rounds,
  options: { q: number; seed: number },
): Estimate {
  const blocks = later.map((round, index) => [{ later: round, earlier: earlier[index] ?? [] }])
  return blockBootstrap(
    blocks,
    (sample) =>
      quantile(
        sample.flatMap((round) => round.later),
        options.q,
      ) -
      quantile(
        sample.flatMap((round) => round.earlier),
        options.q,
      ),
    { seed: options.seed, resamples: 300 },
  )
}

/** CPU time a request costs each of two servers, block by block. */
export interface CpuBlock {
  readonly firstUs: number
  readonly secondUs: number
}

/**
 * CPU time of two servers, taken in blocks in the order first, second, second, first, so that a drift falls on both.
 * @returns one value per such group of four
 */
export async function runCpuBlocks(
  [first, second]: readonly [Asker, Asker],
  { groups, perBlock }: { readonly groups: number; readonly perBlock: number },
): Promise<CpuBlock[]> {
  const blocks: CpuBlock[] = []
  for (let group = 0; group < groups; group++) {
    const outer = [await cpuOfBlock(first, perBlock)]
    const inner = [await cpuOfBlock(second, perBlock), await cpuOfBlock(second, perBlock)]
    outer.push(await cpuOfBlock(first, perBlock))
    blocks.push({ firstUs: meanOf(outer), secondUs: meanOf(inner) })
  }
  return blocks
}

async function cpuOfBlock({ leg, ask }: Asker, requests: number): Promise<number> {
  if (leg.cpuNs === null) throw new Error(`${leg.name} has no process whose CPU time could be read.`)
  const before = leg.cpuNs()
  for (let sent = 0; sent < requests; sent++) await ask()
  return (leg.cpuNs() - before) / requests / 1_000
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Median of the ratios second over first, with an interval over the groups. */
export function cpuRatio(blocks: readonly CpuBlock[], seed: number): Estimate {
  const groups = blocks.map(({ firstUs, secondUs }) => [secondUs / firstUs])
  return blockBootstrap(groups, median, { seed })
}
