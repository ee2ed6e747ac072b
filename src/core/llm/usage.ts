/** Tokens of one LLM exchange, as they are charged. Cached input is part of `inputTokens`. */
export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
  /** Whether the upstream said so or the gateway worked it out. */
  readonly source: 'measured' | 'estimated'
}
