import { isJsonObject, parseJson } from '../json.ts'
import { rawCounts, type RawCounts } from './usage-counts.ts'

/** Usage from the end of a JSON document, and how many containers it stood in (1: in the outermost object). */
export interface FoundUsage {
  readonly counts: RawCounts
  readonly depth: number
}

/** So many objects called `usage` are looked at. */
const candidatesMax = 64
/** A tool schema may have a property called `usage`; it lies deeper than any report. */
const reportDepthMax = 2

const quotedKey = '"usage"'
const opensObject = /\s*:\s*\{/y

/**
 * The last usage report in the end of a JSON document whose beginning is not known. The bytes `"usage"` with both
 * quotes bare cannot stand inside a string, but a tool schema may hold an object of that name, so the depth counted
 * from the document's end decides, and of several reports the last one holds.
 *
 * @param text from anywhere in the document to its end
 */
export function usageInEnd(text: string): FoundUsage | null {
  let at = text.length
  for (let tried = 0; tried < candidatesMax && at > 0; tried += 1) {
    at = text.lastIndexOf(quotedKey, at - 1)
    if (at === -1) return null
    const found = reportAt(text, at)
    if (found !== null) return found
  }
  return null
}

function reportAt(text: string, at: number): FoundUsage | null {
  opensObject.lastIndex = at + quotedKey.length
  if (!opensObject.test(text)) return null
  const start = opensObject.lastIndex - 1
  const end = endOfObject(text, start)
  if (end === null) return null
  const depth = closersIn(text.slice(end))
  const usage = parseJson(text.slice(start, end))
  if (depth === null || depth > reportDepthMax || !isJsonObject(usage)) return null
  const counts = rawCounts(usage)
  return counts === null ? null : { counts, depth }
}

/** Index after the brace that closes the one at `start`. */
function endOfObject(text: string, start: number): number | null {
  let open = 0
  for (let at = start; at < text.length; at = nextToken(text, at)) {
    open += step(text[at])
    if (open === 0) return at + 1
  }
  return null
}

/** How many containers the rest of a document closes that it did not open; null when it ends with one open. */
function closersIn(rest: string): number | null {
  let open = 0
  let least = 0
  for (let at = 0; at < rest.length; at = nextToken(rest, at)) {
    open += step(rest[at])
    least = Math.min(least, open)
  }
  return open === least ? -least : null
}

/** Where the next token may begin: after the string that begins at `at`, or one character on. */
function nextToken(text: string, at: number): number {
  if (text[at] !== '"') return at + 1
  let next = at + 1
  while (next < text.length && text[next] !== '"') next += text[next] === '\\' ? 2 : 1
  return next + 1
}

function step(char: string | undefined): number {
  if (char === '{' || char === '[') return 1
  return char === '}' || char === ']' ? -1 : 0
}
