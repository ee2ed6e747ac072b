import { note, readElements, type Reader } from './place.ts'

/** A string that passes `accepts`. */
export function textThat(expected: string, accepts: (text: string) => boolean): Reader<string> {
  return (place) => {
    if (typeof place.value === 'string' && accepts(place.value)) return place.value
    note(place, expected)
    return undefined
  }
}

/** One of a few words. */
export function oneOf<const T extends string>(...words: readonly T[]): Reader<T> {
  return (place) => {
    const word = words.find((candidate) => candidate === place.value)
    if (word === undefined) note(place, words.map((candidate) => JSON.stringify(candidate)).join(' or '))
    return word
  }
}

/** `true` or `false`. */
export const flag: Reader<boolean> = (place) => {
  if (typeof place.value === 'boolean') return place.value
  note(place, 'true or false')
  return undefined
}

/** A whole number, both bounds included. */
export function integerBetween(least: number, most: number): Reader<number> {
  return (place) => {
    const { value } = place
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
    note(place, `a whole number from ${least} to ${most}`)
    return undefined
  }
}

/** A number from 0 to 1. */
export const share: Reader<number> = (place) => {
  if (typeof place.value === 'number' && place.value >= 0 && place.value <= 1) return place.value
  note(place, 'a number from 0 to 1')
  return undefined
}

/** A number, both bounds included. */
export function numberBetween(least: number, most: number): Reader<number> {
  return (place) => {
    const { value } = place
    if (typeof value === 'number' && value >= least && value <= most) return value
    note(place, `a number from ${least} to ${most}`)
    return undefined
  }
}

/** A list of at most `countMax` different elements. */
export function setOf<T extends string>(element: Reader<T>, countMax: number): Reader<readonly T[]> {
  return (place) => {
    const elements = readElements(place, countMax)
    if (elements === undefined) return undefined
    const seen = new Set<T>()
    for (const each of elements) {
      const value = element(each)
      if (value !== undefined && seen.has(value))
        note(each, 'an element that does not stand in the list before')
      if (value !== undefined) seen.add(value)
    }
    return [...seen]
  }
}
