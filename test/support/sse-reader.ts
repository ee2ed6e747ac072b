/** An event as a conforming reader dispatches it (WHATWG HTML §9.2.6). */
export interface SseEvent {
  readonly event: string
  readonly data: string
}

/** Every event that a reader of the whole stream would dispatch; what follows the last blank line is dropped. */
export function eventsIn(stream: Uint8Array): SseEvent[] {
  const text = new TextDecoder().decode(stream)
  const events: SseEvent[] = []
  let event = 'message'
  let data: string[] = []
  const lines = text.split(/\r\n|\r|\n/)
  // What follows the last line end is no line yet.
  for (const line of lines.slice(0, -1)) {
    if (line === '') {
      if (data.length > 0) events.push({ event, data: data.join('\n') })
      event = 'message'
      data = []
      continue
    }
    const colon = line.indexOf(':')
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'event') event = value
    if (name === 'data') data.push(value)
  }
  return events
}
