import { chooseModel, type ModelChoice } from '../../core/llm/model-policy.ts'
import { readQueryParameter, setQueryParameter } from '../../core/llm/query-parameter.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { ConfiguredMatch } from '../../core/route/route-index.ts'

/** A match and a query in which models have the upstream's names. */
export interface ModelPlaces {
  readonly match: ConfiguredMatch
  readonly query: string
  /** The model that one of them named, as the upstream gets it. */
  readonly model: string | null
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
    match: path?.renamed === true ? withModel(match, path.model) : match,
    query:
      parameter?.renamed === true ? `?${setQueryParameter(query.slice(1), 'model', parameter.model)}` : query,
    model: path?.model ?? parameter?.model ?? null,
  }
}

interface JudgedPlace {
  readonly model: string
  readonly renamed: boolean
}

/** An override is for requests that run a model; a path or query that names none gets none. */
function judgePlace(asked: Outcome<string | null>, choice: ModelChoice): Outcome<JudgedPlace | null> {
  if (asked === null || isRefusal(asked)) return asked
  const model = chooseModel(asked, choice)
  if (model === null || isRefusal(model)) return model
  return { model, renamed: model !== asked }
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
