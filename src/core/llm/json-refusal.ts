import type { Refusal } from '../refusal.ts'
import { afterF4, done, firstMember, inString, oneMore, start } from './json-grammar.ts'

/** Levels of objects and arrays in one another that a body may have. */
export const depthMax = 128

/** Refuses a body with a sentence for its sender. */
export function malformed(detail: string): Refusal {
  return { refused: 'malformed_request', detail }
}

/** Why a byte cannot stand where it is. Says nothing of the byte itself. */
export function unexpectedByte(state: number, byte: number, offset: number): Refusal {
  if (state === start) {
    return malformed(`The body must be a JSON object; at byte ${offset} it begins as something else.`)
  }
  if (state === done)
    return malformed(`More follows the JSON object at byte ${offset}; send nothing behind it.`)
  const inCharacter = state >= oneMore && state <= afterF4
  if (inCharacter || (state === inString && byte >= 0x80)) {
    return malformed(`The body is not valid UTF-8 at byte ${offset}; encode it as UTF-8.`)
  }
  if (state === inString && byte < 0x20) {
    return malformed(`A string has a control character at byte ${offset}; write it as an escape.`)
  }
  return malformed(`The body is not valid JSON at byte ${offset}; send a JSON object (RFC 8259).`)
}

export function tooDeep(offset: number): Refusal {
  return malformed(`The body nests deeper than ${depthMax} levels at byte ${offset}; nest less.`)
}

export function brokenOff(state: number, offset: number): Refusal {
  if (state === start) return malformed('The body is empty; send a JSON object.')
  const where = state === firstMember ? 'behind its first brace' : `at byte ${offset}`
  return malformed(`The body breaks off ${where}; send the whole JSON object.`)
}

export function sentTwice(key: string, offset: number): Refusal {
  return malformed(`The body has the key \`${key}\` a second time at byte ${offset}; send it once.`)
}

export function otherCase(key: string, offset: number): Refusal {
  return malformed(
    `A key at byte ${offset} differs from \`${key}\` only in case; write \`${key}\` or leave it out.`,
  )
}
