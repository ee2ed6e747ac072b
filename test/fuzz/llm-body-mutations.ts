/** Bodies of LLM requests and what may be wrong with them. Bodies are bytes: not all of them are text. */
import type { Choices } from './llm-body-random.ts'

const encoder = new TextEncoder()

const content = [
  'Say hello.',
  'Zeile 1\\nZeile \\"2\\"\\t\\\\ende',
  'Größe, 你好世界, мир, 🎉 und \u07ff\u0800\ud7ff\ue000\uffff\u{10ffff}',
  '\\u4f60\\u597d\\ud83d\\ude00 \\ud800 \\uDC00x \\/ \\b\\f\\r',
  'a'.repeat(37),
  '这个问题的答案是什么'.repeat(6),
  'if (a < b && c > d) { return [1, 2, 3] } // "quoted" '.replaceAll('"', '\\"').repeat(3),
]

const members = [
  '"messages":[{"role":"user","content":"#"},{"role":"assistant","content":null}]',
  '"messages": [{"role": "user", "content": [{"type": "text", "text": "#"}]}, {"a": [], "b": {}}]',
  '"input":[1,22,333,0,4444,-5,6.5e-7,true,false,null]',
  '"input":[[101, 7592, 0.25],[102]]',
  '"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]',
  '"temperature":0.7',
  '"metadata":{"model":"nested","stream":[true],"model":"again","x":"#"}',
  '"prompt" : "#"',
  '"stop":["#","b", "c" ,[],"d",1,["e","f"],{"g":["h","i"],"j":"k"},true,"l"]',
  '"prompt":[["#","m"],["n",{}], 10 ,[0,7,10,0],[12,3 , 4]]',
  '"__proto__":{"model":"evil","n":5}',
  '"constructor":{"prototype":{"stream":true}}',
  '"":""',
  '"extra":"#"',
]

const watchedMembers = [
  '"model":"gpt-x"',
  '"m\\u006fdel":"gpt-x"',
  '"model" : "claude-\\u0078"',
  '"stream":true',
  '"stream":false',
  '"stream":null',
  '"stream_options":{"include_usage":true}',
  '"stream_options":{"include_usage":false,"include_obfuscation":false}',
  '"stream_options":{}',
  '"stream_options": { "a" : [{}] , "b":"#" } ',
  '"stream_options":null',
  '"max_tokens":100',
  '"max_tokens":null',
  '"max_completion_tokens":4096',
  '"\\u006d\\u0061\\u0078_completion_tokens":4096',
  '"max_output_tokens":1e3',
  '"n":2',
  '"best_of":3',
  '"user":"u-1"',
]

const brokenMembers = [
  '"model":5',
  '"model":null',
  '"model":"a\\u0000b"',
  '"model":"\\ud800"',
  '"model":" padded "',
  '"model":["gpt-x"]',
  '"Model":"other"',
  '"MODEL":"other"',
  '"\\u004dodel":"other"',
  '"\\u017ftream":true',
  '"ſtream":true',
  '"max_to\u212aens":5',
  '"stream":"true"',
  '"stream":1',
  '"stream_options":[]',
  '"stream_options":{"include_usage":true,"include_usage":false}',
  '"stream_options":{"include_usage":1}',
  '"stream_options":{"Include_Usage":true}',
  '"max_tokens":-1',
  '"max_tokens":-0',
  '"max_tokens":1.5',
  '"max_tokens":"5"',
  '"max_tokens":1E400',
  '"max_tokens":9007199254740993',
  '"n":0',
  '"n":true',
  '"user":5',
  '"user":"\\udc00\\ud800"',
]

