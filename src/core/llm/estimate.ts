import { dropOldest } from '../drop-oldest.ts'
import type { TokenCounts, Usage, UsageReading } from './usage.ts'

/** UTF-8 bytes of text in a token, where nothing is known of the model. */
const factorDefault = 4
const factorMin = 1.5
const factorMax = 8
const inputBytesPerToken = 4
/** How far one long answer moves a model's factor. */
const weightMax = 0.2
/** An answer of so many tokens is long: a shorter one says less, for a few of its tokens are not text. */
const longAnswerTokens = 50
const modelsMax = 200

const nothingCounted: TokenCounts = {
  inputTokens: null,
  cachedInputTokens: null,
  cacheWriteTokens: null,
  outputTokens: null,
  reasoningTokens: null,
}

/** What the gateway itself saw of an exchange. */
export interface SeenBytes {
  /** Model as it was asked for, for streams that name none. */
  readonly model: string | null
  /** Bytes of the request body. */
  readonly bodyBytes: number
  /** UTF-8 bytes of visible text that were delivered. */
  readonly textBytes: number
  /** Strings that held them in a stream; 0 for an answer in one piece. */
  readonly texts: number
}

/**
 * Works out tokens where an upstream did not count them, from bytes and a factor per model that exact counts teach.
 * Lives as long as its isolate; what it forgets or never learnt is the default.
 */
export class TokenEstimator {
  /** Bytes of text in a token by model, the longest unused first. */
  readonly #factors = new Map<string, number>()

  /**
   * The usage to charge. Counts of the upstream are taken as they are and teach the factor; what it left out is
   * estimated. Output is then at least what the upstream had counted when the stream broke off.
   */
  complete(reading: UsageReading, seen: SeenBytes): Usage {
    const counts = reading.counts ?? nothingCounted
    const model = reading.model ?? seen.model
    const { inputTokens: input } = counts
    const output = reading.outputIsFinal ? counts.outputTokens : null
    if (output !== null) this.learn(model, seen.textBytes, output)
    return {
      ...counts,
      inputTokens: input ?? estimateInput(seen.bodyBytes),
      outputTokens: output ?? Math.max(counts.outputTokens ?? 0, this.estimateOutput(model, seen)),
      source: input === null || output === null ? 'estimated' : 'measured',
      model: reading.model,
    }
  }

  /** Takes in an exact count. Tokens without text (hidden reasoning, tool calls of a server) lower a model's factor. */
  learn(model: string | null, textBytes: number, outputTokens: number): void {
    if (model === null || textBytes === 0 || outputTokens === 0) return
    const before = this.#factors.get(model) ?? factorDefault
    const weight = weightMax * Math.min(1, outputTokens / longAnswerTokens)
    this.#keep(model, before + weight * (clamped(textBytes / outputTokens) - before))
  }

  /** At least one token for each string that carried text, and none without. */
  estimateOutput(model: string | null, seen: Pick<SeenBytes, 'textBytes' | 'texts'>): number {
    return Math.max(Math.ceil(seen.textBytes / this.factor(model)), seen.texts)
  }

  /** UTF-8 bytes of text in a token of this model, 1.5 to 8. */
  factor(model: string | null): number {
    const factor = model === null ? undefined : this.#factors.get(model)
    if (model === null || factor === undefined) return factorDefault
    this.#keep(model, factor)
    return factor
  }

  /** How many models it has learnt of; 200 at most. */
  get models(): number {
    return this.#factors.size
  }

  #keep(model: string, factor: number): void {
    this.#factors.delete(model)
    this.#factors.set(model, factor)
    dropOldest(this.#factors, modelsMax)
  }
}

/** Tokens of a request body. */
export function estimateInput(bodyBytes: number): number {
  return Math.ceil(bodyBytes / inputBytesPerToken)
}

function clamped(factor: number): number {
  return Math.min(factorMax, Math.max(factorMin, factor))
}
