import type { Directives } from './cache-control.ts'

/** Values of a Structured Field Item as far as directives need them; the rest is only recognised. */
type Item = number | boolean | 'other'

const key = /[a-z*][a-z0-9_.*-]*/y
const spaces = /[ \t]*/y
const comma = /[ \t]*,[ \t]*/y
const integer = /-?\d{1,15}(?![\d.])/y
const decimal = /-?\d{1,12}\.\d{1,3}(?!\d)/y
const string = /"((?:[ !#-[\]-~]|\\["\\])*)"/y
const token = /[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*/y
const bytes = /:[A-Za-z0-9+/=]*:/y
const boolean = /\?([01])/y
const date = /@-?\d{1,15}/y

class Cursor {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text.trim()
  }

  get ended(): boolean {
    return this.#at >= this.#text.length
  }

  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found !== null) this.#at = pattern.lastIndex
    return found
  }

  takeText(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }
}

/**
 * A targeted cache control field such as CDN-Cache-Control (RFC 9213 §2.1): a Dictionary of Structured Fields
 * (RFC 8941 §3.2). Directives whose values have the wrong type are left out, and those that say `?0`.
 * @returns null when there is no field, it is empty or it is no Dictionary: then Cache-Control holds
 */
export function parseTargeted(value: string | null): Directives | null {
  if (value === null) return null
  const cursor = new Cursor(value)
  const directives = new Map<string, string | null>()
  while (!cursor.ended) {
    const found = member(cursor)
    if (found === null) return null
    directives.delete(found.name)
    keep(directives, found)
    if (cursor.ended) break
    // A comma promises another member.
    if (cursor.take(comma) === null || cursor.ended) return null
  }
  return directives.size === 0 ? null : directives
}

interface Member {
  readonly name: string
  readonly value: Item
}

function keep(directives: Map<string, string | null>, { name, value }: Member): void {
  if (typeof value === 'number') directives.set(name, String(value))
  else if (value === true) directives.set(name, null)
  // What restricts stays a restriction, whatever hangs on it.
  else if (value !== false && !durations.has(name)) directives.set(name, null)
}

const durations: ReadonlySet<string> = new Set([
  'max-age',
  's-maxage',
  'stale-while-revalidate',
  'stale-if-error',
])

function member(cursor: Cursor): Member | null {
  const name = cursor.take(key)?.[0]
  if (name === undefined) return null
  if (!cursor.takeText('=')) return parameters(cursor) ? { name, value: true } : null
  const value = cursor.takeText('(') ? innerList(cursor) : item(cursor)
  return value !== null && parameters(cursor) ? { name, value } : null
}

function innerList(cursor: Cursor): 'other' | null {
  for (;;) {
    cursor.take(spaces)
    if (cursor.takeText(')')) return 'other'
    if (item(cursor) === null || !parameters(cursor)) return null
  }
}

function item(cursor: Cursor): Item | null {
  const whole = cursor.take(integer)
  if (whole !== null) return Number(whole[0])
  const flag = cursor.take(boolean)
  if (flag !== null) return flag[1] === '1'
  const text = cursor.take(string)
  if (text !== null) return 'other'
  const word = cursor.take(token)
  if (word !== null) return 'other'
  return (cursor.take(decimal) ?? cursor.take(bytes) ?? cursor.take(date)) === null ? null : 'other'
}

function parameters(cursor: Cursor): boolean {
  while (cursor.takeText(';')) {
    cursor.take(spaces)
    if (cursor.take(key) === null) return false
    if (cursor.takeText('=') && item(cursor) === null) return false
  }
  return true
}
