/** An event as an `EventSource` would dispatch it. */
export interface DispatchedEvent {
  /** `message` where the stream names none. */
  readonly event: string
  readonly data: string
}

/**
 * Interprets an event stream as WHATWG HTML §9.2.6 says, step by step and with nothing of the gateway's in it; what
 * follows the last blank line is discarded.
 */
export function interpret(bytes: Uint8Array): DispatchedEvent[] {
  const events: DispatchedEvent[] = []
  let type = ''
  let data = ''
  for (const line of wholeLines(new TextDecoder().decode(bytes))) {
    if (line === '') {
      if (data !== '') events.push({ event: type === '' ? 'message' : type, data: data.slice(0, -1) })
      type = ''
      data = ''
      continue
    }
    const { field, value } = fieldOf(line)
    if (field === 'event') type = value
    else if (field === 'data') data += `${value}\n`
  }
  return events
}

/** Lines that have ended, by LF, CR or both; `TextDecoder` has taken the byte order mark. */
export function wholeLines(text: string): string[] {
  const lines: string[] = []
  let line = ''
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? ''
    if (character !== '\n' && character !== '\r') {
      line += character
      continue
    }
    if (character === '\r' && text[at + 1] === '\n') at += 1
    lines.push(line)
    line = ''
  }
  return lines
}

function fieldOf(line: string): { readonly field: string; readonly value: string } {
  const colon = line.indexOf(':')
  if (colon === -1) return { field: line, value: '' }
  const value = line.slice(colon + 1)
  return { field: line.slice(0, colon), value: value.startsWith(' ') ? value.slice(1) : value }
}
