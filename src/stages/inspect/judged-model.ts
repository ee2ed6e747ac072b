import type { JsonValue } from '../../core/llm/json-value.ts'
import { chooseModel, mustNameModel } from '../../core/llm/model-policy.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { Inspection } from './inspect.ts'

/** Paths that take a model of their own, so that an override has a place to go where the client names none. */
const takesModel =
  /\/(completions|responses|embeddings|messages|moderations|generations|edits|speech|transcriptions|translations|count_tokens)$/

/** An upstream's own choice of a model could be one that the rules forbid. */
const unnamed: Refusal = {
  refused: 'malformed_request',
  detail: 'The body names no model, and only some are allowed here; name one that GET /v1/models lists.',
}

/** The model of one body: what the client asked for, and what the upstream gets. */
export class JudgedModel {
  readonly #inspection: Inspection
  #asked: string | null = null
  #model: string | null = null

  constructor(inspection: Inspection) {
    this.#inspection = inspection
  }

  /** The model as the client named it, here or in path or query. */
  get asked(): string | null {
    return this.#asked ?? this.#inspection.placed?.asked ?? null
  }

  get model(): string | null {
    return this.#model ?? this.#inspection.placed?.model ?? null
  }

  /**
   * What to send for the value the client sends.
   * @param value undefined where it sends none; the scan has judged its type
   * @returns undefined to leave the body alone; refusals `model_not_allowed`,
   *   `malformed_request` where none is named and rules hold
   */
  judge(value: JsonValue | undefined): Outcome<string | undefined> {
    const { path, choice, placed } = this.#inspection
    this.#asked = typeof value === 'string' ? value : null
    if (this.#asked === null && !takesModel.test(path)) return undefined
    const model = chooseModel(this.#asked, choice)
    if (isRefusal(model)) return model
    if (model === null && placed === null && mustNameModel(choice)) return unnamed
    this.#model = model
    return model ?? undefined
  }
}
