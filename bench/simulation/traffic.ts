import type { LimitSpec } from '../../src/core/limit/spec.ts'
import { drawShare, exponential, type Colo, type World } from './world.ts'

/** The clients of one key: where they are and how often they ask. */
export interface KeyTraffic {
  readonly spec: LimitSpec
  /** Hub of the key's Ledger: where most of its traffic enters. */
  readonly hub: number
  /** Requests in a second, on average. */
  readonly perSecond: number
  readonly colos: readonly { readonly colo: Colo; readonly share: number }[]
  /** `bursts`: Poisson with bursts of four times the rate; `poisson`; `even`. */
  readonly pattern: 'bursts' | 'poisson' | 'even'
  /** When the key's traffic begins and ends. */
  readonly fromMs: number
  readonly untilMs: number
}

const burst = { factor: 4, meanMs: 2_000, pauseMs: 18_000 }

/** Times of a key's requests, in order. Drawn lazily: `next` gives the one after `timeMs`. */
export class Arrivals {
  readonly #traffic: KeyTraffic
  readonly #random: () => number
  /** While in a burst: its end. Else the begin of the next one. */
  #turnMs: number
  #inBurst = false

  constructor(traffic: KeyTraffic, random: () => number) {
    this.#traffic = traffic
    this.#random = random
    this.#turnMs = traffic.fromMs + exponential(random, burst.pauseMs)
  }

  /** @returns null when the traffic is over. */
  next(timeMs: number): number | null {
    const { pattern, perSecond, untilMs } = this.#traffic
    const meanMs = 1_000 / perSecond
    const nextMs = pattern === 'even' ? timeMs + meanMs : this.#poisson(timeMs, meanMs)
    return nextMs < untilMs ? nextMs : null
  }

  #poisson(timeMs: number, meanMs: number): number {
    if (this.#traffic.pattern === 'poisson') return timeMs + exponential(this.#random, meanMs)
    // Calm and burst together keep the mean; a gap that would cross a turn begins anew there.
    const share = burst.meanMs / (burst.meanMs + burst.pauseMs)
    const calmMs = meanMs * (1 - share + share * burst.factor)
    for (let fromMs = timeMs; ;) {
      const gapMs = exponential(this.#random, this.#inBurst ? calmMs / burst.factor : calmMs)
      if (fromMs + gapMs < this.#turnMs) return fromMs + gapMs
      fromMs = this.#turnMs
      this.#inBurst = !this.#inBurst
      this.#turnMs += exponential(this.#random, this.#inBurst ? burst.meanMs : burst.pauseMs)
    }
  }
}

/** Colos near one hub, a few of them, or all, by their traffic. */
export function spreadOver(
  world: World,
  how: 'one' | 'few' | 'all',
  random: () => number,
): { readonly hub: number; readonly colos: KeyTraffic['colos'] } {
  const all = world.colos.map((colo) => ({ colo, share: colo.weight }))
  const home = all[drawShare(all, random())]
  if (home === undefined) throw new Error('a world without colos')
  if (how === 'all') return { hub: home.colo.hub, colos: all }
  if (how === 'one') return { hub: home.colo.hub, colos: [home] }
  const near = all.filter(({ colo }) => colo.hub === home.colo.hub && colo !== home.colo)
  const few = Array.from({ length: 4 }, () => near[Math.floor(random() * near.length)]).filter(
    (each) => each !== undefined,
  )
  return {
    hub: home.colo.hub,
    colos: [{ ...home, share: 0.6 }, ...few.map(({ colo }) => ({ colo, share: 0.1 }))],
  }
}

/** A limit on requests, as the simulation sets them. */
export function requestLimit(max: number, periodMs: number, durability: LimitSpec['durability']): LimitSpec {
  return {
    name: 'rate',
    kind: 'request-rate',
    max,
    periodMs,
    burst: max,
    calendar: null,
    durability,
    onFailure: 'closed',
    reserve: 'auto',
  }
}
