import { dialectOf, type ErrorEvent } from '../../src/core/dialect/dialect.ts'
import { describeRefusal } from '../../src/core/refusal.ts'
import { closingBytes } from '../../src/core/stream/broken-stream.ts'
import { Tail, unfinishedEvent } from '../../src/core/stream/sse-tail.ts'
import { makeStream } from './event-stream-maker.ts'
import { interpret, wholeLines, type DispatchedEvent } from './event-stream-reader.ts'
import type { Draw } from './draw.ts'
import { hold, same, type FuzzTarget } from './target.ts'

interface StreamInput {
  /** What the upstream would have sent, one Latin-1 character a byte. */
  readonly stream: string
  /** After how many bytes it broke off. */
  readonly cut: number
  /** Sizes of the chunks it came in, over and over. */
  readonly chunks: readonly number[]
  /** How many bytes at the end are kept. */
  readonly keep: number
  /** Index into `errors`. */
  readonly error: number
}

const broken = describeRefusal({ refused: 'upstream_broke_off' })
const errors: readonly ErrorEvent[] = [
  dialectOf('openai').errorEvent(broken, 'rid', '/v1/chat/completions'),
  dialectOf('openai').errorEvent(broken, 'rid', '/v1/responses'),
  dialectOf('anthropic').errorEvent(broken, 'rid', '/v1/messages'),
  dialectOf('http').errorEvent(broken, 'rid', '/events'),
]

function make(draw: Draw): StreamInput {
  const keep = draw.pick([16_384, 16_384, 1, 7, 64, 200])
  const error = draw.below(errors.length)
  const chunks = [1 + draw.below(40), ...draw.many(4, () => draw.below(60))]
  const cutAt = draw.below(65_536)
  const stream = makeStream(draw)
  return { stream, cut: draw.rarely(8) ? stream.length : cutAt % (stream.length + 1), chunks, keep, error }
}

const subject = {
  closingBytes,
  unfinishedEvent,
  makeTail: (keep: number): Pick<Tail, 'push' | 'bytes' | 'unfinished'> => new Tail(keep),
}

function bytesOf(latin1: string): Uint8Array {
  return Uint8Array.from(latin1, (character) => character.charCodeAt(0))
}

function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
}

/** The unfinished event as the tail of the stream gives it, however the stream came in chunks. */
function checkTail(input: StreamInput, sent: Uint8Array, tested: typeof subject): Uint8Array | null {
  const tail = tested.makeTail(input.keep)
  for (let at = 0, turn = 0; at < sent.length; turn++) {
    const size = input.chunks[turn % input.chunks.length] ?? 1
    tail.push(sent.subarray(at, at + size))
    at += size
  }
  hold(tail.bytes === sent.length, 'every byte is counted', tail.bytes, sent.length)
  const whole = tested.unfinishedEvent(sent, true)
  const unfinished = tail.unfinished()
  hold(whole !== null, 'the unfinished event of a whole stream is known')
  const known = unfinished === null ? null : textOf(unfinished)
  hold(known === null || known === textOf(whole), 'chunks make no difference', known, textOf(whole))
  // A blank line and the line end before it are at most four bytes.
  const kept = whole.length + 4 <= input.keep || sent.length <= input.keep
  hold(known !== null || !kept, 'what is kept is enough to know the unfinished event', textOf(whole))
  return unfinished
}

/** Whether the event that broke off is one that every provider sends: one data line, the last, with a JSON object. */
function isRegular(input: StreamInput, unfinished: Uint8Array): boolean {
  const rest = input.stream.slice(input.cut - unfinished.length)
  const end = /\r\n\r\n|\n\n|\r\r/.exec(rest)?.index
  if (end === undefined || end < unfinished.length || input.stream.startsWith('\u00ef')) return false
  const lines = rest.slice(0, end).split(/\r\n|\r|\n/)
  const data = lines.pop() ?? ''
  if (!data.startsWith('data: {') || lines.some((line) => !/^(event: |id: |retry: |:)/.test(line)))
    return false
  try {
    JSON.parse(data.slice(6))
    return true
  } catch {
    return false
  }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}

function isError(last: DispatchedEvent | undefined, error: ErrorEvent): boolean {
  const value = parsed(last?.data ?? '')
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const members = value as Readonly<Record<string, unknown>>
  const named = error.event === null || last?.event === error.event
  return named && Object.entries(error.data).every(([name, member]) => same(members[name], member))
}

/** An event that closing the stream completed was complete but for its blank line. */
function checkCompleted(completed: DispatchedEvent, unfinished: Uint8Array): void {
  const value = parsed(completed.data)
  hold(typeof value === 'object' && value !== null, 'only a whole object is completed', completed)
  const text = textOf(unfinished)
  const ended = wholeLines(text).filter((line) => /^event(:|$)/.test(line))
  const named = ended.at(-1)?.replace(/^event:? ?/, '')
  const name = named === undefined || named === '' ? 'message' : named
  hold(same(completed.event, decoded(name)), 'no half name is taken for a whole one', completed, name)
}

function decoded(latin1: string): string {
  return new TextDecoder().decode(bytesOf(latin1))
}

function check(input: StreamInput, tested: typeof subject): readonly string[] {
  const sent = bytesOf(input.stream).subarray(0, input.cut)
  const error = errors[input.error] as ErrorEvent
  const unfinished = checkTail(input, sent, tested)
  const closing = tested.closingBytes(unfinished, error)
  if (closing === null) {
    hold(
      unfinished === null || !isRegular(input, unfinished),
      'an ordinary stream gets its error event',
      input,
    )
    return [unfinished === null ? 'unknown' : 'silent']
  }
  hold(unfinished !== null, 'nothing is said about an unknown end')
  const before = interpret(sent)
  const after = interpret(bytesOf(textOf(sent) + textOf(closing)))
  const more = after.slice(before.length)
  hold(
    same(after.slice(0, before.length), before),
    'all whole events are seen as they were sent',
    before,
    after,
  )
  hold(more.length === 1 || more.length === 2, 'one error event follows', more)
  hold(isError(more.at(-1), error), 'the last event is the error of the dialect', more)
  const completed = more.length === 2 ? more[0] : undefined
  if (completed !== undefined) checkCompleted(completed, unfinished)
  hold(!more.some(({ data }) => data.trim() === '[DONE]'), 'no stream is called done that was not', more)
  const doubled = interpret(bytesOf(`${textOf(sent)}${textOf(closing)}:\n\n`))
  hold(same(doubled, after), 'nothing is left pending', doubled)
  return [kindOf(more, unfinished)]
}

function kindOf(more: readonly DispatchedEvent[], unfinished: Uint8Array): string {
  if (unfinished.length === 0) return 'between_events'
  return more.length === 2 ? 'completed' : 'in_an_event'
}

/** The end of an event stream, and what closes one that broke off. */
export const eventStream: FuzzTarget<StreamInput, typeof subject> = {
  name: 'event-stream',
  bytesMax: 320,
  kinds: ['unknown', 'silent', 'between_events', 'completed', 'in_an_event'],
  subject,
  make,
  check,
}
