import { quantile, randomFrom } from '../node/stats.ts'
import { EventQueue } from './event-queue.ts'
import { bucketExcess, idealBucket, type Admit, type BucketLimit } from './judge.ts'
import type { Scenario } from './scenarios.ts'
import { Arrivals, type KeyTraffic } from './traffic.ts'
import { drawShare, exponential, makeWorld, type Colo, type World } from './world.ts'
import type { LimitSpec } from '../../src/core/limit/spec.ts'

/** One isolate of the Worker; a new one takes the place of one that dies. */
export interface Isolate {
  readonly name: string
  readonly colo: Colo
}

/** What a design of limiter is made with. */
export interface Surroundings {
  readonly queue: EventQueue
  readonly world: World
  readonly keys: readonly KeyTraffic[]
  readonly random: () => number
}

/** A way to keep limits, under simulation. */
export interface Limiting {
  /** Decides on one request, now or later; `decided` is called at the instant the request leaves its isolate. */
  ask(isolate: Isolate, key: number, decided: (admitted: boolean) => void): void
  /** The isolate is gone, with all it knew. */
  forget(isolate: Isolate): void
  /** Calls of Durable Objects, and rows they wrote. */
  readonly calls: number
  readonly writes: number
}

export interface Outcome {
  readonly requests: number
  /** Excess of the worst interval of the worst key, in percent of its burst. */
  readonly excessPercent: number
  readonly keysWithExcess: number
  /** What was admitted less than by a limiter without distance, in percent of that. */
  readonly underPercent: number
  readonly callsPerRequest: number
  readonly writesPerRequest: number
  /** Share of requests that were answered with no I/O. */
  readonly noIoShare: number
  readonly addedMs: {
    readonly mean: number
    readonly p50: number
    readonly p90: number
    readonly p99: number
  }
}

/** Runs a scenario once. */
export function simulate(
  scenario: Scenario,
  seed: number,
  design: { readonly durability: LimitSpec['durability']; make(surroundings: Surroundings): Limiting },
): Outcome {
  const random = randomFrom(seed)
  const world = makeWorld(random)
  const keys = scenario.keys(world, random, design.durability)
  const queue = new EventQueue()
  const limiting = design.make({ queue, world, keys, random })
  const isolates = new Isolates(queue, scenario.isolateLifeMs, random, (isolate) => limiting.forget(isolate))
  const ledgers = keys.map(() => ({ asked: [] as Admit[], admitted: [] as Admit[] }))
  const delaysMs: number[] = []
  let noIo = 0

  const request = (key: number, colos: KeyTraffic['colos']): void => {
    const colo = colos[drawShare(colos, random())]?.colo
    const ledger = ledgers[key]
    if (colo === undefined || ledger === undefined) return
    const askedMs = queue.nowMs
    ledger.asked.push({ atMs: askedMs, cost: 1 })
    let returned = false
    limiting.ask(isolates.at(colo), key, (admitted) => {
      if (admitted) ledger.admitted.push({ atMs: queue.nowMs, cost: 1 })
      delaysMs.push(queue.nowMs - askedMs)
      if (!returned) noIo += 1
    })
    returned = true
  }
  for (const [key, traffic] of keys.entries()) {
    const arrivals = new Arrivals(traffic, random)
    const again = (timeMs: number): void => {
      const nextMs = arrivals.next(timeMs)
      if (nextMs === null) return
      queue.at(nextMs, () => {
        request(key, traffic.colos)
        again(nextMs)
      })
    }
    again(traffic.fromMs)
  }
  queue.run(scenario.durationMs + 5_000)
  const requests = ledgers.reduce((sum, { asked }) => sum + asked.length, 0)
  return {
    ...judge(keys, ledgers),
    requests,
    callsPerRequest: limiting.calls / requests,
    writesPerRequest: limiting.writes / requests,
    noIoShare: noIo / requests,
    addedMs: delays(delaysMs),
  }
}

/** The isolates of all colos; each dies at a random age and is followed by another. */
class Isolates {
  readonly #queue: EventQueue
  readonly #lifeMs: number
  readonly #random: () => number
  readonly #died: (isolate: Isolate) => void
  readonly #living = new Map<string, { isolate: Isolate; diesMs: number }>()
  #born = 0

  constructor(queue: EventQueue, lifeMs: number, random: () => number, died: (isolate: Isolate) => void) {
    this.#queue = queue
    this.#lifeMs = lifeMs
    this.#random = random
    this.#died = died
  }

  /** Any of the isolates of a colo. */
  at(colo: Colo): Isolate {
    const place = `${colo.index}/${Math.floor(this.#random() * colo.isolates)}`
    const living = this.#living.get(place)
    if (living !== undefined && living.diesMs > this.#queue.nowMs) return living.isolate
    if (living !== undefined) this.#died(living.isolate)
    this.#born += 1
    const isolate: Isolate = { name: `${place}#${this.#born}`, colo }
    this.#living.set(place, {
      isolate,
      diesMs: this.#queue.nowMs + exponential(this.#random, this.#lifeMs),
    })
    return isolate
  }
}

function judge(
  keys: readonly KeyTraffic[],
  ledgers: readonly { readonly asked: readonly Admit[]; readonly admitted: readonly Admit[] }[],
): Pick<Outcome, 'excessPercent' | 'keysWithExcess' | 'underPercent'> {
  let excessPercent = 0
  let keysWithExcess = 0
  let admitted = 0
  let ideal = 0
  for (const [index, { spec }] of keys.entries()) {
    const ledger = ledgers[index]
    if (ledger === undefined) continue
    const limit = bucketOf(spec)
    const excess = bucketExcess(ledger.admitted, limit)
    // Less than a millionth of a permit is the arithmetic's.
    if (excess > 1e-6) keysWithExcess += 1
    excessPercent = Math.max(excessPercent, excess > 1e-6 ? (100 * excess) / limit.burst : 0)
    admitted += ledger.admitted.length
    ideal += idealBucket(ledger.asked, limit)
  }
  return { excessPercent, keysWithExcess, underPercent: (100 * (ideal - admitted)) / ideal }
}

export function bucketOf({ max, periodMs, burst }: LimitSpec): BucketLimit {
  return { burst: burst ?? max, perMs: max / (periodMs ?? 1) }
}

function delays(delaysMs: readonly number[]): Outcome['addedMs'] {
  const at = (q: number): number => quantile(delaysMs, q)
  const mean = delaysMs.reduce((sum, ms) => sum + ms, 0) / delaysMs.length
  return { mean, p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}