const values = [
  '-0',
  '-01',
  '"\\v"',
  '"\\0"',
  '"\\x"',
  '"a\\\'b and more text"',
  '"\\v and more text"',
  '[10,01,2,3,4,5]',
  '[1,2,3,,4,5,6]',
  '1E400',
  '-1e-999',
  '01',
  '.5',
  '1.',
  '+1',
  '0x10',
  'NaN',
  'Infinity',
  '1e',
  '1e+',
  '-',
  '--1',
  '00',
  '1e05',
  '123456789012345678901234567890',
  'True',
  'nul',
  'nulll',
  'undefined',
  "'x'",
  '"\\x41"',
  '"\\u12g4"',
  '"\\u12"',
  '"\\',
  '"a\tb"',
  '"a\nb"',
  '"a\u0000b"',
  '"\u007f"',
  '[1,]',
  '[,1]',
  '{"a":1,}',
  '{"a"}',
  '{"a":}',
  '{a:1}',
  '[1 2]',
  '{"a" "b"}',
  '{"a":1 "b":2}',
  '[}',
  '{]',
  '"\u2028\u2029"',
  '/* c */1',
  '1// c',
  '[[[[[[[[]]]]]]]]',
  '""',
  '{}',
  '[]',
  'tru',
  'falsey',
  '1 ',
  '\u00a01',
  '\ufeff1',
  '"\\ud83d\\ude00"',
  '0.1E-2',
  '1.0',
  '0e0',
  '[0,0,00]',
  '[1,2,3x]',
] as const

const bytesOf: readonly (readonly number[])[] = [
  [0x80],
  [0xbf],
  [0xc0, 0x80],
  [0xc1, 0xbf],
  [0xc2],
  [0xe0, 0x80, 0x80],
  [0xe0, 0x9f, 0xbf],
  [0xe0, 0xa0],
  [0xed, 0xa0, 0x80],
  [0xed, 0xbf, 0xbf],
  [0xed, 0x9f, 0xbf],
  [0xef, 0xbb, 0xbf],
  [0xf0, 0x80, 0x80, 0x80],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xf0, 0x90, 0x80, 0x80],
  [0xf4, 0x8f, 0xbf, 0xbf],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0xff],
  [0xfe],
  [0xe4, 0xbd],
  [0xe4, 0x22, 0xa0],
  [0xf0, 0x9f, 0x98],
  [0x00],
  [0x1f],
  [0x0b],
  [0x0c],
  [0x09],
  [0x0a],
  [0x20],
  [0x22],
  [0x5c],
  [0x2c],
  [0x3a],
  [0x7b],
  [0x7d],
  [0x5b],
  [0x5d],
  [0x5c, 0x75],
  [0xc2, 0xa0],
  [0x27],
  [0x2f, 0x2f],
]

/** A body: whole, of members in any order, in one of the styles of JSON writers. */
export function makeBody(choices: Choices): Uint8Array {
  const chosen = [choices.pick(watchedMembers), choices.pick(members)]
  for (let more = choices.below(5); more > 0; more -= 1) {
    chosen.push(choices.pick(choices.rarely(2) ? watchedMembers : members))
  }
  if (choices.rarely(6)) chosen.push(choices.pick(brokenMembers))
  const unique = choices.rarely(8) ? chosen : chosen.filter((text, at) => firstWithKey(chosen, text) === at)
  for (let at = unique.length - 1; at > 0; at -= 1) swap(unique, at, choices.below(at + 1))
  const written = unique.map((text) => text.replace('#', () => choices.pick(content)))
  const [open, comma, close] = choices.pick(styles)
  return encoder.encode(`${open}${written.join(comma)}${close}`)
}

const styles = [
  ['{', ',', '}'],
  ['{', ',', '}'],
  ['{ ', ', ', ' }'],
  [' \t\r\n{\n  ', ' ,\n  ', '\n}\n'],
  ['{', ' , ', '} \t'],
] as const

function firstWithKey(texts: readonly string[], text: string): number {
  return texts.findIndex((other) => keyOf(other) === keyOf(text))
}

function keyOf(member: string): string {
  return JSON.parse(member.slice(0, member.indexOf(':'))) as string
}

function swap(list: string[], at: number, other: number): void {
  const kept = list[at] as string
  list[at] = list[other] as string
  list[other] = kept
}

type Mutation = (body: Uint8Array, choices: Choices) => Uint8Array

