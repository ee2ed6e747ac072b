import { putsOutNoText } from '../../core/llm/generating.ts'
import type { LlmForecast } from '../../ports.ts'
import type { Inspection } from './inspect.ts'

/** What a body of unknown length is taken for: 4,096 tokens of input. */
const undeclaredBytes = 16_384

/**
 * What is said before its call of a request whose body is read on its way, or not at all: anything that is not known
 * is left to the limits, and the body counts by its declared length.
 * @param bytesMax a longer body is mostly data, such as images and sound, that makes few tokens
 * @returns null for a request that makes no model run
 */
export function forecastUnread(
  { choice, generates, path, placed }: Inspection,
  length: number | null,
  bytesMax: number,
): LlmForecast | null {
  if (!generates) return null
  return {
    model: placed?.model ?? choice.route.override,
    bodyBytes: Math.min(length ?? undeclaredBytes, bytesMax),
    outputTokensMax: putsOutNoText(path) ? 0 : null,
    choices: 1,
    stream: true,
  }
}
