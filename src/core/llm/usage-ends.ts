import { parseJson } from '../json.ts'
import { Tail } from '../stream/sse-tail.ts'
import { usageInEnd } from './usage-fragment.ts'
import { splitEvents } from './usage-event.ts'
import { StreamUsage } from './usage-stream.ts'
import type { UsageReading } from './usage.ts'

/** Holds Anthropic's `message_start` and the model's name in the first chunk of the others. */
const headBytes = 8192
/** Usage has been seen at most 1,050 bytes before the end of a stream. */
const tailBytes = 16_384

const decoder = new TextDecoder()
const modelMember = /"model"\s*:\s*("(?:[^"\\]|\\.)*")/
/** A line end in the middle of an event, with what begins the next data line. */
const dataBreak = /(?:\r\n|\n|\r)(?:data: ?)?/g

/** The first and the last bytes of a body that is not kept whole. */
export class BodyEnds {
  readonly tail: Tail
  readonly #head = new Uint8Array(headBytes)
  #kept = 0

  /** @param tail takes the pieces too; the caller need not push them to it */
  constructor(tail: Tail = new Tail(tailBytes)) {
    this.tail = tail
  }

  /** @param piece copied where needed, so its buffer may be used again */
  push(piece: Uint8Array): void {
    if (this.#kept < headBytes) {
      const first = piece.subarray(0, headBytes - this.#kept)
      this.#head.set(first, this.#kept)
      this.#kept += first.length
    }
    this.tail.push(piece)
  }

  get head(): Uint8Array {
    return this.#head.subarray(0, this.#kept)
  }

  /** The body from beginning to end, or null where bytes between the two ends are missing. */
  whole(): Uint8Array | null {
    const { bytes, last } = this.tail
    const before = bytes - last.length
    if (before > this.#kept) return null
    const whole = new Uint8Array(bytes)
    whole.set(this.#head.subarray(0, before))
    whole.set(last, before)
    return whole
  }
}

/**
 * What the events of a stream say of its usage, from its two ends. It is what `StreamUsage` reads from all events as
 * long as the last report lies in the tail, and `message_start` and the first model name in the head.
 */
export function readStreamEnds(ends: BodyEnds): UsageReading {
  const usage = new StreamUsage()
  const whole = ends.whole()
  if (whole !== null) {
    for (const event of splitEvents(decoder.decode(whole))) usage.eventText(event)
    return usage.reading()
  }
  readHead(decoder.decode(ends.head), usage)
  readTail(decoder.decode(ends.tail.last), usage)
  return usage.reading()
}

function readHead(text: string, usage: StreamUsage): void {
  for (const event of splitEvents(text).slice(0, -1)) usage.eventText(event)
  usage.skipAhead()
  if (usage.model === null) usage.model = modelIn(text)
}

function readTail(text: string, usage: StreamUsage): void {
  const [first = '', ...events] = splitEvents(text)
  // The first event has mostly lost its beginning.
  if (!usage.eventText(first) && events.length > 0) {
    const found = usageInEnd(first.replaceAll(dataBreak, ''))
    if (found !== null) usage.fragment(found.counts, found.depth > 1)
  }
  for (const event of events) usage.eventText(event)
}

/** The first model that a cut-off beginning of JSON names. */
export function modelIn(text: string): string | null {
  const name = parseJson(modelMember.exec(text)?.[1] ?? '')
  return typeof name === 'string' ? name : null
}
