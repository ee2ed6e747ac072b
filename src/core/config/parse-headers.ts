import { foldName, hopByHop } from '../http/hop-by-hop.ts'
import { note, optional, type Place, readEntries, readFields, type Reader } from './place.ts'
import { setOf } from './readers.ts'
import type { HeaderEdits } from './types.ts'

const editsMax = 100
const nameLengthMax = 128
const valueLengthMax = 4_096

/** `token` of RFC 9110 §5.6.2. */
const token = /^[\w!#$%&'*+.^`|~-]+$/
const ownHeaders = new Set([...hopByHop, 'host', 'content-length'])

const headerNameExpected =
  'a header name that is not of the connection (RFC 9110 §7.6.1), Host, Content-Length or x-sluice-*'

/** No edits. */
const noEdits: HeaderEdits = { remove: [], set: {} }

/** A header name that the configuration may speak of, in lower case. */
export const headerName: Reader<string> = (place) => {
  const { value } = place
  if (typeof value === 'string' && isEditable(value)) return value.toLowerCase()
  note(place, headerNameExpected)
  return undefined
}

/** Whether a text can be a header's value: visible ASCII, spaces and tabs (RFC 9110 §5.5), or a part of one. */
export function isHeaderText(text: string): boolean {
  return text.length <= valueLengthMax && /^[\t -~]*$/.test(text)
}

/** `{request, response}`, each with what to remove and to set. */
export function parseHeaders(place: Place): { request: HeaderEdits; response: HeaderEdits } {
  const field = place.value === undefined ? undefined : readFields(place, ['request', 'response'])
  if (field === undefined) return { request: noEdits, response: noEdits }
  return { request: parseEdits(field('request')), response: parseEdits(field('response')) }
}

function parseEdits(place: Place): HeaderEdits {
  const field = place.value === undefined ? undefined : readFields(place, ['remove', 'set'])
  if (field === undefined) return noEdits
  return {
    remove: optional(field('remove'), setOf(headerName, editsMax), []),
    set: optional(field('set'), headerValues, {}),
  }
}

const headerValues: Reader<Readonly<Record<string, string>>> = (place) => {
  const entries = readEntries(place)
  if (entries === undefined) return undefined
  if (entries.size > editsMax) note(place, `at most ${editsMax} headers`, `${entries.size}`)
  const values = new Map<string, string>()
  for (const [name, child] of entries) {
    const lowerCase = name.toLowerCase()
    if (!isEditable(name)) note(child, headerNameExpected, 'another name')
    else if (values.has(lowerCase)) note(child, 'each header once', 'the same name in another case')
    const value = headerValue(child)
    if (value !== undefined) values.set(lowerCase, value)
  }
  return Object.fromEntries(values)
}

const headerValue: Reader<string> = (place) => {
  const { value } = place
  const isText = typeof value === 'string'
  if (isText && isHeaderText(value) && value.trim() === value) return value
  note(
    place,
    `a header value: at most ${valueLengthMax} characters of visible ASCII, no space at either end`,
    isText ? `a string of ${value.length} characters (not shown)` : undefined,
  )
  return undefined
}

function isEditable(name: string): boolean {
  const folded = foldName(name.toLowerCase())
  const known = name.length <= nameLengthMax && token.test(name)
  return known && !ownHeaders.has(folded) && !folded.startsWith('x-sluice-')
}
