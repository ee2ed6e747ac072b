/** Tokens of one LLM exchange, as they are charged. Null: nobody said; zero: somebody said zero. */
export interface Usage {
  /** All input, with what was read from a provider's prompt cache and what was written to it. */
  readonly inputTokens: number
  /** Part of `inputTokens`. */
  readonly cachedInputTokens: number | null
  /** Part of `inputTokens`. */
  readonly cacheWriteTokens: number | null
  readonly outputTokens: number
  /** Part of `outputTokens`. */
  readonly reasoningTokens: number | null
  /** `measured`: the upstream said so; `estimated`: the gateway worked out at least one of the two totals. */
  readonly source: 'measured' | 'estimated'
  /** As the upstream named it. */
  readonly model: string | null
}

/** What an upstream said of its tokens, put on one scale: totals with their parts. Null where it said nothing. */
export interface TokenCounts {
  readonly inputTokens: number | null
  readonly cachedInputTokens: number | null
  readonly cacheWriteTokens: number | null
  readonly outputTokens: number | null
  readonly reasoningTokens: number | null
}

/** What an answer or a stream said, as far as it was seen. */
export interface UsageReading {
  readonly counts: TokenCounts | null
  /** Whether `counts.outputTokens` is a count to charge, not the one a stream begins with. */
  readonly outputIsFinal: boolean
  readonly model: string | null
  /** Whether a stream's last event was there: `[DONE]`, `message_stop`, `response.completed`, `.incomplete`, `.failed`. */
  readonly sawTerminal: boolean
  /** Whether the upstream reported an error after it had answered with success. */
  readonly endedWithError: boolean
}
