import { isJsonObject, parseJson } from '../json.ts'
import { rawCounts, totalsOf, type RawCounts } from './usage-counts.ts'
import { modelIn, type BodyEnds } from './usage-ends.ts'
import { usageInEnd } from './usage-fragment.ts'
import type { UsageReading } from './usage.ts'

/** What a JSON answer says of its usage. */
export interface AnswerReading extends UsageReading {
  /** `error`: the provider refused; `token_count`: nothing was generated, it only counted, and charges nothing. */
  readonly kind: 'answer' | 'error' | 'token_count'
}

const decoder = new TextDecoder()

/**
 * Reads usage from a JSON answer: OpenAI chat, completions, embeddings and Responses, Anthropic messages, the token
 * counts of both, errors. Of an answer longer than its two ends, only the end is looked at for usage.
 */
export function readAnswerEnds(ends: BodyEnds): AnswerReading {
  const whole = ends.whole()
  if (whole !== null) return readAnswer(whole)
  const found = usageInEnd(decoder.decode(ends.tail.last))
  const counts = found?.depth === 1 ? found.counts : null
  return readingOf('answer', counts, modelIn(decoder.decode(ends.head)))
}

/** The same from a whole answer. */
export function readAnswer(body: Uint8Array): AnswerReading {
  const answer = parseJson(decoder.decode(body))
  if (!isJsonObject(answer)) return readingOf('answer', null, null)
  const { error, input_tokens: counted, model, type, usage } = answer
  const name = typeof model === 'string' ? model : null
  const counts = rawCounts(usage)
  if (counts !== null) return readingOf('answer', counts, name)
  if (type === 'error' || Boolean(error)) return readingOf('error', null, name)
  return readingOf(typeof counted === 'number' ? 'token_count' : 'answer', null, name)
}

function readingOf(kind: AnswerReading['kind'], raw: RawCounts | null, model: string | null): AnswerReading {
  const counts = raw === null ? null : totalsOf(raw)
  return {
    kind,
    counts,
    outputIsFinal: counts !== null && counts.outputTokens !== null,
    model,
    sawTerminal: false,
    endedWithError: kind === 'error',
  }
}
