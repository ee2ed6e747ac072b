/** An event of a stream: the name its `event` line gives it, or null, and its data. */
export interface StreamEvent {
  readonly name: string | null
  readonly data: string
}

const lineEnd = /\r\n|\n|\r/
const blankLine = /(?:\r\n|\n|\r(?!\n)){2}/

/** The texts between the blank lines of an event stream; the last one is what follows the last blank line. */
export function splitEvents(text: string): string[] {
  return text.split(blankLine)
}

/** The event that the lines say, its data lines joined (WHATWG HTML §9.2.6). */
export function eventOf(text: string): StreamEvent {
  let name: string | null = null
  const data: string[] = []
  for (const line of text.split(lineEnd)) {
    const value = line.slice(line.indexOf(':') + 1).replace(/^ /, '')
    if (line.startsWith('event:')) name = value
    else if (line.startsWith('data:')) data.push(value)
  }
  return { name, data: data.join('\n') }
}
