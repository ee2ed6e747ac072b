import {
  accountCounter,
  keyCounter,
  routeCounter,
  type AppliedLimit,
  type LimitSpec,
} from '../../src/core/limit/spec.ts'
import type { Random } from './limits-random.ts'

/** What is put to the test: one limit of a kind, or three levels of them at once. */
export const planKinds = ['bucket', 'ring', 'calendar', 'hierarchy'] as const
export type PlanKind = (typeof planKinds)[number]

/** What happens to the Ledger: nothing, sleep after 10 s of silence, or ends that nothing announces. */
type Restarts = 'none' | 'sleep' | 'crash'

/** Who may ask for what. */
export interface Asker {
  readonly applied: readonly AppliedLimit[]
  readonly costMax: number
}

/** How badly the network and the machines behave. Probabilities, and milliseconds. */
export interface Faults {
  readonly lostRequests: number
  readonly lostReplies: number
  readonly repeats: number
  readonly delayMs: number
  readonly spikes: number
  readonly deathEveryMs: number
  readonly crashEveryMs: number
  readonly overlaps: number
  /** Requests that give up while they wait. */
  readonly cancels: number
  /** The Ledger does not answer from time to time, for as long. */
  readonly outageEveryMs: number
  readonly outageMs: number
}

/** A schedule, but for the seed. */
export interface Plan {
  readonly kind: PlanKind
  readonly restarts: Restarts
  readonly startMs: number
  readonly lastsMs: number
  readonly isolates: number
  readonly askers: readonly Asker[]
  /** How often a request is made in each phase, and how long the phase lasts. */
  readonly phases: readonly { readonly everyMs: number; readonly lastsMs: number }[]
  /** Whether requests come evenly spaced, from one isolate after the other. */
  readonly even: boolean
  readonly reserves: boolean
  readonly timeoutMs: number
  readonly faults: Faults
}

/** What a schedule is of. */
export interface PlanOptions {
  readonly kind: PlanKind
  readonly durability: LimitSpec['durability']
  readonly restarts: Restarts
  readonly onFailure?: LimitSpec['onFailure']
  /** Whether requests reserve what they may use, and settle what they used. */
  readonly reserves?: boolean
}

const dayStartMs = Date.UTC(2026, 2, 1)

export function planOf(random: Random, options: PlanOptions): Plan {
  const { kind, restarts } = options
  const askers = kind === 'hierarchy' ? hierarchy(random, options) : [single(random, options)]
  const windowMs = Math.max(...askers.flatMap(({ applied }) => applied.map(({ spec }) => spec.periodMs ?? 0)))
  const phases = Array.from({ length: random.whole(2, 6) }, () => phaseOf(random, windowMs))
  const lastsMs = phases.reduce((sum, phase) => sum + phase.lastsMs, 0)
  return {
    kind,
    restarts,
    startMs:
      dayStartMs + (kind === 'calendar' ? -random.between(0.1, 0.9) * lastsMs : random.between(0, 1e7)),
    lastsMs,
    isolates: random.pick([1, 1, 2, 3, 5, 8, 12]),
    askers,
    phases,
    even: false,
    reserves: options.reserves ?? false,
    timeoutMs: random.pick([250, 600, 1000, 2500]),
    faults: faultsOf(random, restarts, lastsMs),
  }
}

/** Idle, a trickle, a load, an overload or a flood. Idle times are about as long as the longest window. */
function phaseOf(random: Random, windowMs: number): { everyMs: number; lastsMs: number } {
  if (random.chance(0.25))
    return { everyMs: Infinity, lastsMs: random.between(0.3, 1.1) * Math.max(windowMs, 10_000) }
  const [everyMs, lastsMs] = random.pick([
    [2500, 12_000],
    [400, 8000],
    [100, 6000],
    [25, 2500],
    [4, 400],
  ] as const)
  return { everyMs, lastsMs: lastsMs * random.between(0.5, 1.5) }
}

function faultsOf(random: Random, restarts: Restarts, lastsMs: number): Faults {
  const bad = random.chance(0.8)
  return {
    outageEveryMs: Infinity,
    outageMs: 0,
    lostRequests: bad ? 0.05 : 0,
    lostReplies: bad ? 0.05 : 0,
    repeats: bad ? 0.05 : 0,
    delayMs: random.pick([1, 10, 40, 120, 300]),
    spikes: bad ? 0.05 : 0,
    deathEveryMs: bad && random.chance(0.5) ? random.between(2000, 20_000) : Infinity,
    crashEveryMs: restarts === 'crash' ? random.between(0.1, 1) * lastsMs : Infinity,
    overlaps: bad ? 0.1 : 0,
    cancels: bad ? 0.05 : 0,
  }
}

function single(random: Random, options: PlanOptions): Asker {
  const limit = limitOf(random, options.kind === 'hierarchy' ? 'bucket' : options.kind, options)
  const costMax = random.pick([1, 1, 3, 5])
  const spec = { ...limit, ...(limit.burst === null ? {} : { burst: Math.max(limit.burst, costMax) }) }
  return { applied: [{ counter: keyCounter('k', 'limit'), spec, level: 'key' }], costMax }
}

/** Two keys of an account on one route: each level has a limit of its own kind. */
function hierarchy(random: Random, options: PlanOptions): readonly Asker[] {
  const account: AppliedLimit = {
    counter: accountCounter('limit'),
    spec: limitOf(random, random.pick(['bucket', 'ring', 'calendar']), options),
    level: 'account',
  }
  const ofRoute = limitOf(random, random.pick(['bucket', 'ring']), options)
  return ['a', 'b'].map((key) => ({
    applied: [
      {
        counter: keyCounter(key, 'limit'),
        spec: limitOf(random, random.pick(['bucket', 'ring']), options),
        level: 'key',
      },
      account,
      { counter: routeCounter('r', random.chance(0.5) ? key : null, 'limit'), spec: ofRoute, level: 'route' },
    ],
    costMax: 1,
  }))
}

function limitOf(random: Random, kind: PlanKind, options: PlanOptions): LimitSpec {
  const { durability, onFailure, reserves } = options
  const common = { name: 'limit', durability, onFailure: onFailure ?? 'closed', reserve: 'auto' } as const
  if (kind === 'calendar') {
    const max = random.pick([5, 20, 80, 300])
    return {
      ...common,
      kind: 'token-budget',
      max,
      periodMs: null,
      burst: null,
      calendar: random.pick(['day', 'month']),
    }
  }
  if (kind === 'ring') {
    const max = random.pick([1, 5, 20, 80, 300])
    const periodMs = Math.round(
      random.pick([1000, 5000, 20_000, 120_000, 600_000]) * random.between(0.5, 1.5),
    )
    return {
      ...common,
      kind: reserves ? 'token-window' : 'request-window',
      max,
      periodMs,
      burst: null,
      calendar: null,
    }
  }
  const burst = random.pick([1, 2, 4, 10, 30, 100])
  const max = random.whole(1, 12)
  return {
    ...common,
    kind: reserves ? 'token-rate' : 'request-rate',
    max,
    periodMs: random.pick([1000, 1000, 5000]),
    burst,
    calendar: null,
  }
}
