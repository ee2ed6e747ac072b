import { isJsonObject, type JsonObject } from '../json.ts'
import type { CountedTokens, LengthEnd } from './length-end.ts'

/** OpenAI chat and text completions: a chunk with `finish_reason: "length"` for every choice that goes on, and `[DONE]`. */
export class ChatLengthEnd implements LengthEnd {
  readonly #tellsUsage: boolean
  /** The last chunk that had choices. */
  #chunk: JsonObject | null = null
  /** Choices that go on, by index, each as a chunk would end it. */
  readonly #open = new Map<number, object>()
  readonly #finished = new Set<number>()

  constructor(tellsUsage: boolean) {
    this.#tellsUsage = tellsUsage
  }

  see(event: JsonObject): void {
    const { choices } = event
    if (!Array.isArray(choices) || choices.length === 0) return
    this.#chunk = event
    for (const choice of choices) if (isJsonObject(choice)) this.#seeChoice(choice)
  }

  words({ inputTokens, outputTokens }: CountedTokens): string {
    const chunk = this.#chunk
    if (chunk === null) return dataEvent('[DONE]')
    const { usage: _, ...fields } = chunk
    const saysUsage = 'usage' in chunk && chunk['usage'] === null
    const kept = saysUsage ? { ...fields, usage: null } : fields
    const last = this.#open.size === 0 ? [] : [{ ...kept, choices: [...this.#open.values()] }]
    const usage = {
      prompt_tokens: inputTokens,
      completion_tokens: outputTokens,
      total_tokens: inputTokens + outputTokens,
    }
    const counted = saysUsage && this.#tellsUsage ? [{ ...fields, choices: [], usage }] : []
    const chunks = [...last, ...counted].map((each) => dataEvent(JSON.stringify(each)))
    return chunks.join('') + dataEvent('[DONE]')
  }

  #seeChoice(choice: JsonObject): void {
    const index = typeof choice['index'] === 'number' ? choice['index'] : 0
    if (typeof choice['finish_reason'] === 'string') {
      this.#finished.add(index)
      this.#open.delete(index)
    } else if (!this.#finished.has(index)) {
      const nothing = 'text' in choice ? { text: '' } : { delta: {} }
      this.#open.set(index, { index, ...nothing, logprobs: null, finish_reason: 'length' })
    }
  }
}

function dataEvent(data: string): string {
  return `data: ${data}\n\n`
}
