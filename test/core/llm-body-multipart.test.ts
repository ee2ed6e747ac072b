import { describe, expect, it } from 'vitest'
import { multipartBoundary } from '../../src/core/llm/multipart-headers.ts'
import {
  type FieldEdit,
  MultipartRewriter,
  type RewrittenForm,
} from '../../src/core/llm/multipart-rewriter.ts'
import { isRefusal, type Outcome } from '../../src/core/outcome.ts'

interface Sent extends RewrittenForm {
  readonly bytes: Uint8Array
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const boundary = '----b0undary'
const rename = new Map<string, FieldEdit>([['model', () => 'whisper-2']])
const leave = new Map<string, FieldEdit>([['model', () => undefined]])

function rewrite(form: Uint8Array, edits: ReadonlyMap<string, FieldEdit>, size = form.length): Outcome<Sent> {
  const rewriter = new MultipartRewriter(boundary, edits)
  const sent: Uint8Array[] = []
  for (let at = 0; at < form.length; at += size) {
    const pieces = rewriter.push(form.slice(at, at + size))
    if (isRefusal(pieces)) return pieces
    sent.push(...pieces)
  }
  const end = rewriter.end()
  return isRefusal(end) ? end : { ...end, bytes: new Uint8Array(Buffer.concat(sent)) }
}

/** A form of parts, each of header lines and a body. */
function formOf(parts: readonly (readonly [headers: string, body: string])[]): string {
  return (
    parts.map(([headers, body]) => `--${boundary}\r\n${headers}\r\n\r\n${body}\r\n`).join('') +
    `--${boundary}--\r\n`
  )
}

const field = (name: string, value: string): [string, string] => [
  `Content-Disposition: form-data; name="${name}"`,
  value,
]
const audio: [string, string] = [
  'Content-Disposition: form-data; name="file"; filename="a b.mp3"\r\nContent-Type: audio/mpeg',
  'ID3\r\n--\r\n----b0undar\r\n\0\u0001',
]

describe('rewriting a field of a form', () => {
  const before = formOf([audio, field('model', 'whisper-1'), field('language', 'en')])
  const after = formOf([audio, field('model', 'whisper-2'), field('language', 'en')])

  it('changes its value and nothing else, in pieces of any size', () => {
    for (let size = 1; size <= before.length; size += 1) {
      const sent = rewrite(encoder.encode(before), rename, size)
      if (isRefusal(sent)) throw new Error(JSON.stringify(sent))
      expect(decoder.decode(sent.bytes)).toBe(after)
      expect(sent).toMatchObject({ fields: new Map([['model', 'whisper-1']]), lengthDelta: 0 })
    }
  })

  it('leaves the form alone when the value stays', () => {
    expect(rewrite(encoder.encode(before), leave)).toMatchObject({
      bytes: encoder.encode(before),
      lengthDelta: 0,
    })
  })

  it('adds a field that is missing', () => {
    const sent = rewrite(encoder.encode(formOf([audio])), rename)
    if (isRefusal(sent)) throw new Error(JSON.stringify(sent))
    expect(decoder.decode(sent.bytes)).toBe(formOf([audio, field('model', 'whisper-2')]))
    expect(sent.lengthDelta).toBe(sent.bytes.length - formOf([audio]).length)
  })

  it('finds a field behind a file of megabytes, and one before it', () => {
    const file: [string, string] = [audio[0], '\r\n-----x'.repeat(400_000)]
    for (const parts of [
      [file, field('model', 'whisper-1')],
      [field('model', 'whisper-1'), file],
    ]) {
      expect(rewrite(encoder.encode(formOf(parts)), leave, 65_536)).toMatchObject({
        fields: new Map([['model', 'whisper-1']]),
      })
    }
  })

  it.each([
    ['Content-Disposition: form-data; name=model'],
    ['content-disposition:form-data;name="model"'],
    ['Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=model'],
    [
      'Content-Disposition: form-data; name="model"\r\nContent-Transfer-Encoding: binary\r\nContent-Length: 9',
    ],
  ])('reads the headers that clients write: %j', (headers) => {
    expect(rewrite(encoder.encode(formOf([[headers, 'whisper-1']])), leave)).toMatchObject({
      fields: new Map([['model', 'whisper-1']]),
    })
  })

  it('reads what FormData writes', async () => {
    const form = new FormData()
    form.set('file', new File([new Uint8Array(5_000).fill(45)], 'größe "1".wav'))
    form.set('model', 'whisper-1')
    const written = new Response(form)
    const found = multipartBoundary(written.headers.get('content-type') ?? '')
    if (isRefusal(found)) throw new Error(JSON.stringify(found))
    const rewriter = new MultipartRewriter(found, rename)
    const pieces = rewriter.push(new Uint8Array(await written.arrayBuffer()))
    if (isRefusal(pieces)) throw new Error(JSON.stringify(pieces))
    const type = written.headers.get('content-type') ?? ''
    const sent = await new Response(Buffer.concat(pieces), { headers: { 'content-type': type } }).formData()
    expect(sent.get('model')).toBe('whisper-2')
    expect((sent.get('file') as File).size).toBe(5_000)
    expect(isRefusal(rewriter.end())).toBe(false)
  })
})

describe('forms that servers may read differently are refused', () => {
  const model = field('model', 'whisper-1')
  const disposition = 'Content-Disposition: form-data'

  it.each<[string, string]>([
    ['a second field', formOf([model, audio, field('model', 'other')])],
    ['a field in another case', formOf([field('Model', 'other')])],
    ['a field of a list', formOf([model, field('model[]', 'other')])],
    ['a field that is a file', formOf([[`${disposition}; name="model"; filename="m"`, 'other']])],
    [
      'a field of another type',
      formOf([[`${disposition}; name="model"\r\nContent-Type: application/json`, '"other"']]),
    ],
    [
      'a field in another encoding',
      formOf([[`${disposition}; name="model"\r\nContent-Transfer-Encoding: base64`, 'b3RoZXI=']]),
    ],
    ['a field in another character set', formOf([model, field('_charset_', 'utf-16')])],
    ['a name behind a file name', formOf([[`${disposition}; filename="x"; name="model"`, 'other']])],
    [
      'a name within a file name',
      formOf([[`${disposition}; name="file"; filename="x; name=model"`, 'other']]),
    ],
    [
      'a name behind an escaped quote',
      formOf([[`${disposition}; name="file"; filename="x\\"; name="model"`, 'other']]),
    ],
    ['two names', formOf([[`${disposition}; name="file"; name="model"`, 'other']])],
    ['an extended name', formOf([[`${disposition}; name*=utf-8''model`, 'other']])],
    ['an escaped name', formOf([[`${disposition}; name="mo\\del"`, 'other']])],
    ['no disposition', formOf([['X: y', 'other']])],
    ['a repeated header', formOf([[`${disposition}; name="a"\r\n${disposition}; name="model"`, 'other']])],
    ['a folded header', formOf([[`${disposition};\r\n name="model"`, 'other']])],
    [
      'a bare line feed in headers',
      formOf([[`${disposition}; name="a"\n${disposition}; name="model"`, 'other']]),
    ],
    [
      'parts within a part',
      formOf([[`${disposition}; name="a"\r\nContent-Type: multipart/mixed; boundary=x`, 'other']]),
    ],
    [
      'a boundary behind a bare line feed',
      formOf([['Content-Disposition: form-data; name="a"', `x\n--${boundary}\r\n${model[0]}\r\n\r\nother`]]),
    ],
    [
      'a boundary with more behind it',
      formOf([[`${disposition}; name="a"`, `x\r\n--${boundary} \r\n${model[0]}\r\n\r\nother`]]),
    ],
    ['a boundary in headers', formOf([[`${disposition}; name="a"\r\nX: --${boundary}`, 'x']])],
    ['something before the first boundary', `x\r\n${formOf([model])}`],
    ['something behind the last', `${formOf([model])}--${boundary}\r\n${model[0]}\r\n\r\nother`],
    ['too long a value', formOf([field('model', 'x'.repeat(5_000))])],
    ['too long headers', formOf([[`${disposition}; name="${'a'.repeat(9_000)}"`, 'x']])],
    ['headers without an end', `--${boundary}\r\n${'X: y\r\n'.repeat(2_000)}`],
    ['a form that breaks off', formOf([model]).slice(0, -4)],
    ['nothing', ''],
  ])('%s', (_, form) => {
    for (const size of [1, 7, form.length + 1]) {
      expect(rewrite(encoder.encode(form), leave, size)).toMatchObject({ refused: 'malformed_request' })
    }
  })

  it('a value that is not UTF-8', () => {
    const form = encoder.encode(formOf([field('model', 'x')])).map((byte) => (byte === 0x78 ? 0xff : byte))
    expect(rewrite(form, leave)).toMatchObject({ refused: 'malformed_request' })
  })

  it('passes on the refusal of an edit, also for a field that never comes', () => {
    const refusal = { refused: 'malformed_request', detail: 'Name a model this key may use.' } as const
    const demand = new Map<string, FieldEdit>([
      ['model', (value) => (value === 'good' ? undefined : refusal)],
    ])
    expect(rewrite(encoder.encode(formOf([field('model', 'bad')])), demand)).toBe(refusal)
    expect(rewrite(encoder.encode(formOf([audio])), demand)).toBe(refusal)
    expect(isRefusal(rewrite(encoder.encode(formOf([field('model', 'good')])), demand))).toBe(false)
  })
})

describe('the boundary', () => {
  it.each([
    ['multipart/form-data; boundary=----b0undary', '----b0undary'],
    ['multipart/form-data; boundary=b; charset=UTF-8', 'b'],
    ['multipart/form-data; charset="utf-8"; boundary=b', 'b'],
    ['Multipart/Form-Data;Boundary="a b(c)"', 'a b(c)'],
  ])('of %j', (contentType, wanted) => {
    expect(multipartBoundary(contentType)).toBe(wanted)
  })

  it.each([
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=a; boundary=b',
    'multipart/form-data; boundary="a',
    'multipart/form-data; boundary="a "',
    `multipart/form-data; boundary=${'a'.repeat(71)}`,
    "multipart/form-data; boundary*=utf-8''a",
    'multipart/form-data; charset=utf-16; boundary=a',
    'multipart/mixed; boundary=a',
  ])('is refused in %j', (contentType) => {
    expect(multipartBoundary(contentType)).toMatchObject({ refused: 'malformed_request' })
  })
})
