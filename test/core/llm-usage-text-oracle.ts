/** Visible text by parsing every event whole: what the counter must agree with. */
import { eventsIn } from './llm-usage-samples.ts'

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

const bytesIn = (text: string) => new TextEncoder().encode(text).length

const inMessage: readonly (string | 0)[][] = [
  ['content'],
  ['content', 0, 'text'],
  ['content', 0, 'thinking', 0, 'text'],
  ['reasoning_content'],
  ['reasoning'],
  ['refusal'],
  ['tool_calls', 0, 'function', 'name'],
  ['tool_calls', 0, 'function', 'arguments'],
  ['tool_calls', 0, 'custom', 'name'],
  ['tool_calls', 0, 'custom', 'input'],
  ['function_call', 'name'],
  ['function_call', 'arguments'],
]

/** Steps to text; 0 is any element of a list. */
const paths: readonly (readonly (string | 0)[])[] = [
  ...inMessage.map((path) => (['choices', 0, 'delta'] as (string | 0)[]).concat(path)),
  ['choices', 0, 'text'],
  ['delta'],
  ['delta', 'text'],
  ['delta', 'partial_json'],
  ['delta', 'thinking'],
  ['delta', 'content'],
  ['content_block', 'text'],
  ['content_block', 'thinking'],
  ['content_block', 'name'],
]

export interface TextCount {
  readonly bytes: number
  readonly texts: number
}

function textsAt(value: Json | undefined, path: readonly (string | 0)[]): readonly string[] {
  const [step, ...rest] = path
  if (step === undefined) return typeof value === 'string' && value !== '' ? [value] : []
  if (value === null || typeof value !== 'object') return []
  if (step === 0) return Array.isArray(value) ? (value as Json[]).flatMap((each) => textsAt(each, rest)) : []
  if (Array.isArray(value) || !Object.hasOwn(value, step)) return []
  return textsAt((value as Record<string, Json>)[step], rest)
}

/** Of one parsed event. */
function textInJson(event: Json): TextCount {
  const texts = paths.flatMap((path) => textsAt(event, path))
  return { bytes: texts.reduce((sum, text) => sum + bytesIn(text), 0), texts: texts.length }
}

/** Of a stream; data that is no JSON holds no text. */
export function textInStream(bytes: Uint8Array): TextCount {
  const counts = eventsIn(bytes).map((event) => {
    const lines = new TextDecoder().decode(event).split(/\r\n|\n|\r/)
    const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5))
    try {
      return textInJson(JSON.parse(data.join('\n')) as Json)
    } catch {
      return { bytes: 0, texts: 0 }
    }
  })
  return {
    bytes: counts.reduce((sum, count) => sum + count.bytes, 0),
    texts: counts.reduce((sum, count) => sum + count.texts, 0),
  }
}
