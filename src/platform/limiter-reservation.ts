import type { Take, OpenedReservation, SettledReservation } from '../core/limit/messages.ts'
import { reserveSize, type ReserveSize, type ReserveWant } from '../core/limit/reserve-size.ts'
import type { AppliedLimit } from '../core/limit/spec.ts'
import type { LimitStanding } from '../core/limit/standing.ts'
import { isOnSlots } from '../core/limit/applied-limits.ts'
import type { Refusal } from '../core/refusal.ts'
import type { Settled, TokenWant } from '../ports.ts'

/** What a request is to take from its limits before it runs. */
export interface Sizes {
  readonly applied: readonly AppliedLimit[]
  /** One for each of `applied`. */
  readonly costs: readonly number[]
  /** Output tokens that are covered, of all answers: by what is taken of any limit, and of limits taken in slices. */
  readonly outputTokens: number
  readonly slicedTokens: number | null
}

/** Whose reservation it is. */
export interface Owner {
  readonly id: string
  readonly key: string
  readonly route: string
}

/** @returns refusals `limit_too_small`, `model_not_priced` */
export function sizesOf(
  want: TokenWant,
  outputTokensLikely: number,
  limits: readonly AppliedLimit[],
  standingOf: (limit: AppliedLimit) => LimitStanding | undefined,
): Sizes | Refusal {
  const applied = limits.filter((limit) => !isOnSlots(limit) || want.stream)
  const costs: number[] = []
  let outputTokens = 0
  let slicedTokens: number | null = null
  for (const limit of applied) {
    const size = isOnSlots(limit) ? oneSlot : sizeOf({ ...want, outputTokensLikely }, limit, standingOf)
    if (size.kind === 'unpriced') return { refused: 'model_not_priced', model: want.model }
    if (size.kind === 'too-large') {
      const { asked, max } = size
      return { refused: 'limit_too_small', violated: [limit.spec.name], asked, max }
    }
    costs.push(size.cost)
    outputTokens = Math.max(outputTokens, size.outputTokens)
    if (isSliced(limit, want)) slicedTokens = Math.min(slicedTokens ?? Infinity, size.outputTokens)
  }
  return { applied, costs, outputTokens, slicedTokens }
}

/** Whether output is taken from a limit as it comes. */
export function isSliced(limit: AppliedLimit, { stream }: Pick<TokenWant, 'stream'>): boolean {
  return stream && !isOnSlots(limit) && limit.spec.reserve === 'slices'
}

/** What so many output tokens cost of a limit on tokens or money. */
export function outputCost({ spec }: AppliedLimit, tokens: number, { price }: TokenWant): number {
  if (spec.kind !== 'money-budget') return tokens
  return Math.ceil((tokens * (price?.output ?? 0)) / picoPerMicro)
}

/** What the Ledger is told of a reservation. */
export function openedOf(
  owner: Owner,
  want: TokenWant,
  sizes: Omit<Sizes, 'slicedTokens'>,
): OpenedReservation {
  const { model, inputTokens, price, deadlineMs } = want
  const { applied, costs, outputTokens } = sizes
  const pico = price === null ? null : inputTokens * price.input + outputTokens * price.output
  return {
    ...owner,
    takes: takesOf(applied, costs),
    deadlineMs,
    model,
    inputTokens,
    outputTokens,
    microUsd: pico === null ? null : Math.ceil(pico / picoPerMicro),
  }
}

/** The reservation with what else was taken for it. */
export function extended(
  before: OpenedReservation,
  more: readonly Take[],
  outputTokens: number,
): OpenedReservation {
  const takes = before.takes.map(({ counter, cost }) => ({
    counter,
    cost: more.reduce((sum, take) => (take.counter === counter ? sum + take.cost : sum), cost),
  }))
  return { ...before, takes, outputTokens: before.outputTokens + outputTokens }
}

/** Tokens and money; slots are freed and not settled. */
export function takesOf(applied: readonly AppliedLimit[], costs: readonly number[]): readonly Take[] {
  return applied.flatMap((limit, at) =>
    isOnSlots(limit) ? [] : { counter: limit.counter, cost: costs[at] ?? 0 },
  )
}

/**
 * What the Ledger is told of an exchange that has ended.
 * @param settled null when nothing was delivered
 * @param limits of the request, to tell money from tokens
 */
export function settledOf(
  opened: OpenedReservation,
  settled: Settled | null,
  limits: readonly AppliedLimit[],
  endedMs: number,
): SettledReservation {
  const spent = settled === null ? nothing : spentOf(settled)
  const { tokens, ...said } = spent
  const money = new Set(
    limits.filter(({ spec }) => spec.kind === 'money-budget').map(({ counter }) => counter),
  )
  const costs = opened.takes.map(({ counter, cost }) => ({
    counter,
    // Nobody can say what a model without a price has cost: it stays charged as it was reserved.
    cost: money.has(counter) ? (spent.microUsd ?? cost) : tokens,
  }))
  return { ...opened, ...said, model: settled?.usage?.model ?? opened.model, costs, endedMs }
}

const picoPerMicro = 1_000_000
const nothing = { tokens: 0, inputTokens: 0, outputTokens: 0, microUsd: 0, source: 'measured' } as const
const oneSlot: ReserveSize = { kind: 'size', cost: 1, outputTokens: 0 }

function spentOf({ usage, costMicroUsd }: Settled) {
  if (usage === null) return nothing
  const { inputTokens, outputTokens, source } = usage
  return { tokens: inputTokens + outputTokens, inputTokens, outputTokens, microUsd: costMicroUsd, source }
}

function sizeOf(
  want: ReserveWant,
  limit: AppliedLimit,
  standingOf: (limit: AppliedLimit) => LimitStanding | undefined,
): ReserveSize {
  return reserveSize(want, limit.spec, usedShare(standingOf(limit)))
}

/** A limit that nothing has been heard of yet has no time in which it comes back. */
function usedShare(standing: LimitStanding | undefined): number {
  if (standing === undefined || (standing.remaining === 0 && standing.resetMs === 0)) return 0
  return 1 - standing.remaining / (standing.spec.burst ?? standing.spec.max)
}
