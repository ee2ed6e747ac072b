import { isJsonObject, type JsonObject } from '../json.ts'
import type { TokenCounts } from './usage.ts'

/** More than any model takes or gives; a greater number is a mistake and counts as absent. */
const tokensMax = 1_000_000_000

/** The numbers of one usage object, before totals are worked out; null where it has none that can be used. */
export interface RawCounts {
  readonly input: number | null
  readonly cached: number | null
  readonly cacheWrite: number | null
  readonly output: number | null
  readonly reasoning: number | null
  readonly total: number | null
  /** Anthropic: `input` leaves out what was read from and written to the cache. */
  readonly cacheApart: boolean
}

/**
 * Reads a `usage` object of OpenAI (chat, completions, embeddings, Responses), Anthropic or a provider compatible with
 * either: DeepSeek's `prompt_cache_hit_tokens`, Moonshot's `cached_tokens`. What is not a whole number from 0 to 1e9 is
 * absent.
 *
 * @returns null when the object holds no count at all
 */
export function rawCounts(usage: unknown): RawCounts | null {
  if (!isJsonObject(usage)) return null
  const ofInput = detailsOf(usage, 'prompt_tokens_details', 'input_tokens_details')
  const ofOutput = detailsOf(usage, 'completion_tokens_details', 'output_tokens_details')
  const prompt = firstCount(usage, 'prompt_tokens')
  const apart = firstCount(usage, 'cache_read_input_tokens', 'cache_creation_input_tokens')
  const counts: RawCounts = {
    input: prompt ?? firstCount(usage, 'input_tokens'),
    cached:
      firstCount(ofInput, 'cached_tokens') ??
      firstCount(usage, 'cache_read_input_tokens', 'prompt_cache_hit_tokens', 'cached_tokens'),
    cacheWrite: firstCount(ofInput, 'cache_write_tokens') ?? firstCount(usage, 'cache_creation_input_tokens'),
    output: firstCount(usage, 'completion_tokens', 'output_tokens'),
    reasoning: firstCount(ofOutput, 'reasoning_tokens', 'thinking_tokens'),
    total: firstCount(usage, 'total_tokens'),
    cacheApart: prompt === null && apart !== null,
  }
  return counts.input === null && counts.output === null && counts.total === null ? null : counts
}

/** Puts a later report of the same message over an earlier one: what it names replaces, what it leaves out stays. */
export function overwrite(earlier: RawCounts | null, later: RawCounts): RawCounts {
  if (earlier === null) return later
  return {
    input: later.input ?? earlier.input,
    cached: later.cached ?? earlier.cached,
    cacheWrite: later.cacheWrite ?? earlier.cacheWrite,
    output: later.output ?? earlier.output,
    reasoning: later.reasoning ?? earlier.reasoning,
    total: later.total ?? earlier.total,
    cacheApart: later.cacheApart || earlier.cacheApart,
  }
}

/**
 * The totals. Where only one of two totals is given beside `total_tokens` (embeddings), the other is the rest. Parts
 * never exceed what they are part of. xAI counts reasoning beside the completion: it is added where the sum shows that.
 */
export function totalsOf(raw: RawCounts): TokenCounts {
  const inputTokens = inputOf(raw)
  const outputTokens = outputOf(raw)
  const cached = atMost(raw.cached, inputTokens)
  return {
    inputTokens,
    cachedInputTokens: cached,
    cacheWriteTokens: atMost(raw.cacheWrite, inputTokens === null ? null : inputTokens - (cached ?? 0)),
    outputTokens,
    reasoningTokens: atMost(raw.reasoning, outputTokens),
  }
}

function inputOf({ input, output, total, cached, cacheWrite, cacheApart }: RawCounts): number | null {
  if (input === null) return total === null || output === null ? null : Math.max(0, total - output)
  return cacheApart ? input + (cached ?? 0) + (cacheWrite ?? 0) : input
}

function outputOf({ input, output, reasoning, total }: RawCounts): number | null {
  if (output === null) return total === null || input === null ? null : Math.max(0, total - input)
  const isBeside = reasoning !== null && total === (input ?? 0) + output + reasoning
  return isBeside ? output + reasoning : output
}

function atMost(part: number | null, whole: number | null): number | null {
  return part === null || whole === null ? part : Math.min(part, whole)
}

function detailsOf(usage: JsonObject, ...names: readonly string[]): JsonObject {
  return names.map((name) => usage[name]).find(isJsonObject) ?? {}
}

function firstCount(object: JsonObject, ...names: readonly string[]): number | null {
  for (const name of names) {
    const value = object[name]
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= tokensMax)
      return Math.abs(value)
  }
  return null
}
