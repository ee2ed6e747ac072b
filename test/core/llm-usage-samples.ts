import { readdirSync, readFileSync } from 'node:fs'
import { env } from 'node:process'

export interface Recording {
  readonly name: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** Recorded streams: those of this project, and those of the folder that SSE_CORPUS names. */
export const ownRecordings = recordingsIn(new URL('../fixtures/sse', import.meta.url).pathname)
export const corpus = recordingsIn(env['SSE_CORPUS'])

function recordingsIn(folder: string | undefined): readonly Recording[] {
  if (folder === undefined) return []
  const names = readdirSync(folder).filter((name) => name.endsWith('.sse'))
  return names.toSorted().map((name) => ({
    name: name.slice(0, -4),
    bytes: new Uint8Array(readFileSync(`${folder}/${name}`)),
  }))
}

export const pieceSizes = [1, 7, 300, 4096, Number.MAX_SAFE_INTEGER]

/** The bytes in pieces of one size, each in a buffer that is spoilt when the next one is taken. */
export function* piecesOf(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.slice(at, at + size)
    yield piece
    piece.fill(0x7b)
  }
}

/** The events of a stream as a reader of its bytes cuts them: each up to its blank line, then what is left. */
export function eventsIn(bytes: Uint8Array): Uint8Array[] {
  const events: Uint8Array[] = []
  let start = 0
  let isLineEmpty = true
  for (let at = 0; at < bytes.length; at += 1) {
    const isCrLf = bytes[at] === 13 && bytes[at + 1] === 10
    const endsLine = bytes[at] === 10 || bytes[at] === 13
    if (isCrLf) at += 1
    if (endsLine && isLineEmpty) {
      events.push(bytes.subarray(start, at + 1))
      start = at + 1
    }
    isLineEmpty = endsLine
  }
  if (start < bytes.length) events.push(bytes.subarray(start))
  return events
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** An event stream of data lines; a string stands for itself. */
export function stream(...events: readonly unknown[]): Uint8Array {
  const lines = events.map((event) =>
    typeof event === 'string' ? event : `data: ${JSON.stringify(event)}\n\n`,
  )
  return bytesOf(lines.join(''))
}
