import type { JsonValue } from '../../core/llm/json-value.ts'
import { chooseModel } from '../../core/llm/model-policy.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { Inspection } from './inspect.ts'

/** Paths that take a model of their own, so that an override has a place to go where the client names none. */
const takesModel =
  /\/(completions|responses|embeddings|messages|moderations|generations|edits|speech|transcriptions|translations|count_tokens)$/

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
   * @returns undefined to leave the body alone; refusal `model_not_allowed`
   */
  judge(value: JsonValue | undefined): Outcome<string | undefined> {
    const { path, choice } = this.#inspection
    this.#asked = typeof value === 'string' ? value : null
    if (this.#asked === null && !takesModel.test(path)) return undefined
    const model = chooseModel(this.#asked, choice)
    if (isRefusal(model)) return model
    this.#model = model
    return model ?? undefined
  }
}
