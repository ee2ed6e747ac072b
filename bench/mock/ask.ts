import type { Directive } from './directive.ts'
import type { EventScript } from './event-script.ts'
import type { Problem } from './problem.ts'
import { tokenText } from './seeded.ts'

/** A parsed call to an LLM endpoint. */
export interface Ask {
  readonly body: Readonly<Record<string, unknown>>
  readonly model: string
  readonly directive: Directive
}

/** What an endpoint makes of it: pure, with no clock; the schedule is laid over it afterwards. */
export type Reply =
  | { readonly json: string; readonly tokens: number }
  | { readonly script: EventScript }
  | Problem

/** Fixed, so that equal requests have equal answers. */
export const CREATED_S = 1_735_689_600

const encoder = new TextEncoder()

/** Tokens of a prompt: its text's bytes over four, rounded up. */
export function promptTokens(...texts: unknown[]): number {
  return Math.ceil(textBytes(texts) / 4)
}

/** An id that depends on the directive alone. */
export function answerId(prefix: string, directive: Directive): string {
  return `${prefix}mock${(directive.seed >>> 0).toString(16).padStart(8, '0')}`
}

/** The whole answer's text: its tokens in a row. */
export function answerText(directive: Directive): string {
  let text = ''
  for (let i = 0; i < directive.tokens; i += 1) text += tokenText(directive.seed, i, directive.sizeBytes)
  return text
}

/** Token `index` of a tool call's arguments; together the tokens are one JSON object. */
export function argumentsToken(directive: Directive, index: number): string {
  const text = tokenText(directive.seed, index, directive.sizeBytes)
  return `${index === 0 ? '{"value":"' : ''}${text}${index === directive.tokens - 1 ? '"}' : ''}`
}

/** A tool call's arguments in full. */
export function argumentsText(directive: Directive): string {
  return `{"value":"${answerText(directive)}"}`
}

/** The tool to call: the request's first, if it has any and the directive says `tool=1`. */
export function toolToCall(ask: Ask): string | undefined {
  const { tools } = ask.body
  if (!ask.directive.tool || !Array.isArray(tools)) return undefined
  const first: unknown = tools[0]
  if (!isRecord(first)) return undefined
  const name = isRecord(first['function']) ? first['function']['name'] : first['name']
  return typeof name === 'string' ? name : undefined
}

/** Narrows to something with keys. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Bytes of all text in a message, a list of content parts, or whatever is nested in them. */
function textBytes(value: unknown): number {
  if (typeof value === 'string') return encoder.encode(value).length
  if (Array.isArray(value)) return value.reduce((sum: number, item: unknown) => sum + textBytes(item), 0)
  return isRecord(value) ? textBytes(value['text']) + textBytes(value['content']) : 0
}
