/** Whether the bytes of a body can be read as they are. */
export function isPlain(headers: Headers): boolean {
  return (headers.get('content-encoding') ?? 'identity') === 'identity'
}

/** Whether the headers announce an event stream whose bytes can be read as they are. */
export function isEventStream(headers: Headers): boolean {
  return isPlain(headers) && /^\s*text\/event-stream\b/i.test(headers.get('content-type') ?? '')
}
