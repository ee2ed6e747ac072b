import type { ModelPrice } from '../llm/cost.ts'
import type { LimitSpec } from './spec.ts'

/** Output tokens reserved for one answer where `max` is asked for and the client names no maximum. */
const outputTokensUnnamed = 4096
/** Output tokens of the first slice of one answer, and of each further one. */
export const sliceTokens = 256
/** Share of a window or budget in use above which `auto` reserves what the client allows, not what is likely. */
const nearlyUsedUp = 0.8
const picoPerMicro = 1_000_000n
const countMax = Number.MAX_SAFE_INTEGER

/** What is known of a request before it runs. Counts that make no sense are taken for the least that does. */
export interface ReserveWant {
  readonly inputTokens: number
  /** For one answer; 0 where no model puts out text. Null when the client says nothing that makes sense. */
  readonly outputTokensMax: number | null
  readonly choices: number
  /** Output tokens that nine of ten answers stay within. */
  readonly outputTokensLikely: number
  /** Null for a model without a price; money can then not be reserved. */
  readonly price: ModelPrice | null
  /** Whether the answer is a stream, which can be ended when a slice is used up. */
  readonly stream: boolean
  /** Whether it is known what the client asks for; else its output, and the number of answers, may be anything. */
  readonly bodyRead: boolean
}

/** Permits to take from a limit, or that they can never be had. */
export type ReserveSize =
  | {
      readonly kind: 'size'
      /** Tokens, or micro-dollars; a whole number of at least 1, and at most what the limit grants at once. */
      readonly cost: number
      /** Output tokens that the cost covers, of all answers. */
      readonly outputTokens: number
    }
  | { readonly kind: 'too-large'; readonly asked: number; readonly max: number }
  | { readonly kind: 'unpriced' }

type Mode = 'p90' | 'max' | 'slices'

/** Output to reserve, of all answers, and whether it is so much because the client named it. */
interface Output {
  readonly tokens: number
  readonly named: boolean
}

/**
 * What a request reserves of a limit on tokens or money: its input, and of its output what the limit's `reserve` says.
 * Nothing that the client leaves unsaid makes it reserve more than the limit itself; where nobody knows what it says,
 * an explicit `max` reserves the whole limit, so that nothing is gained by hiding it. It is told that it can never run
 * when its input alone does not fit, or its input with the output maximum that it names and that is reserved.
 *
 * @param usedShare how much of the limit is in use, 0 to 1
 */
export function reserveSize(want: ReserveWant, spec: LimitSpec, usedShare: number): ReserveSize {
  const { price } = want
  const money = spec.kind === 'money-budget'
  if (money && price === null) return { kind: 'unpriced' }
  const capacity = spec.burst ?? spec.max
  const output = outputOf(want, modeOf(spec, usedShare, want.stream))
  const inputTokens = count(want.inputTokens, 0)
  const costOf = (outputTokens: number): number =>
    money && price !== null
      ? microUsd(inputTokens, outputTokens, price)
      : Math.min(countMax, inputTokens + outputTokens)
  const least = Math.max(1, costOf(output.named ? output.tokens : 0))
  if (least > capacity) return { kind: 'too-large', asked: least, max: capacity }
  const whole = Math.max(1, costOf(output.tokens))
  const isOpen = spec.reserve === 'max' && !want.bodyRead
  if (whole <= capacity && !isOpen) return { kind: 'size', cost: whole, outputTokens: output.tokens }
  const covered = money && price !== null ? affordable(capacity, inputTokens, price) : capacity - inputTokens
  return { kind: 'size', cost: capacity, outputTokens: covered }
}

function modeOf(spec: LimitSpec, usedShare: number, stream: boolean): Mode {
  if (spec.reserve === 'slices') return stream ? 'slices' : 'max'
  if (spec.reserve !== 'auto') return spec.reserve
  return spec.kind !== 'token-rate' && usedShare > nearlyUsedUp ? 'max' : 'p90'
}

function outputOf({ outputTokensMax, outputTokensLikely, choices }: ReserveWant, mode: Mode): Output {
  const likely = count(outputTokensLikely, 1)
  const answers = count(choices, 1)
  const unnamed = { p90: likely, max: Math.max(outputTokensUnnamed, likely), slices: sliceTokens }[mode]
  const named = outputTokensMax !== null && outputTokensMax >= 0 ? count(outputTokensMax, 0) : null
  const decides = named !== null && (mode === 'max' || named <= unnamed)
  return { tokens: Math.min(countMax, (decides ? named : unnamed) * answers), named: decides }
}

/** Rounded up once, in integers: beyond 2⁵³ sums of numbers are no longer exact. */
function microUsd(inputTokens: number, outputTokens: number, price: ModelPrice): number {
  const pico = inputPico(inputTokens, price) + BigInt(outputTokens) * BigInt(price.output)
  return Math.min(countMax, Number((pico + picoPerMicro - 1n) / picoPerMicro))
}

/** Output tokens that so much money pays beside the input. */
function affordable(money: number, inputTokens: number, price: ModelPrice): number {
  const left = BigInt(money) * picoPerMicro - inputPico(inputTokens, price)
  return price.output === 0 ? countMax : Math.min(countMax, Number(left / BigInt(price.output)))
}

/** Nobody knows yet what of the input is read from a cache, or written to one. */
function inputPico(inputTokens: number, { input, cachedInput, cacheWrite }: ModelPrice): bigint {
  return BigInt(inputTokens) * BigInt(Math.max(input, cachedInput ?? 0, cacheWrite ?? 0))
}

/** A whole number, at least and at most what makes sense. */
function count(value: number, least: number): number {
  return value > least ? Math.min(countMax, Math.ceil(value)) : least
}
