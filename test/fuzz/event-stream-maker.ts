import type { Draw } from './draw.ts'
import type { Json } from './target.ts'

const texts = [
  '',
  'a',
  '\\',
  '"',
  '\\"',
  'h\u00e9llo',
  '\u{1f389}',
  '{[',
  '\n\n',
  'data: x',
  '[DONE]',
  '\u0000',
  '\u2028',
  'error',
  '\\u00',
]
const names = ['id', 'choices', 'error', 'type', 'delta', '__proto__', '', 'a"b', 'message']

function makeText(draw: Draw): string {
  return draw.many(3, () => draw.pick(texts)).join('')
}

function makeJson(draw: Draw, depth: number): Json {
  const kind = draw.below(depth > 2 ? 5 : 7)
  if (kind === 0) return makeText(draw)
  if (kind === 1) return draw.pick([0, -1, 12, 1.5e21, -0.25, 1e-7])
  if (kind < 5) return draw.pick([true, false, null])
  return kind === 5 ? draw.many(3, () => makeJson(draw, depth + 1)) : makeObject(draw, depth + 1)
}

function makeObject(draw: Draw, depth = 0): Json {
  return Object.fromEntries(draw.many(4, () => [draw.pick(names), makeJson(draw, depth)]))
}

/** Data that is no plain JSON object: not JSON at all, broken, followed by more, or of several lines. */
const oddData = [
  '[DONE]',
  '',
  'text',
  '[1,2]',
  '{',
  '{}{}',
  '{"a":1} x',
  '{"a":tru_',
  '{"a":1',
  '}',
  'null',
  '{"a":.',
]
const oddLines = [
  'data',
  'data:',
  'dat',
  'database: {}',
  'Data: {}',
  ' data: {}',
  'event',
  'event:error',
  'id: 7\u0000',
  '\u00ef\u00bb\u00bfdata: {}',
  '\u00ff\u00fe',
  'field: {"a":1}',
]

function makeData(draw: Draw): string {
  if (draw.rarely(5)) return draw.pick(oddData)
  const value = makeObject(draw)
  return draw.rarely(8) ? JSON.stringify(value, null, 1).replaceAll('\n', ' ') : JSON.stringify(value)
}

function makeLine(draw: Draw): string {
  const kind = draw.below(8)
  if (kind < 3) return `data:${draw.pick([' ', ' ', ' ', '', '  '])}${makeData(draw)}`
  if (kind === 3) return `event: ${draw.pick(['message_start', 'error', 'ping', 'response.created', ''])}`
  if (kind === 4) return `id: ${draw.below(300)}`
  if (kind === 5) return `: ${draw.pick(['keep-alive', '', 'data: {}'])}`
  return kind === 6 ? 'retry: 10' : draw.pick(oddLines)
}

/** An event as providers write it, or one of any lines. */
function makeEvent(draw: Draw): readonly string[] {
  if (draw.rarely(3)) return draw.many(5, () => makeLine(draw))
  const data = `data: ${draw.rarely(12) ? '[DONE]' : makeData(draw)}`
  return draw.rarely(2) ? [`event: ${draw.pick(['message_start', 'delta'])}`, data] : [data]
}

/** An event stream, one Latin-1 character a byte: mostly well formed, with one kind of line end. */
export function makeStream(draw: Draw): string {
  const usual = draw.pick(['\n', '\n', '\r\n', '\r'])
  const lineEnd = () => (draw.rarely(24) ? draw.pick(['\n', '\r\n', '\r', '\n\r']) : usual)
  const events = draw.many(6, () => [...makeEvent(draw), ''].map((line) => line + lineEnd()).join(''))
  const start = draw.rarely(12) ? draw.pick(['\ufeff', '\n', '\r\n\r\n', ':\n\n']) : ''
  const stream = latin1(start + events.join(''))
  if (!draw.rarely(12)) return stream
  const at = draw.below(stream.length + 1)
  return stream.slice(0, at) + latin1(draw.text(4)) + stream.slice(at)
}

/** The UTF-8 bytes of a text, one character each; what stands for a byte already stays one. */
function latin1(text: string): string {
  return Array.from(text, (character) =>
    character >= '\u0080' && character <= '\u00ff' ? character : utf8(character),
  ).join('')
}

function utf8(character: string): string {
  return String.fromCharCode(...new TextEncoder().encode(character))
}
