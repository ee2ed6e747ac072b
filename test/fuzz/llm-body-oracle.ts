/**
 * The judgement a scan of a body has to come to, from `JSON.parse` and a walk over tokens; shares no code with it.
 */
import type { JsonValue } from '../../src/core/llm/json-value.ts'

export interface Judgement {
  /** Why the body is refused, `null` when it is taken. */
  readonly refused: string | null
  /** All of the body, empty when refused. */
  readonly object: { readonly [key: string]: JsonValue }
}

const depthMax = 128
const typed: ReadonlyMap<string, (value: JsonValue) => boolean> = new Map([
  ['model', isModel],
  ['stream', (value) => value === null || value === true || value === false],
  ['stream_options', isOptions],
  ['max_tokens', (value) => isCount(value, 0)],
  ['max_completion_tokens', (value) => isCount(value, 0)],
  ['max_output_tokens', (value) => isCount(value, 0)],
  ['n', (value) => isCount(value, 1)],
  ['best_of', (value) => isCount(value, 1)],
  ['user', (value) => value === null || (typeof value === 'string' && isWhole(value))],
])

/** @param more watched keys without a type */
export function judge(bytes: Uint8Array, more: readonly string[]): Judgement {
  const text = decode(bytes)
  if (text === null) return { refused: 'utf-8', object: {} }
  const parsed = parse(text)
  if (parsed === null) return { refused: 'json', object: {} }
  if (!isObject(parsed.value)) return { refused: 'no object', object: {} }
  const refused = ownRefusal(text, parsed.value, more)
  return { refused, object: refused === null ? parsed.value : {} }
}

/** The refusals that are the gateway's own. */
function ownRefusal(text: string, object: Judgement['object'], more: readonly string[]): string | null {
  const { keys, depth } = walk(text)
  if (depth > depthMax) return 'depth'
  const ambiguous = ambiguousKey(keys, [...typed.keys(), ...more])
  if (ambiguous !== null) return `ambiguous ${ambiguous}`
  for (const [key, holds] of typed) {
    if (Object.hasOwn(object, key) && !holds(object[key] as JsonValue)) return `type of ${key}`
  }
  const options = keys.find(({ key }) => key === 'stream_options')
  const usage = options === undefined ? null : ambiguousKey(walk(options.value).keys, ['include_usage'])
  return usage === null ? null : `ambiguous ${usage}`
}

function isObject(value: unknown): value is Judgement['object'] {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

function parse(text: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return null
  }
}

interface TopKey {
  readonly key: string
  /** Text from behind the colon to the end of the member. */
  readonly value: string
}

/** Keys of the outermost object, and how deep it goes, of text that is known to be JSON. */
function walk(text: string): { readonly keys: TopKey[]; readonly depth: number } {
  const tokens = [...text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs)]
  const keys: TopKey[] = []
  let depth = 0
  let deepest = 0
  let valueFrom = 0
  for (const [at, { 0: word, index }] of tokens.entries()) {
    const key = tokens[at - 1]?.[0]
    if (depth === 1 && word === ':' && key !== undefined) {
      keys.push({ key: JSON.parse(key) as string, value: '' })
      valueFrom = index + 1
    }
    if (depth === 1 && /^[,}]$/.test(word)) endMember(keys, text.slice(valueFrom, index))
    if (/^[{[]$/.test(word)) depth += 1
    if (/^[}\]]$/.test(word)) depth -= 1
    deepest = Math.max(deepest, depth)
  }
  return { keys, depth: deepest }
}

function endMember(keys: TopKey[], value: string): void {
  const last = keys.pop()
  if (last !== undefined) keys.push({ ...last, value })
}

function ambiguousKey(keys: readonly TopKey[], watched: readonly string[]): string | null {
  return (
    watched.find((name) => {
      const alike = keys.filter(({ key }) => new RegExp(`^${name}$`, 'iu').test(key))
      return alike.length > 1 || alike.some(({ key }) => key !== name)
    }) ?? null
  )
}

function isCount(value: JsonValue, least: number): boolean {
  if (value === null) return true
  return typeof value === 'number' && value % 1 === 0 && value >= least && value < 2 ** 53
}

function isModel(value: JsonValue): boolean {
  if (typeof value !== 'string' || !isWhole(value) || value.trim() !== value) return false
  return Array.from(value, (char) => char.charCodeAt(0)).every(
    (code) => code >= 0x20 && (code < 0x7f || code > 0x9f) && code !== 0x2028 && code !== 0x2029,
  )
}

/** Whether text has no half of a surrogate pair. */
function isWhole(text: string): boolean {
  try {
    encodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

function isOptions(value: JsonValue): boolean {
  if (value === null) return true
  if (typeof value !== 'object' || Array.isArray(value)) return false
  const usage = Object.hasOwn(value, 'include_usage')
    ? (value as { include_usage: JsonValue }).include_usage
    : null
  return usage === null || typeof usage === 'boolean'
}
