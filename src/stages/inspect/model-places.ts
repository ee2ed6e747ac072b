import { chooseModel, type ModelChoice } from '../../core/llm/model-policy.ts'
import { readQueryParameter, setQueryParameter } from '../../core/llm/query-parameter.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { ConfiguredMatch } from '../../core/route/route-index.ts'

/** A match and a query in which models have the upstream's names. */
export interface ModelPlaces {
  readonly match: ConfiguredMatch
  readonly query: string
  /** The model that one of them named. */
  readonly placed: PlacedModel | null
}

/** A model that stood in path or query: as the client named it, and as the upstream gets it. */
export interface PlacedModel {
  readonly asked: string
  readonly model: string
}

/**
 * Judges the models named by a path parameter `{model}` and a query parameter `model`.
 * @returns refusals `model_not_allowed`; `malformed_request` for a name that stands there twice or cannot be decoded
 */
export function inspectPlaces(
  match: ConfiguredMatch,
  query: string,
  choice: ModelChoice,
): Outcome<ModelPlaces> {
  const path = judgePlace(decoded(match.params['model']), choice)
  if (isRefusal(path)) return path
  const parameter = judgePlace(query === '' ? null : readQueryParameter(query.slice(1), 'model'), choice)
  if (isRefusal(parameter)) return parameter
  return {
    match: isRenamed(path) ? withModel(match, path.model) : match,
    query: isRenamed(parameter) ? `?${setQueryParameter(query.slice(1), 'model', parameter.model)}` : query,
    placed: path ?? parameter,
  }
}

function isRenamed(place: PlacedModel | null): place is PlacedModel {
  return place !== null && place.model !== place.asked
}

/** An override is for requests that run a model; a path or query that names none gets none. */
function judgePlace(asked: Outcome<string | null>, choice: ModelChoice): Outcome<PlacedModel | null> {
  if (asked === null || isRefusal(asked)) return asked
  const model = chooseModel(asked, choice)
  if (model === null || isRefusal(model)) return model
  return { asked, model }
}

function withModel(match: ConfiguredMatch, model: string): ConfiguredMatch {
  return { ...match, params: { ...match.params, model: encodeURIComponent(model) } }
}

function decoded(segment: string | undefined): Outcome<string | null> {
  if (segment === undefined) return null
  try {
    return decodeURIComponent(segment)
  } catch {
    return {
      refused: 'malformed_request',
      detail: 'The model in the path cannot be decoded; encode it as UTF-8.',
    }
  }
}