const mutations: readonly Mutation[] = [
  (body, choices) => body.slice(0, choices.below(body.length + 1)),
  (body, choices) => put(body, choices.below(body.length + 1), 0, choices.pick(bytesOf)),
  (body, choices) => put(body, choices.below(body.length + 1), 1, choices.pick(bytesOf)),
  (body, choices) => put(body, choices.below(body.length + 1), 1 + choices.below(4), []),
  (body, choices) => put(body, choices.below(body.length + 1), 1, [choices.below(256)]),
  (body, choices) => put(body, choices.below(body.length + 1), 0, encoder.encode(choices.pick(values))),
  (body, choices) => replaceValue(body, choices, encoder.encode(choices.pick(values))),
  (body, choices) => replaceValue(body, choices, encoder.encode(choices.pick(values))),
  (body, choices) => replaceValue(body, choices, nest(choices)),
  (body, choices) => afterBrace(body, encoder.encode(`${choices.pick(watchedMembers)},`)),
  (body, choices) => afterBrace(body, encoder.encode(`${choices.pick(brokenMembers)},`)),
  (body, choices) =>
    put(body, 0, 0, choices.pick([[0xef, 0xbb, 0xbf], [0x20], [0x0a], [0xc2, 0xa0], [0x00]])),
  (body, choices) =>
    put(body, body.length, 0, choices.pick([[0x20], [0x0a], [0x00], [0x7d], [0x2c], [0x7b, 0x7d]])),
  (body, choices) => put(body, body.length, 0, encoder.encode(choices.pick(values))),
  (body) => encoder.encode(new TextDecoder().decode(body).replaceAll('"', "'")),
  (body) => encoder.encode(`[${new TextDecoder().decode(body)}]`),
  (body, choices) =>
    put(body, choices.below(body.length + 1), 0, encoder.encode(choices.pick(['/**/', '//\n', '#\n']))),
  (body, choices) => inString(body, choices, choices.pick(bytesOf)),
  (body, choices) => inString(body, choices, encoder.encode(choices.pick(content))),
  (body, choices) => put(body, 0, body.length, body.toReversed().slice(choices.below(4))),
]

/** A body with up to three things changed in it. */
export function makeMutatedBody(choices: Choices): Uint8Array {
  let body = makeBody(choices)
  for (let times = choices.below(4); times > 0; times -= 1) body = choices.pick(mutations)(body, choices)
  return body
}

function put(body: Uint8Array, at: number, instead: number, bytes: ArrayLike<number>): Uint8Array {
  return Uint8Array.from([...body.subarray(0, at), ...Array.from(bytes), ...body.subarray(at + instead)])
}

function offsetsOf(body: Uint8Array, byte: number): number[] {
  return [...body.keys()].filter((at) => body[at] === byte)
}

function replaceValue(body: Uint8Array, choices: Choices, value: Uint8Array): Uint8Array {
  const colons = offsetsOf(body, 0x3a)
  if (colons.length === 0) return body
  const at = choices.pick(colons) + 1
  const end = body.findIndex((byte, offset) => offset >= at && (byte === 0x2c || byte === 0x7d))
  return put(body, at, (end < 0 ? body.length : end) - at, value)
}

function nest(choices: Choices): Uint8Array {
  const depth = choices.pick([3, 126, 127, 128, 129, 300])
  const object = choices.rarely(2)
  return encoder.encode(
    (object ? '{"a":' : '[').repeat(depth) + (object ? '0' : '') + (object ? '}' : ']').repeat(depth),
  )
}

function afterBrace(body: Uint8Array, bytes: Uint8Array): Uint8Array {
  const brace = body.indexOf(0x7b)
  return brace < 0 ? body : put(body, brace + 1, 0, bytes)
}

function inString(body: Uint8Array, choices: Choices, bytes: ArrayLike<number>): Uint8Array {
  const quotes = offsetsOf(body, 0x22)
  return quotes.length === 0 ? body : put(body, choices.pick(quotes) + 1, 0, bytes)
}
