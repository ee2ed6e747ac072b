import type { ErrorEvent } from '../dialect/dialect.ts'
import { completeObject } from './half-json.ts'

const encoder = new TextEncoder()
/** One character a byte, so that a half character at the end does no harm. */
const latin1 = new TextDecoder('latin1')
/** At the start of a stream it is skipped, elsewhere it spoils the name of its field; here nobody knows which. */
const byteOrderMark = '\u00EF\u00BB\u00BF'

/**
 * What to send after an event stream that broke off, so that its reader meets an error event of its dialect and no
 * half event is taken for a whole one. A half event cannot be taken back; where its data is a JSON object, the object
 * is completed into the error event itself.
 *
 * @param unfinished bytes after the last blank line; empty when the stream broke off between events; null if unknown
 * @returns bytes to send, or null when nothing can be sent that would not be misread (the connection then just breaks)
 */
export function closingBytes(unfinished: Uint8Array | null, error: ErrorEvent): Uint8Array | null {
  if (unfinished === null) return null
  const text = closingText(latin1.decode(unfinished), error)
  return text === null ? null : encoder.encode(text)
}

function closingText(half: string, error: ErrorEvent): string | null {
  if (half === '') return errorEvent(error)
  if (half.startsWith(byteOrderMark)) return null
  // A line feed would end the same line again.
  const eol = half.endsWith('\r') ? '\r' : (/\r\n|\r|\n/.exec(half)?.[0] ?? '\n')
  const lines = half.split(/\r\n|\r|\n/)
  const last = lines.pop() ?? ''
  const data = lines.filter((line) => fieldOf(line) === 'data').map(valueOf)
  if (fieldOf(last) !== 'data') return afterWholeLines(data, last, error, eol)
  if (data.length > 0) return null
  return afterHalfData(valueOf(last), error, eol)
}

/** The stream broke off after the end of a line, or in a line that is not data. */
function afterWholeLines(
  data: readonly string[],
  last: string,
  error: ErrorEvent,
  eol: string,
): string | null {
  const endOfLine = last === '' ? '' : eol
  if (data.length === 0) return endOfLine + errorEvent(error)
  if (beginsEventField(last)) return null
  return isObject(data.join('\n')) ? endOfLine + eol + errorEvent(error) : null
}

/** Whether a half line is the beginning of one that would name the event. */
function beginsEventField(line: string): boolean {
  const field = fieldOf(line)
  return field !== '' && 'event'.startsWith(field)
}

/** The stream broke off inside a data line. */
function afterHalfData(value: string, error: ErrorEvent, eol: string): string | null {
  if (value === '') return eol + errorEvent(error)
  if (isObject(value)) return eol + eol + errorEvent(error)
  const rest = completeObject(value, JSON.stringify(error.data).slice(1, -1))
  if (rest === null) return null
  return rest + eol + eventLine(error, eol) + eol
}

function errorEvent(error: ErrorEvent): string {
  return `${eventLine(error, '\n')}data: ${JSON.stringify(error.data)}\n\n`
}

/** In a field that repeats, the last `event` line wins (WHATWG HTML §9.2.6). */
function eventLine(error: ErrorEvent, eol: string): string {
  return error.event === null ? '' : `event: ${error.event}${eol}`
}

function fieldOf(line: string): string {
  const colon = line.indexOf(':')
  return colon === -1 ? line : line.slice(0, colon)
}

function valueOf(line: string): string {
  const colon = line.indexOf(':')
  return colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
}

function isObject(text: string): boolean {
  try {
    return text.trimStart().startsWith('{') && typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}
