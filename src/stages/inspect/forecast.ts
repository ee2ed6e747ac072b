import { putsOutNoText } from '../../core/llm/generating.ts'
import { chooseModel, type ModelChoice } from '../../core/llm/model-policy.ts'
import { isRefusal } from '../../core/outcome.ts'
import type { LlmForecast } from '../../ports.ts'
import type { Inspection } from './inspect.ts'

/** A longer body counts like one of this length: what makes it so long is data, such as images, that makes few tokens. */
export const longBytes = 262_144

/** What a body of unknown length is taken for: 4,096 tokens of input. */
export const undeclaredBytes = 16_384

/**
 * What is said before its call of a request whose body is read on its way, or not at all: anything that is not known
 * is left to the limits, and the body counts by its length.
 * @param length null where it is not known
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
    model: placed?.model ?? modelFor(null, choice),
    otherModels: [],
    bodyBytes: Math.min(length ?? undeclaredBytes, bytesMax),
    outputTokensMax: putsOutNoText(path) ? 0 : null,
    choices: 1,
    stream: true,
    bodyRead: false,
  }
}

/**
 * The forecast of a request whose targets call its model by names of their own: it may run as any of these.
 * @param asked the model as the client named it, as far as it is known
 */
export function withOtherModels(
  forecast: LlmForecast,
  asked: string | null,
  choices: readonly ModelChoice[],
): LlmForecast {
  const models = choices.map((choice) => modelFor(asked, choice)).filter((model) => model !== null)
  const others = new Set(models.filter((model) => model !== forecast.model))
  return { ...forecast, otherModels: [...others] }
}

/** A model that the rules forbid is refused where it is judged, and runs nowhere. */
function modelFor(asked: string | null, choice: ModelChoice): string | null {
  const model = chooseModel(asked, choice)
  return isRefusal(model) ? null : model
}
