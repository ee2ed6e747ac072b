import { randomFrom } from '../node/stats.ts'
import type { OpenedReservation } from '../../src/core/limit/messages.ts'
import { OutputQuantile } from '../../src/core/limit/output-quantile.ts'
import { PermitHolder, type Taken } from '../../src/core/limit/permit-holder.ts'
import { reserveSize, sliceTokens } from '../../src/core/limit/reserve-size.ts'
import { keyCounter, type AppliedLimit, type LimitSpec } from '../../src/core/limit/spec.ts'
import { EventQueue } from './event-queue.ts'
import { idealWindow, windowExcess, type Admit } from './judge.ts'
import { LedgerModel } from './leased.ts'
import { exponential } from './world.ts'

/** A key whose clients run models against a rolling window of tokens. */
export interface TokenScenario {
  readonly name: string
  readonly what: string
  readonly windowTokens: number
  /** Tokens asked for in a window, as a multiple of the limit, besides the fan-out. */
  readonly demand: number
  /** So many requests within 2 s, twice. */
  readonly fanOut: number
}

export interface TokenOutcome {
  readonly requests: number
  /** Fullest window beyond the limit, in percent of it, by tokens really used. */
  readonly overshootPercent: number
  /** Tokens used, of those a limiter would have let through that knows each answer before it begins. */
  readonly usePercent: number
  readonly callsPerRequest: number
}

const windowMs = 300_000
const durationMs = 1_200_000
const isolateCount = 12
const roundTripMs = { least: 4, mean: 4 }
/** Every client names this maximum; nine of ten answers stay within about a third of it. */
const outputTokensMax = 2_048
const flushMs = 2_000
const key = 'k'

export const tokenScenarios: readonly TokenScenario[] = [
  {
    name: 's7a',
    what: '1 M tokens in 5 min, asked for twice',
    windowTokens: 1_000_000,
    demand: 2,
    fanOut: 0,
  },
  {
    name: 's7b',
    what: '200 k tokens in 5 min, asked for 4 times',
    windowTokens: 200_000,
    demand: 4,
    fanOut: 0,
  },
  {
    name: 's7c',
    what: '10 M tokens in 5 min, asked for twice',
    windowTokens: 10_000_000,
    demand: 2,
    fanOut: 0,
  },
  {
    name: 's7d',
    what: '200 k tokens in 5 min, asked for twice, and a fan-out of 300 requests in 2 s, two times',
    windowTokens: 200_000,
    demand: 2,
    fanOut: 300,
  },
]

/** A request as the world knows it. */
interface Run {
  readonly id: string
  readonly inputTokens: number
  /** Tokens of its whole answer, of which the client and the gateway know nothing. */
  readonly outputTokens: number
  readonly tokensPerMs: number
}

/** Runs a token scenario once, with one way to reserve. */
export function simulateTokens(
  scenario: TokenScenario,
  reserve: LimitSpec['reserve'],
  seed: number,
): TokenOutcome {
  const random = randomFrom(seed)
  const queue = new EventQueue()
  const applied: readonly AppliedLimit[] = [
    { counter: keyCounter(key, 'tokens'), spec: windowLimit(scenario.windowTokens, reserve), level: 'key' },
  ]
  const ledger = new LedgerModel({ queue }, applied)
  const used: Admit[] = []
  const asked: Admit[] = []
  const isolates = Array.from(
    { length: isolateCount },
    (_, index) => new TokenIsolate(`i${index}`, { queue, ledger, applied, random }),
  )
  const begin = (): void => {
    const run = drawRun(String(asked.length), random)
    asked.push({ atMs: queue.nowMs, cost: run.inputTokens + run.outputTokens })
    isolates[Math.floor(random() * isolateCount)]?.run(run, (atMs, cost) => used.push({ atMs, cost }))
  }
  const meanGapMs = (windowMs * meanTokens) / (scenario.windowTokens * scenario.demand)
  const again = (): void => {
    if (queue.nowMs > durationMs) return
    queue.at(queue.nowMs + exponential(random, meanGapMs), () => {
      begin()
      again()
    })
  }
  again()
  for (const atMs of [durationMs / 3, (durationMs * 2) / 3]) {
    for (let each = 0; each < scenario.fanOut; each += 1) queue.at(atMs + random() * 2_000, begin)
  }
  queue.run(durationMs + 200_000)
  const inOrder = used.toSorted((a, b) => a.atMs - b.atMs)
  const total = used.reduce((sum, { cost }) => sum + cost, 0)
  return {
    requests: asked.length,
    overshootPercent: (100 * windowExcess(inOrder, windowMs, scenario.windowTokens)) / scenario.windowTokens,
    usePercent: (100 * total) / idealWindow(asked, windowMs, scenario.windowTokens),
    callsPerRequest: ledger.calls / asked.length,
  }
}

interface TokenWorld {
  readonly queue: EventQueue
  readonly ledger: LedgerModel
  readonly applied: readonly AppliedLimit[]
  readonly random: () => number
}

type Note = (atMs: number, cost: number) => void

/** An isolate that runs streams: reserves before, asks for more where it takes slices, settles after. */
class TokenIsolate {
  readonly #world: TokenWorld
  readonly #holder: PermitHolder
  readonly #outputs = new OutputQuantile()
  readonly #waiting = new Map<string, (taken: boolean) => void>()
  #flushDue = false

  constructor(name: string, world: TokenWorld) {
    this.#world = world
    this.#holder = new PermitHolder(name)
  }

