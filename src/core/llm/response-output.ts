import { isJsonObject, type JsonObject } from '../json.ts'

/** Of longer output, what follows is not repeated. Characters. */
const repeatedMax = 1_048_576

type Draft = Record<string, unknown>

/** An output item that had not ended, as far as it came, and where it stands. */
export interface OpenItem {
  readonly index: number
  readonly item: JsonObject
}

/** What each event's `delta` belongs to: a member of the item, or of a part in one of its lists. */
const deltas: Readonly<
  Record<string, { readonly list: 'content' | 'summary' | null; readonly member: string }>
> = {
  'response.output_text.delta': { list: 'content', member: 'text' },
  'response.refusal.delta': { list: 'content', member: 'refusal' },
  'response.reasoning_text.delta': { list: 'content', member: 'text' },
  'response.reasoning_summary_text.delta': { list: 'summary', member: 'text' },
  'response.function_call_arguments.delta': { list: null, member: 'arguments' },
  'response.mcp_call_arguments.delta': { list: null, member: 'arguments' },
  'response.custom_tool_call_input.delta': { list: null, member: 'input' },
  'response.code_interpreter_call_code.delta': { list: null, member: 'code' },
}
const listOfPart: Readonly<Record<string, 'content' | 'summary'>> = {
  'response.content_part.added': 'content',
  'response.reasoning_summary_part.added': 'summary',
}

/** The output of an OpenAI response, put together from its events. */
export class ResponseOutput {
  readonly #items = new Map<number, Draft>()
  readonly #open = new Set<number>()
  #repeated = 0

  see(event: JsonObject): void {
    const { type, output_index: index, item, delta } = event
    if (typeof type !== 'string' || typeof index !== 'number') return
    if (type === 'response.output_item.added' || type === 'response.output_item.done') {
      if (isJsonObject(item)) this.#items.set(index, { ...item })
      if (type.endsWith('added')) this.#open.add(index)
      else this.#open.delete(index)
      return
    }
    const draft = this.#items.get(index)
    if (draft === undefined) return
    const list = listOfPart[type]
    if (list !== undefined) addPart(draft, list, event)
    else if (typeof delta === 'string') this.#append(draft, event, delta)
  }

  /** In their order; those that have not ended say so. */
  items(): readonly JsonObject[] {
    const all = [...this.#items].toSorted(([left], [right]) => left - right)
    return all.map(([index, item]) => (this.#open.has(index) ? incomplete(item) : item))
  }

  openItems(): readonly OpenItem[] {
    return [...this.#open].map((index) => ({ index, item: incomplete(this.#items.get(index) ?? {}) }))
  }

  #append(draft: Draft, event: JsonObject, delta: string): void {
    const place = deltas[String(event['type'])]
    if (place === undefined || this.#repeated + delta.length > repeatedMax) return
    const holder = place.list === null ? draft : partsOf(draft, place.list)[indexIn(event, place.list)]
    if (holder === undefined) return
    this.#repeated += delta.length
    const before = holder[place.member]
    holder[place.member] = (typeof before === 'string' ? before : '') + delta
  }
}

function incomplete(item: JsonObject): JsonObject {
  return { ...item, status: 'incomplete' }
}

function addPart(draft: Draft, list: 'content' | 'summary', event: JsonObject): void {
  const { part } = event
  if (isJsonObject(part)) draft[list] = [...partsOf(draft, list).slice(0, indexIn(event, list)), { ...part }]
}

function partsOf(draft: Draft, list: 'content' | 'summary'): Draft[] {
  const parts = draft[list]
  return Array.isArray(parts) ? parts : []
}

function indexIn(event: JsonObject, list: 'content' | 'summary'): number {
  const index = event[`${list}_index`]
  return typeof index === 'number' ? index : 0
}
