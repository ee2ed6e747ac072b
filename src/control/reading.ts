import { keyPrefix } from '../core/key/key-text.ts'
import type { InputProblem } from './api.ts'

/** Input that is what it should be, or everything that is wrong with it. */
export type Parsed<T> = { readonly value: T } | { readonly problems: readonly InputProblem[] }

/** A body on its way to becoming input. */
export interface Reading {
  readonly fields: ReadonlyMap<string, unknown>
  readonly problems: InputProblem[]
}

/** The fields of a body that is an object and has no others than `allowed` ones. */
export function readFields(body: unknown, allowed: readonly string[]): Reading {
  const problems: InputProblem[] = []
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    problems.push({ path: '$', expected: 'a JSON object', found: describe(body) })
    return { fields: new Map(), problems }
  }
  const fields = new Map<string, unknown>(Object.entries(body))
  for (const field of fields.keys()) {
    if (allowed.includes(field)) continue
    problems.push({
      path: `$.${shorten(field)}`,
      expected: `only ${allowed.join(', ')}`,
      found: 'another field',
    })
  }
  return { fields, problems }
}

/** Notes what is wrong with a value. */
export function problem(read: Reading, path: string, expected: string, found: unknown): void {
  read.problems.push({ path, expected, found: describe(found) })
}

/** The value if nothing is wrong, else up to 20 problems. */
export function finish<T>(read: Reading, value: T): Parsed<T> {
  return read.problems.length > 0 ? { problems: read.problems.slice(0, 20) } : { value }
}

/** What was found, in a few characters; a key that was put in the wrong place is not repeated. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = JSON.stringify(value) ?? 'nothing'
  return text.includes(keyPrefix) ? 'a text with a key in it' : shorten(text)
}

/** At most 40 characters of a text. */
export function shorten(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`
}