  run(run: Run, note: Note): void {
    const { applied, queue } = this.#world
    const [limit] = applied
    if (limit === undefined) return
    const { spec } = limit
    const [standing] = this.#holder.standing(applied, queue.nowMs)
    const known = standing !== undefined && standing.resetMs > 0
    const size = reserveSize(
      {
        inputTokens: run.inputTokens,
        outputTokensMax,
        choices: 1,
        outputTokensLikely: this.#outputs.estimate(key, null),
        price: null,
        stream: true,
        bodyRead: true,
      },
      spec,
      known ? 1 - standing.remaining / spec.max : 0,
    )
    if (size.kind !== 'size') return
    const beganMs = queue.nowMs
    const opened = this.#opened(run, size.cost, beganMs)
    this.#take(run.id, size.cost, opened, (taken) => {
      if (!taken) return
      if (spec.reserve === 'slices') this.#slice(run, opened, { note, covered: size.outputTokens })
      else
        queue.at(queue.nowMs + run.outputTokens / run.tokensPerMs, () =>
          this.#end(run, opened, run.outputTokens),
        )
      note(
        queue.nowMs,
        run.inputTokens +
          (spec.reserve === 'slices' ? Math.min(run.outputTokens, size.outputTokens) : run.outputTokens),
      )
    })
  }

  /** Runs on until half a slice is left, then takes another one; ends where there is none. */
  #slice(run: Run, opened: OpenedReservation, { note, covered }: { note: Note; covered: number }): void {
    const { queue } = this.#world
    if (run.outputTokens <= covered) {
      queue.at(queue.nowMs + run.outputTokens / run.tokensPerMs, () =>
        this.#end(run, opened, run.outputTokens),
      )
      return
    }
    queue.at(queue.nowMs + sliceTokens / 2 / run.tokensPerMs, () => {
      const takes = opened.takes.map(({ counter, cost }) => ({ counter, cost: cost + sliceTokens }))
      const more = { ...opened, takes }
      this.#take(`${run.id}.${covered}`, sliceTokens, more, (taken) => {
        if (!taken) {
          this.#end(run, opened, covered)
          return
        }
        note(queue.nowMs, Math.min(sliceTokens, run.outputTokens - covered))
        this.#slice(run, more, { note, covered: covered + sliceTokens })
      })
    })
  }

  #take(id: string, cost: number, opened: OpenedReservation, decided: (taken: boolean) => void): void {
    const { applied, queue } = this.#world
    const taken = this.#holder.take(applied, [cost], queue.nowMs)
    if (taken.kind === 'taken') this.#holder.open(opened, queue.nowMs)
    if (taken.kind === 'ask') {
      this.#waiting.set(id, decided)
      this.#holder.ask({ id, applied, costs: [cost], key: null, reservation: opened }, queue.nowMs)
    } else decided(isTaken(taken))
    if (this.#holder.waiting > 0 || this.#holder.refillDue(queue.nowMs)) this.#send()
    else this.#flushLater()
  }

  #end(run: Run, opened: OpenedReservation, outputTokens: number): void {
    const { queue } = this.#world
    const cost = run.inputTokens + outputTokens
    const costs = opened.takes.map(({ counter }) => ({ counter, cost }))
    const { inputTokens } = run
    this.#holder.settle(
      { ...opened, costs, inputTokens, outputTokens, source: 'measured', endedMs: queue.nowMs },
      queue.nowMs,
    )
    this.#outputs.learn(key, null, outputTokens)
    this.#flushLater()
  }

  /** What is to be told travels at most every 2 s. */
  #flushLater(): void {
    if (this.#flushDue) return
    this.#flushDue = true
    const { queue } = this.#world
    queue.at(queue.nowMs + flushMs, () => {
      this.#flushDue = false
      this.#send()
    })
  }

  #send(): void {
    const { queue, ledger, random } = this.#world
    if (this.#holder.underWay) return
    const halfMs = (roundTripMs.least + exponential(random, roundTripMs.mean)) / 2
    const request = this.#holder.message(queue.nowMs, { sequence: null, keys: [] })
    queue.at(queue.nowMs + halfMs, () =>
      ledger.call(request, (reply) =>
        queue.at(queue.nowMs + halfMs, () => {
          for (const { id, outcome } of this.#holder.apply(reply, queue.nowMs)) {
            if (outcome.kind === 'ask') continue
            const decided = this.#waiting.get(id)
            this.#waiting.delete(id)
            decided?.(isTaken(outcome))
          }
          if (this.#holder.waiting > 0) this.#send()
        }),
      ),
    )
  }

  #opened(run: Run, cost: number, nowMs: number): OpenedReservation {
    const { inputTokens, outputTokens } = run
    const takes = this.#world.applied.map(({ counter }) => ({ counter, cost }))
    const said = { inputTokens, outputTokens, microUsd: null, route: 'r', model: null }
    return { id: run.id, takes, deadlineMs: nowMs + 600_000, key, ...said }
  }
}

const inputTokensMax = 2_000
const outputTokensMedian = 350
const outputSpread = 0.8
/** Of a request: half of the largest input, and the mean of the log-normal output. */
const meanTokens = inputTokensMax / 2 + outputTokensMedian * Math.exp(outputSpread ** 2 / 2)

function drawRun(id: string, random: () => number): Run {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const drawn = Math.round(outputTokensMedian * Math.exp(outputSpread * normal))
  return {
    id,
    inputTokens: 1 + Math.floor(random() * inputTokensMax),
    outputTokens: Math.min(outputTokensMax, Math.max(1, drawn)),
    tokensPerMs: 0.025 + random() * 0.075,
  }
}

function windowLimit(max: number, reserve: LimitSpec['reserve']): LimitSpec {
  return {
    name: 'tokens',
    kind: 'token-window',
    max,
    periodMs: windowMs,
    burst: null,
    calendar: null,
    durability: 'strict',
    onFailure: 'closed',
    reserve,
  }
}

function isTaken({ kind }: Taken): boolean {
  return kind === 'taken'
}
