import type { TokenEstimator } from '../core/llm/estimate.ts'
import type { Usage, UsageReading } from '../core/llm/usage.ts'
import { readAnswer, readAnswerEnds, type AnswerReading } from '../core/llm/usage-answer.ts'
import { BodyEnds, readStreamEnds } from '../core/llm/usage-ends.ts'
import { VisibleTextCounter } from '../core/llm/visible-text.ts'
import type { LlmRequest } from '../ports.ts'

/** Says, once an LLM answer has ended, what it used. */
export interface Meter {
  /** What to charge; null for an answer that generated nothing. */
  usage(estimator: TokenEstimator): Usage | null
}

/**
 * Sees the bytes of an answer as they flow, in pieces of any size. Holds the two ends of the body, 40 KB, and a few
 * counters.
 */
export class FlowMeter implements Meter {
  readonly ends = new BodyEnds()
  readonly #text: VisibleTextCounter
  readonly #kind: 'events' | 'answer'
  readonly #request: LlmRequest

  constructor(kind: 'events' | 'answer', request: LlmRequest) {
    this.#kind = kind
    this.#request = request
    this.#text = new VisibleTextCounter(kind)
  }

  push(piece: Uint8Array): void {
    this.ends.push(piece)
    this.#text.push(piece)
  }

  usage(estimator: TokenEstimator): Usage | null {
    if (this.#kind === 'answer') {
      return usageOf(readAnswerEnds(this.ends), this.#text, this.#request, estimator)
    }
    const { model, bodyBytes } = this.#request.facts()
    const { bytes: textBytes, texts } = this.#text
    return estimator.complete(readStreamEnds(this.ends), { model, bodyBytes, textBytes, texts })
  }
}

/** Has a JSON answer in one piece. */
export class WholeMeter implements Meter {
  readonly #answer: Uint8Array
  readonly #request: LlmRequest

  constructor(answer: Uint8Array, request: LlmRequest) {
    this.#answer = answer
    this.#request = request
  }

  usage(estimator: TokenEstimator): Usage | null {
    const text = new VisibleTextCounter('answer')
    text.push(this.#answer)
    return usageOf(readAnswer(this.#answer), text, this.#request, estimator)
  }
}

/** Errors, token counts, and answers about files, batches and the like charge nothing. */
function usageOf(
  reading: AnswerReading,
  text: VisibleTextCounter,
  request: LlmRequest,
  estimator: TokenEstimator,
): Usage | null {
  const { model, bodyBytes } = request.facts()
  if (reading.kind !== 'answer' || (reading.counts === null && model === null)) return null
  return estimator.complete(reading, { model, bodyBytes, textBytes: text.bytes, texts: 0 })
}

const nothingRead: UsageReading = {
  counts: null,
  outputIsFinal: false,
  model: null,
  sawTerminal: false,
  endedWithError: false,
}

/** Stands for an answer whose bytes say nothing to the gateway: what was asked is charged, by estimate. */
export class BlindMeter implements Meter {
  readonly #request: LlmRequest

  constructor(request: LlmRequest) {
    this.#request = request
  }

  usage(estimator: TokenEstimator): Usage | null {
    const { model, bodyBytes } = this.#request.facts()
    return model === null
      ? null
      : estimator.complete(nothingRead, { model, bodyBytes, textBytes: 0, texts: 0 })
  }
}
