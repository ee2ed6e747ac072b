import type { DialectName } from '../config/types.ts'
import { isJsonObject, parseJson } from '../json.ts'

/** What an event says: nothing yet (a ping, a beginning), something, or that the answer failed. */
type Said = 'nothing' | 'content' | 'error'

/** Looks for the first event of a stream that holds something (WHATWG HTML §9.2.6 for its lines). */
export class FirstContent {
  found: Said = 'nothing'
  readonly #dialect: DialectName
  readonly #decoder = new TextDecoder()
  #text = ''

  constructor(dialect: DialectName) {
    this.#dialect = dialect
  }

  push(piece: Uint8Array): void {
    this.#text += this.#decoder.decode(piece, { stream: true })
    const events = this.#text.split(/\r\n\r\n|\n\n|\r\r/)
    this.#text = events.pop() ?? ''
    for (const event of events) {
      if (this.found === 'nothing') this.found = this.#said(event)
    }
  }

  #said(event: string): Said {
    const lines = event.split(/\r\n|\n|\r/)
    const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trimStart())
    if (data.length === 0) return 'nothing'
    if (lines.some((line) => /^event: ?error$/.test(line))) return 'error'
    const text = data.join('\n')
    if (this.#dialect === 'http') return text === '' ? 'nothing' : 'content'
    return saidByModel(text)
  }
}

function saidByModel(text: string): Said {
  const value = parseJson(text)
  // `[DONE]`, or something that nobody here knows.
  if (!isJsonObject(value)) return 'content'
  const { type } = value
  if (isSet(value['error']) || type === 'error' || type === 'response.failed') return 'error'
  if (typeof type === 'string') return beginnings.has(type) ? 'nothing' : 'content'
  const choices = value['choices']
  return Array.isArray(choices) && choices.every(isEmptyChoice) && choices.length > 0 ? 'nothing' : 'content'
}

/** Events of Messages and Responses that come before a model has said anything. */
const beginnings: ReadonlySet<string> = new Set([
  'message_start',
  'ping',
  'response.created',
  'response.in_progress',
  'response.queued',
])

/** A chunk of Chat Completions that only says whose turn it is. */
function isEmptyChoice(choice: unknown): boolean {
  if (!isJsonObject(choice) || isSet(choice['finish_reason']) || isSet(choice['text'])) return false
  const { delta } = choice
  if (!isJsonObject(delta)) return true
  return Object.entries(delta).every(([name, value]) => name === 'role' || !isSet(value))
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}
