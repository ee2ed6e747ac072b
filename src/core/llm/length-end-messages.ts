import type { JsonObject } from '../json.ts'
import type { CountedTokens, LengthEnd } from './length-end.ts'

/** Anthropic Messages: the open block is closed, then `message_delta` with `stop_reason: "max_tokens"`, `message_stop`. */
export class MessagesLengthEnd implements LengthEnd {
  readonly #open = new Set<unknown>()
  #saidWhy = false
  #stopped = false

  see({ type, index }: JsonObject): void {
    if (type === 'content_block_start') this.#open.add(index)
    else if (type === 'content_block_stop') this.#open.delete(index)
    else if (type === 'message_delta') this.#saidWhy = true
    else if (type === 'message_stop') this.#stopped = true
  }

  words({ outputTokens }: CountedTokens): string {
    if (this.#stopped) return ''
    const delta = { stop_reason: 'max_tokens', stop_sequence: null }
    const events = [
      ...[...this.#open].map((index) => ({ type: 'content_block_stop', index })),
      ...(this.#saidWhy ? [] : [{ type: 'message_delta', delta, usage: { output_tokens: outputTokens } }]),
      { type: 'message_stop' },
    ]
    return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
  }
}
