import { isJsonObject, parseJson, type JsonObject } from '../json.ts'
import { overwrite, rawCounts, totalsOf, type RawCounts } from './usage-counts.ts'
import { eventOf } from './usage-event.ts'
import type { UsageReading } from './usage.ts'

const decoder = new TextDecoder()
/** Longer than any model's name. */
const modelLengthMax = 256

/** What an event must contain to be looked at; an escaped quote keeps text that speaks of usage from matching. */
const telling =
  /"usage"\s*:(?!\s*null)|"error"|message_stop|response\.(?:completed|incomplete|failed)|\[DONE\]|^event: ?error/m
const terminalTypes = new Set<unknown>([
  'message_stop',
  'response.completed',
  'response.incomplete',
  'response.failed',
])

/**
 * Reads usage from the events of a stream, in their order: OpenAI chat (a chunk of its own with `choices` empty, null
 * or absent, or a chunk with choices; Groq's `x_groq`; Moonshot's `choices[].usage`), OpenAI Responses, Anthropic
 * Messages. The last report wins; Anthropic's `message_delta` is put over `message_start`, never added. Comments,
 * events that are not JSON and reports without a number change nothing.
 */
export class StreamUsage {
  #start: RawCounts | null = null
  #last: RawCounts | null = null
  #model: string | null = null
  #sawTerminal = false
  #endedWithError = false
  #outputIsFinal = false

  /**
   * @param bytes the lines of one event, whole, with or without the blank line that ends it; also what is left at the
   *   end of a stream that ends without one
   */
  event(bytes: Uint8Array): void {
    this.eventText(decoder.decode(bytes))
  }

  /** The same, decoded. @returns false when it may say something, but its data is not whole */
  eventText(text: string): boolean {
    if (this.#model !== null && !telling.test(text)) return true
    const { name, data } = eventOf(text)
    if (data === '') return false
    if (data.trim() === '[DONE]') {
      this.#sawTerminal = true
      return true
    }
    if (name === 'error') this.#endedWithError = true
    const parsed = parseJson(data)
    if (!isJsonObject(parsed)) return false
    this.#take(parsed)
    return true
  }

  /** Usage found in an event of which only the end is known. @param isResponse whether it stood inside an object. */
  fragment(counts: RawCounts, isResponse: boolean): void {
    this.#report(counts, counts)
    if (isResponse) this.#sawTerminal = true
  }

  /** Forgets what a later part of the stream may overrule: the events after the ones so far are not known. */
  skipAhead(): void {
    this.#last = null
    this.#outputIsFinal = false
    this.#sawTerminal = false
  }

  get model(): string | null {
    return this.#model
  }

  set model(name: string | null) {
    if (name !== null && name !== '' && name.length <= modelLengthMax) this.#model = name
  }

  reading(): UsageReading {
    const counts = this.#last ?? this.#start
    return {
      counts: counts === null ? null : totalsOf(counts),
      outputIsFinal: this.#outputIsFinal,
      model: this.#model,
      sawTerminal: this.#sawTerminal,
      endedWithError: this.#endedWithError,
    }
  }

  #take(event: JsonObject): void {
    const { type, message } = event
    if (terminalTypes.has(type)) this.#sawTerminal = true
    if (isError(event)) this.#endedWithError = true
    this.model = namedModel(event)
    if (type === 'message_start') {
      this.#start = rawCounts(memberOf(message, 'usage'))
      return
    }
    const counts = countsIn(event)
    if (counts === null) return
    this.#report(counts, type === 'message_delta' ? overwrite(this.#last ?? this.#start, counts) : counts)
  }

  #report(reported: RawCounts, all: RawCounts): void {
    this.#last = all
    this.#outputIsFinal = totalsOf(reported).outputTokens !== null
  }
}

/** The model that an event of any of the formats names. */
export function namedModel(event: JsonObject): string | null {
  const { message, response } = event
  const names = [response, message, event].map((holder) => textOf(memberOf(holder, 'model')))
  return names.find((name) => name !== null && name !== '' && name.length <= modelLengthMax) ?? null
}

/** As the official clients judge: an event of that type, or any chunk with an `error`. */
function isError({ type, error }: JsonObject): boolean {
  return type === 'error' || type === 'response.failed' || Boolean(error)
}

function countsIn(event: JsonObject): RawCounts | null {
  return (
    rawCounts(event['usage']) ??
    rawCounts(memberOf(event['response'], 'usage')) ??
    rawCounts(memberOf(event['x_groq'], 'usage')) ??
    choiceCounts(event['choices'])
  )
}

function memberOf(value: unknown, name: string): unknown {
  return isJsonObject(value) ? value[name] : undefined
}

function choiceCounts(choices: unknown): RawCounts | null {
  return Array.isArray(choices) ? rawCounts(memberOf(choices[0], 'usage')) : null
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
