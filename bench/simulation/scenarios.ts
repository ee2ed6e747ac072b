import { requestLimit, spreadOver, type KeyTraffic } from './traffic.ts'
import type { LimitSpec } from '../../src/core/limit/spec.ts'
import type { World } from './world.ts'

/** A mix of keys and how long it runs. */
export interface Scenario {
  readonly name: string
  readonly what: string
  readonly durationMs: number
  /** Isolates die at this mean age. */
  readonly isolateLifeMs: number
  keys(world: World, random: () => number, durability: LimitSpec['durability']): readonly KeyTraffic[]
}

const minuteMs = 60_000
const isolateLifeMs = 600_000

/** S1: what an API gateway sees on an ordinary day. */
export const apiMix: Scenario = {
  name: 's1',
  what: '600 keys zipf 1.05, 1,200 rps, 60 % one colo / 30 % few / 10 % all, bursts x4, 1 key in 4 over its limit',
  durationMs: 120_000,
  isolateLifeMs,
  keys(world, random, durability) {
    const weights = Array.from({ length: 600 }, (_, rank) => 1 / (rank + 1) ** 1.05)
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    return weights.map((weight, rank) => {
      const perSecond = (1_200 * weight) / total
      const over = rank % 4 === 3
      // Of any ten ranks in a row six are used in one colo, three in a few, one in all.
      const place = (rank * 7) % 10
      const { hub, colos } = spreadOver(world, place < 6 ? 'one' : place < 9 ? 'few' : 'all', random)
      const demand = over ? 1.5 + random() : 0.2 + 0.6 * random()
      const max = Math.max(10, Math.round((perSecond * 60) / demand))
      const spec = requestLimit(max, minuteMs, durability)
      return { spec, hub, colos, perSecond, pattern: 'bursts', fromMs: 0, untilMs: 120_000 }
    })
  },
}

/** S2: one key that the whole world uses. */
function globalKey(demand: 0.5 | 5): Scenario {
  return {
    name: demand === 0.5 ? 's2a' : 's2b',
    what: `one key in all colos, limit 100/s with burst 1,000, demand ${demand}x`,
    durationMs: 60_000,
    isolateLifeMs,
    keys(world, random, durability) {
      const spec: LimitSpec = { ...requestLimit(100, 1_000, durability), burst: 1_000 }
      const spread = spreadOver(world, 'all', random)
      return [{ spec, ...spread, perSecond: 100 * demand, pattern: 'poisson', fromMs: 0, untilMs: 60_000 }]
    },
  }
}

/** S3: an attack from everywhere at once. */
const attack: Scenario = {
  name: 's3',
  what: 'limit 100/min, 2,000 requests within 1 s from all colos',
  durationMs: 60_000,
  isolateLifeMs,
  keys(world, random, durability) {
    const spread = spreadOver(world, 'all', random)
    const spec = requestLimit(100, minuteMs, durability)
    return [{ spec, ...spread, perSecond: 2_000, pattern: 'poisson', fromMs: 0, untilMs: 1_000 }]
  },
}

/** S4: servers that call from one place. */
const serverClients: Scenario = {
  name: 's4',
  what: '8 keys, one colo each, 50 rps, every other one 5x over its limit',
  durationMs: 60_000,
  isolateLifeMs,
  keys(world, random, durability) {
    return Array.from({ length: 8 }, (_, index) => {
      const spec = requestLimit(index % 2 === 0 ? 600 : 6_000, minuteMs, durability)
      return {
        spec,
        ...spreadOver(world, 'one', random),
        perSecond: 50,
        pattern: 'poisson',
        fromMs: 0,
        untilMs: 60_000,
      }
    })
  },
}

/** S5: keys that are hardly used. */
const sparseKeys: Scenario = {
  name: 's5',
  what: '1,500 keys, 3 requests a minute each, limit 20/min',
  durationMs: 120_000,
  isolateLifeMs,
  keys(world, random, durability) {
    return Array.from({ length: 1_500 }, () => {
      const spread = spreadOver(world, random() < 0.7 ? 'one' : 'few', random)
      const spec = requestLimit(20, minuteMs, durability)
      return { spec, ...spread, perSecond: 0.05, pattern: 'poisson', fromMs: 0, untilMs: 120_000 }
    })
  },
}

/** S6: one key hotter than a Durable Object can serve request by request. */
const hotKey: Scenario = {
  name: 's6',
  what: 'one key, 4,000 rps from all colos, limit 8,000/s',
  durationMs: 20_000,
  isolateLifeMs,
  keys(world, random, durability) {
    const spec: LimitSpec = { ...requestLimit(8_000, 1_000, durability), burst: 16_000 }
    const spread = spreadOver(world, 'all', random)
    return [{ spec, ...spread, perSecond: 4_000, pattern: 'poisson', fromMs: 0, untilMs: 20_000 }]
  },
}

export const scenarios: readonly Scenario[] = [
  apiMix,
  globalKey(0.5),
  globalKey(5),
  attack,
  serverClients,
  sparseKeys,
  hotKey,
]
