import type { Choice, Upstream } from '../../src/core/config/types.ts'
import { healthReport, onward, type CameBack } from '../../src/core/upstream/came-back.ts'
import { HeldCall } from '../../src/core/upstream/held-call.ts'
import type { Member } from '../../src/core/upstream/member.ts'
import { Pool } from '../../src/core/upstream/pool.ts'
import type { Slot } from '../../src/core/upstream/slots.ts'
import { hashText } from '../../src/core/upstream/sticky.ts'
import { randomFrom } from '../../bench/node/stats.ts'
import { targetWith, upstreamWith } from './routes.ts'

/** One target of three is bad; which way of choosing is looked at; beside it, taking turns without health or retries. */
export interface Simulation {
  readonly choose: Choice | 'round-robin'
  readonly requests: number
  readonly seed: number
  /** `stalls`: not one target, but one call in a hundred anywhere takes fifty times as long. */
  readonly bad: 'slow' | 'failing' | 'stalls' | 'none'
  readonly hedges: boolean
}

export interface Outcome {
  readonly p99Ms: number
  readonly meanMs: number
  readonly attempts: number
  readonly errors: number
  /** Keys that have been to more than one target. */
  readonly movedKeys: number
  /** Of the first attempts, by target. */
  readonly shares: readonly number[]
}

const apartMs = 5
const keys = 200
const goodMs = 40
const slowFactor = 10
const stallFactor = 50
const places = { max: 100_000, until: 'headers', queueMax: 0, queueMs: 1 } as const
const idempotent = { replayable: true, harmless: true, llm: false, ownCredential: false }

interface Event {
  readonly atMs: number
  readonly run: (nowMs: number) => void
}

/**
 * Simulates requests that come 5 ms apart, with Zipf-distributed keys, over the project's own pool, budget, breaker and
 * hedging; only the network is made up. The same seed has the same outcome.
 */
export function simulate(simulation: Simulation): Outcome {
  return new World(simulation).run()
}

class World {
  readonly #simulation: Simulation
  readonly #pool: Pool
  readonly #draw: () => number
  readonly #events: Event[] = []
  readonly #tookMs: number[] = []
  readonly #targetsOfKey = new Map<number, Set<Member>>()
  #firsts: number[] = [0, 0, 0]
  #attempts = 0
  #errors = 0
  #turn = 0

  constructor(simulation: Simulation) {
    this.#simulation = simulation
    this.#draw = randomFrom(simulation.seed)
    const targets = [0, 1, 2].map((at) => targetWith({ id: `up/${at}` }))
    const choose = simulation.choose === 'round-robin' ? 'ordered' : simulation.choose
    const changes: Partial<Upstream> = { choose, concurrency: places }
    this.#pool = new Pool(upstreamWith(targets, changes), 0)
  }

  run(): Outcome {
    const { requests } = this.#simulation
    for (let at = 0; at < requests; at += 1) {
      const nowMs = at * apartMs
      this.#until(nowMs)
      this.#request(nowMs)
    }
    this.#until(Infinity)
    const sorted = this.#tookMs.toSorted((a, b) => a - b)
    const firsts = this.#firsts.reduce((sum, each) => sum + each, 0)
    return {
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      meanMs: sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length,
      attempts: this.#attempts,
      errors: this.#errors,
      movedKeys: [...this.#targetsOfKey.values()].filter(({ size }) => size > 1).length,
      shares: this.#firsts.map((each) => each / firsts),
    }
  }

  #until(nowMs: number): void {
    for (;;) {
      const next = this.#events[0]
      if (next === undefined || next.atMs > nowMs) return
      this.#events.shift()
      next.run(next.atMs)
    }
  }

