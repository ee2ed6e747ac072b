import type { Refusal } from '../refusal.ts'
import { malformed } from './json-refusal.ts'
import { decodeValue, type JsonValue } from './json-value.ts'
import { type Member, memberBytesMax } from './member-watch.ts'
import { includesUsage } from './body-stream-options.ts'

/** What the gateway reads in the body of an LLM request. `null`: the key is absent or its value is `null`. */
export interface BodyFacts {
  /** The model the client asks for; printable, without white space around it. */
  readonly model: string | null
  readonly stream: boolean
  /** Whether the client itself asks for usage in the stream (`stream_options.include_usage`). */
  readonly includeUsage: boolean
  /** Tokens; an integer of at least 0, as the next two. */
  readonly maxTokens: number | null
  readonly maxCompletionTokens: number | null
  readonly maxOutputTokens: number | null
  /** Answers asked for; an integer of at least 1, as the next. */
  readonly n: number | null
  readonly bestOf: number | null
  readonly user: string | null
}

type Judge = (value: JsonValue) => boolean

interface Demand {
  readonly holds: Judge
  /** Completes "The value of `key` must be ...". */
  readonly words: string
}

const wholeNumber: Demand = {
  holds: (value) => value === null || (Number.isSafeInteger(value) && (value as number) >= 0),
  words: 'a whole number of at least 0',
}
const positiveNumber: Demand = {
  holds: (value) => value === null || (Number.isSafeInteger(value) && (value as number) >= 1),
  words: 'a whole number of at least 1',
}

/** The typed keys and what their values have to be. */
const demands: ReadonlyMap<string, Demand> = new Map([
  ['model', { holds: isModelName, words: 'a string without control characters or white space around it' }],
  ['stream', { holds: (value) => value === null || typeof value === 'boolean', words: 'true or false' }],
  ['stream_options', { holds: isObjectOrNull, words: 'an object with `include_usage` once, true or false' }],
  ['max_tokens', wholeNumber],
  ['max_completion_tokens', wholeNumber],
  ['max_output_tokens', wholeNumber],
  ['n', positiveNumber],
  ['best_of', positiveNumber],
  ['user', { holds: (value) => value === null || isText(value), words: 'a string' }],
])

export const typedKeys: readonly string[] = [...demands.keys()]
/** C0 and C1 control characters, DEL, and the separators of lines and paragraphs. */
const unprintable = /[\p{Cc}\u2028\u2029]/u

function isText(value: JsonValue): value is string {
  return typeof value === 'string' && value.isWellFormed()
}

function isObjectOrNull(value: JsonValue): boolean {
  return typeof value === 'object' && !Array.isArray(value)
}

/** Whether the value can be the name of a model: nothing in it reads differently in a log, a header or a C string. */
function isModelName(value: JsonValue): value is string {
  return isText(value) && !unprintable.test(value) && value === value.trim()
}

/**
 * Decodes the value of a watched member and checks the types of the keys of `BodyFacts`.
 * @param bytes a valid JSON value, or `null` when it is too long to be read
 * @returns `undefined` for a value that is too long under a key without a type; a refusal `malformed_request`
 */
export function readValue(
  { key, valueStart }: Member,
  bytes: Uint8Array | null,
): { readonly value: JsonValue | undefined } | Refusal {
  const demand = demands.get(key)
  if (bytes === null) return demand === undefined ? { value: undefined } : tooLong(key, valueStart)
  const value = decodeValue(bytes)
  const holds = demand === undefined || demand.holds(value)
  if (holds && (key !== 'stream_options' || value === null || includesUsage(bytes) !== null)) return { value }
  return malformed(`The value of \`${key}\` at byte ${valueStart} must be ${demand?.words}; correct it.`)
}

/** Refuses a member that is longer than what is kept of one. */
export function tooLong(key: string, offset: number): Refusal {
  return malformed(
    `The member \`${key}\` at byte ${offset} is longer than ${memberBytesMax} bytes; shorten it.`,
  )
}

/** Gathers the facts from the values of the typed keys. */
export function factsOf(values: ReadonlyMap<string, JsonValue | undefined>): BodyFacts {
  const textOf = (key: string): string | null => (values.get(key) ?? null) as string | null
  const numberOf = (key: string): number | null => (values.get(key) ?? null) as number | null
  const options = values.get('stream_options') as { readonly include_usage?: JsonValue } | null | undefined
  return {
    model: textOf('model'),
    stream: values.get('stream') === true,
    includeUsage: options?.include_usage === true,
    maxTokens: numberOf('max_tokens'),
    maxCompletionTokens: numberOf('max_completion_tokens'),
    maxOutputTokens: numberOf('max_output_tokens'),
    n: numberOf('n'),
    bestOf: numberOf('best_of'),
    user: textOf('user'),
  }
}

/**
 * Output tokens that the client allows each choice: the largest of what it says, for an upstream may obey any of them.
 * Nobody asks for an answer of nothing: 0 says nothing.
 */
export function outputTokensMax({
  maxTokens,
  maxCompletionTokens,
  maxOutputTokens,
}: BodyFacts): number | null {
  const said = Math.max(maxTokens ?? 0, maxCompletionTokens ?? 0, maxOutputTokens ?? 0)
  return said === 0 ? null : said
}

/** Answers that the client makes the model generate, also those it will not be shown. */
export function choicesAsked({ n, bestOf }: BodyFacts): number {
  return Math.max(n ?? 1, bestOf ?? 1)
}
