import { isJsonObject, type JsonObject } from '../json.ts'
import type { CountedTokens, LengthEnd } from './length-end.ts'
import { ResponseOutput, type OpenItem } from './response-output.ts'

/** An event of the gateway's own, which gets the next number. */
interface NewEvent {
  readonly type: string
  readonly [member: string]: unknown
}

const announcing: ReadonlySet<unknown> = new Set([
  'response.created',
  'response.queued',
  'response.in_progress',
])
const terminal: ReadonlySet<unknown> = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
])

/**
 * OpenAI Responses: open messages are closed as far as they came, then `response.incomplete` with
 * `incomplete_details.reason: "max_output_tokens"`. A call of a tool that is not whole is not called done.
 */
export class ResponsesLengthEnd implements LengthEnd {
  #response: JsonObject = { object: 'response' }
  readonly #output = new ResponseOutput()
  #sequence = -1
  #ended = false

  see(event: JsonObject): void {
    const { type, response, sequence_number: sequence } = event
    if (typeof sequence === 'number') this.#sequence = sequence
    if (announcing.has(type) && isJsonObject(response)) this.#response = response
    else if (terminal.has(type)) this.#ended = true
    else this.#output.see(event)
  }

  words({ inputTokens, outputTokens }: CountedTokens): string {
    if (this.#ended) return ''
    const usage = {
      input_tokens: inputTokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: inputTokens + outputTokens,
    }
    const open = this.#output.openItems()
    const response = {
      ...this.#response,
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: this.#output.items(),
      usage,
    }
    const closing = open.flatMap(closingEvents)
    return [...closing, { type: 'response.incomplete', response }].map((event) => this.#event(event)).join('')
  }

  #event(event: NewEvent): string {
    this.#sequence += 1
    const data = { ...event, sequence_number: this.#sequence }
    return `event: ${event.type}\ndata: ${JSON.stringify(data)}\n\n`
  }
}

function closingEvents({ index, item }: OpenItem): NewEvent[] {
  if (item['type'] !== 'message') return []
  const at = { item_id: item['id'], output_index: index }
  const content = Array.isArray(item['content']) ? item['content'].filter(isJsonObject) : []
  const part = content.at(-1)
  const done = { type: 'response.output_item.done', output_index: index, item }
  if (part === undefined) return [done]
  const within = { ...at, content_index: content.length - 1 }
  return [...textDone(part, within), { type: 'response.content_part.done', ...within, part }, done]
}

function textDone({ type, text, refusal }: JsonObject, at: object): NewEvent[] {
  if (type === 'output_text') return [{ type: 'response.output_text.done', ...at, text, logprobs: [] }]
  return type === 'refusal' ? [{ type: 'response.refusal.done', ...at, refusal }] : []
}
