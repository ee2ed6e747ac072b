import { closestName } from './closest-name.ts'
import { describeName, describeValue, namesSecret } from './describe-value.ts'
import type { ProblemList } from './problem-list.ts'

/** A value of the document, where it stands, and where its problems are noted. */
export interface Place {
  readonly value: unknown
  /** JSON path. */
  readonly path: string
  /** Whether secrets stand here, so that the value is never shown. */
  readonly secretive: boolean
  readonly problems: ProblemList
}

/** Takes a value from its place; notes a problem and gives undefined when it is not what is wanted. */
export type Reader<T> = (place: Place) => T | undefined

/** An object's fields by name; absent ones are places without a value. */
export type Fields = (name: string) => Place

/** Names that mean something to JavaScript on every object. */
const reservedNames = new Set(['__proto__', 'constructor', 'prototype'])

/** Notes that a place holds something else than expected. */
export function note(place: Place, expected: string, found?: string): void {
  place.problems.add(place.path, expected, found ?? describeValue(place.value, place.secretive))
}

/** The value, or `fallback` where there is none or it is wrong (which is then noted). */
export function optional<T>(place: Place, reader: Reader<T>, fallback: T): T {
  return place.value === undefined ? fallback : (reader(place) ?? fallback)
}

/** The same, where `null` says the same as leaving the field out. */
export function optionalOrNull<T>(place: Place, reader: Reader<T>): T | null {
  return place.value === undefined || place.value === null ? null : (reader(place) ?? null)
}

/** The fields of an object that has no others than `known` ones. */
export function readFields(place: Place, known: readonly string[]): Fields | undefined {
  const entries = readEntries(place)
  if (entries === undefined) return undefined
  for (const [name, child] of entries) {
    if (known.includes(name)) continue
    const meant = closestName(name, known)
    const hint = meant === null ? `one of ${known.join(', ')}` : `\`${meant}\`; did you mean that?`
    note(child, hint, `the unknown name ${describeName(name)}`)
  }
  return (name) => entries.get(name) ?? childOf(place, name, undefined)
}

/** An object's own entries in their order; names with a meaning in JavaScript are refused. */
export function readEntries(place: Place): ReadonlyMap<string, Place> | undefined {
  const { value } = place
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    note(place, 'an object')
    return undefined
  }
  const entries = new Map<string, Place>()
  for (const [name, child] of Object.entries(value)) {
    if (reservedNames.has(name))
      note(childOf(place, name, child), 'another name', `the reserved name ${name}`)
    else entries.set(name, childOf(place, name, child))
  }
  return entries
}

/** The elements of a list that is not longer than `countMax`. */
export function readElements(place: Place, countMax: number): readonly Place[] | undefined {
  const { value } = place
  if (!Array.isArray(value) || value.length > countMax) {
    note(place, `a list of at most ${countMax}`)
    return undefined
  }
  const { path, secretive, problems } = place
  return value.map((element: unknown, at) => ({
    value: element,
    path: `${path}[${at}]`,
    secretive,
    problems,
  }))
}

/** Whether a list stands there that holds nothing. */
export function isEmptyList(place: Place): boolean {
  return Array.isArray(place.value) && place.value.length === 0
}

function childOf(parent: Place, name: string, value: unknown): Place {
  const step = /^[A-Za-z_]\w*$/.test(name)
    ? `.${describeName(name)}`
    : `[${JSON.stringify(describeName(name))}]`
  return {
    value,
    path: parent.path + step,
    secretive: parent.secretive || namesSecret(name),
    problems: parent.problems,
  }
}