  #at(atMs: number, run: (nowMs: number) => void): void {
    let at = this.#events.length
    while (at > 0 && (this.#events[at - 1]?.atMs ?? 0) > atMs) at -= 1
    this.#events.splice(at, 0, { atMs, run })
  }

  /** Zipf: the k-th key has a k-th of the traffic of the first. */
  #key(): number {
    return Math.floor(keys ** this.#draw())
  }

  #request(startMs: number): void {
    const key = this.#key()
    this.#pool.budget.noteRequest()
    const wish = { stickTo: hashText(String(key)), fraction: this.#draw }
    if (this.#simulation.choose === 'round-robin') return this.#takeTurn(startMs)
    const chosen = this.#pool.first(wish, startMs)
    if (chosen.kind === 'none') return this.#answer(startMs, startMs, false)
    const { member } = chosen
    const known = this.#targetsOfKey.get(key) ?? new Set()
    this.#targetsOfKey.set(key, known.add(member))
    const at = this.#pool.members.indexOf(member)
    this.#firsts[at] = (this.#firsts[at] ?? 0) + 1
    const tried = new Set<Member>()
    let isDone = false
    const attempt = (to: Member, nowMs: number, isHedge: boolean): void => {
      tried.add(to)
      this.#call(to, nowMs, (came, endMs) => {
        if (isDone) return
        const where = onward(came, idempotent)
        const next = isHedge ? null : this.#pool.next(wish, tried, where, endMs)
        if (where !== 'nowhere' && next !== null && tried.size < 3 && this.#pool.budget.take(endMs)) {
          return attempt(next.member, endMs, false)
        }
        isDone = true
        this.#answer(startMs, endMs, where === 'nowhere')
      })
    }
    attempt(member, startMs, false)
    const delayMs = this.#simulation.hedges ? member.times.quantileMs(0.95) : null
    if (delayMs === null) return
    this.#at(startMs + delayMs, (nowMs) => {
      const next = isDone ? null : this.#pool.next(wish, tried, 'elsewhere', nowMs)
      if (next !== null && this.#pool.budget.takeHedge(nowMs)) attempt(next.member, nowMs, true)
    })
  }

  #takeTurn(startMs: number): void {
    this.#turn = (this.#turn + 1) % 3
    const member = this.#pool.members[this.#turn]
    if (member === undefined) return
    this.#call(member, startMs, (came, endMs) =>
      this.#answer(startMs, endMs, onward(came, idempotent) === 'nowhere'),
    )
  }

  #call(member: Member, nowMs: number, done: (came: CameBack, endMs: number) => void): void {
    this.#attempts += 1
    if (member.health.condition(nowMs) === 'probe') member.health.beginProbe(nowMs)
    const slot = member.slots.take(nowMs, Infinity) ?? noSlot
    const held = new HeldCall(member, slot, false)
    const isBad = member === this.#pool.members[0]
    const { bad } = this.#simulation
    const spread = -Math.log(1 - this.#draw())
    const isStalled = bad === 'stalls' && this.#draw() < 0.01
    const factor = isStalled ? stallFactor : isBad && bad === 'slow' ? slowFactor : 1
    const tookMs = goodMs * (0.5 + spread / 2) * factor
    const status = isBad && bad === 'failing' ? 500 : 200
    this.#at(nowMs + tookMs, (endMs) => {
      const came: CameBack = { kind: 'answer', status }
      held.headers(healthReport(came), tookMs, endMs)
      held.end('complete', endMs)
      done(came, endMs)
    })
  }

  #answer(startMs: number, endMs: number, isGood: boolean): void {
    this.#tookMs.push(endMs - startMs)
    if (!isGood) this.#errors += 1
  }
}

const noSlot: Slot = { release: () => {} }

/** Attempts at an origin that declines everything, with idempotent requests that may be sent three times each. */
export function outageRatio(
  perSecond: number,
  seconds: number,
): { readonly attempts: number; readonly requests: number; readonly minimum: number } {
  const pool = new Pool(upstreamWith([targetWith()]), 0)
  const wish = { stickTo: null, fraction: () => 0.5 }
  const requests = perSecond * seconds
  let attempts = 0
  for (let at = 0; at < requests; at += 1) {
    const nowMs = (at * 1_000) / perSecond
    pool.budget.noteRequest()
    const tried = new Set(pool.members)
    for (let each = 0; each <= pool.upstream.retries.max; each += 1) {
      attempts += 1
      pool.members[0]?.health.report('failed', nowMs)
      const next = pool.next(wish, tried, onward({ kind: 'answer', status: 503 }, idempotent), nowMs)
      if (next === null || !pool.budget.take(nowMs)) break
    }
  }
  return { attempts, requests, minimum: seconds * pool.upstream.retries.minPerSecond + 10 }
}
