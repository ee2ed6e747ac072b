import type { DialectName } from '../config/types.ts'
import { isJsonObject, parseJson, type JsonObject } from '../json.ts'
import { ChatLengthEnd } from './length-end-chat.ts'
import { MessagesLengthEnd } from './length-end-messages.ts'
import { ResponsesLengthEnd } from './length-end-responses.ts'
import { eventOf } from './usage-event.ts'
import { namedModel } from './usage-stream.ts'

/** Tokens of a stream that is ended early, as far as the gateway counted them. */
export interface CountedTokens {
  readonly inputTokens: number
  readonly outputTokens: number
}

/** Follows the events of a stream, so that it can be ended between two of them as its provider ends one at its length. */
export interface LengthEnd {
  /** @param event JSON of one event that the client got */
  see(event: JsonObject): void
  /** The events that end the stream here. */
  words(counted: CountedTokens): string
}

const decoder = new TextDecoder()

/**
 * How streams of a format end at their length.
 *
 * @param path the one the upstream was asked for: one dialect may have several stream formats
 * @param tellsUsage whether a chat stream that says usage says it to the client too
 */
export function lengthEndOf(dialect: DialectName, path: string, tellsUsage: boolean): LengthEnd {
  if (dialect === 'anthropic') return new MessagesLengthEnd()
  return path.endsWith('/responses') ? new ResponsesLengthEnd() : new ChatLengthEnd(tellsUsage)
}

/** Shows one whole event to a `LengthEnd`. @returns the model that it names, or null */
export function showEvent(end: LengthEnd, event: Uint8Array): string | null {
  const parsed = parseJson(eventOf(decoder.decode(event)).data)
  if (!isJsonObject(parsed)) return null
  end.see(parsed)
  return namedModel(parsed)
}
