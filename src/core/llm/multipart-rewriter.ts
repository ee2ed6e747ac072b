import { isRefusal, type Outcome } from '../outcome.ts'
import type { Refusal } from '../refusal.ts'
import { ByteSearch } from './byte-search.ts'
import { malformed } from './json-refusal.ts'
import { type PartHeaders, partHeadersBytesMax, readPartHeaders } from './multipart-headers.ts'
import { namesParameter } from './query-parameter.ts'

/** Bytes of the value of a watched field. */
const fieldBytesMax = 4 * 1024

/**
 * Decides what to send as a field.
 * @param value what the client sends, `undefined` when the form has no such field
 * @returns the value to send, `undefined` to leave the form alone, or a refusal of the request
 */
export type FieldEdit = (value: string | undefined) => Outcome<string | undefined>

/** What is known of a form once it has passed. */
export interface RewrittenForm {
  /** Values of the watched fields, as the client sent them. */
  readonly fields: ReadonlyMap<string, string>
  /** Bytes by which the form has become longer. */
  readonly lengthDelta: number
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const noBytes = new Uint8Array(0)
const headersEnd = new ByteSearch(encoder.encode('\r\n\r\n'))
/** Fields some servers decode all others by (HTML, "Multipart form data"). */
const charsetField = '_charset_'

type Step = 'more' | 'again' | Refusal

/**
 * Finds the watched fields of a `multipart/form-data` body (RFC 7578) that arrives in chunks, and edits their values.
 * All of the body is searched, so that a second field of the same name cannot hide behind a file. Strict where servers
 * differ: lines end with CRLF, nothing stands before the first or behind the last delimiter, and the boundary appears
 * nowhere else. Holds no more than the headers of a part, or the value of a watched field.
 */
export class MultipartRewriter {
  private readonly edits: ReadonlyMap<string, FieldEdit>
  private readonly boundary: string
  private readonly search: ByteSearch
  private readonly fields = new Map<string, string>()
  private pieces: Uint8Array[] = []
  private refusal: Refusal | null = null
  /** What has come and is not done with; its first byte has the offset `base` in the body. */
  private window: Uint8Array = noBytes
  private base = 0
  private place: 'start' | 'headers' | 'body' | 'end' | 'done' = 'start'
  /** The watched field whose value comes. */
  private field: string | null = null
  private delta = 0

  /** @param boundary from `multipartBoundary` @param edits by name of the field; their fields are the watched ones */
  constructor(boundary: string, edits: ReadonlyMap<string, FieldEdit>) {
    this.edits = edits
    this.boundary = boundary
    this.search = new ByteSearch(encoder.encode(`--${boundary}`))
  }

  /** Takes the next bytes of the form. @returns the bytes to send on, or a refusal and the same one ever after */
  push(chunk: Uint8Array): Outcome<readonly Uint8Array[]> {
    if (this.refusal !== null) return this.refusal
    this.pieces = []
    this.window = joined(this.window, chunk)
    let step: Step = 'again'
    while (step === 'again') step = this.step()
    if (step !== 'more') {
      this.refusal = step
      return step
    }
    this.window = this.window.slice()
    return this.pieces
  }

  /** Says that the form is over. @returns a refusal when it was not whole */
  end(): Outcome<RewrittenForm> {
    const whole = this.window.length === 0 && (this.place === 'end' || this.place === 'done')
    if (!whole) this.refusal ??= malformed('The form breaks off before its end; send all of it.')
    return this.refusal ?? { fields: this.fields, lengthDelta: this.delta }
  }

  private step(): Step {
    switch (this.place) {
      case 'start':
        return this.readStart()
      case 'headers':
        return this.readHeaders()
      case 'body':
        return this.readBody()
      case 'end':
      case 'done':
        return this.readEnd()
    }
  }

  private readStart(): Step {
    const { search, window } = this
    if (window.length < search.length + 2) return 'more'
    return search.isAt(window, 0)
      ? this.passBoundary(search.length)
      : this.broken('must begin with its boundary')
  }

  private readHeaders(): Step {
    const { window } = this
    if (window.length < 2) return 'more'
    const end = window[0] === 0x0d && window[1] === 0x0a ? 0 : headersEnd.in(window)
    if (end < 0 && window.length <= partHeadersBytesMax) return 'more'
    if (end < 0 || end > partHeadersBytesMax) return this.broken('has a part with too long headers')
    const block = decode(window.subarray(0, end))
    if (block === null || this.search.in(window.subarray(0, end)) >= 0)
      return this.broken('has malformed headers')
    const headers = readPartHeaders(block, this.base)
    const refusal = isRefusal(headers) ? headers : this.beginField(headers)
    if (refusal !== null) return refusal
    this.send(end + headersEnd.length)
    this.place = 'body'
    return 'again'
  }

  private beginField({ name, plainText }: PartHeaders): Refusal | null {
    this.field = null
    if (namesParameter(name, charsetField))
      return this.broken('names a character set; send UTF-8 and leave it out')
    for (const field of this.edits.keys()) {
      if (!namesParameter(name, field)) continue
      if (name !== field) return this.broken(`has a field that some servers take for \`${field}\``)
      if (!plainText) return this.broken(`has \`${field}\` as something else than plain text in UTF-8`)
      if (this.fields.has(field)) return this.broken(`has the field \`${field}\` twice`)
      this.field = field
    }
    return null
  }

  private readBody(): Step {
    const found = this.search.in(this.window)
    if (found < 0) return this.readOn()
    const end = found - 2
    if (this.window[end] !== 0x0d || this.window[end + 1] !== 0x0a) {
      return this.broken('has its boundary within a part', found)
    }
    if (this.window.length < found + this.search.length + 2) return 'more'
    const refusal = this.field === null ? null : this.editField(this.field, this.window.subarray(0, end))
    if (refusal !== null) return refusal
    if (this.field === null) this.send(end)
    return this.passBoundary(this.search.length + 2)
  }

  /** What cannot be part of the next delimiter goes on, unless it is a watched value. */
  private readOn(): Step {
    const passed = this.window.length - this.search.length - 1
    if (this.field === null) this.send(Math.max(0, passed))
    else if (passed > fieldBytesMax) return this.broken(`has too long a \`${this.field}\``)
    return 'more'
  }

  private editField(field: string, bytes: Uint8Array): Refusal | null {
    if (bytes.length > fieldBytesMax) return this.broken(`has too long a \`${field}\``)
    const value = decode(bytes)
    if (value === null) return this.broken(`has a \`${field}\` that is not UTF-8`)
    this.fields.set(field, value)
    const wanted = this.edits.get(field)?.(value)
    if (isRefusal(wanted)) return wanted
    if (wanted === undefined || wanted === value) this.send(bytes.length)
    else this.replace(bytes.length, encoder.encode(wanted))
    return null
  }

  /** @param end offset behind the boundary, where two more bytes have come */
  private passBoundary(end: number): Step {
    const first = this.window[end]
    const second = this.window[end + 1]
    this.send(end)
    if (first === 0x0d && second === 0x0a) this.place = 'headers'
    else if (first === 0x2d && second === 0x2d) this.place = 'end'
    else return this.broken('has its boundary where no part begins')
    const refusal = this.place === 'end' ? this.addMissing() : null
    this.send(2)
    return refusal ?? 'again'
  }

  private addMissing(): Refusal | null {
    for (const [field, edit] of this.edits) {
      if (this.fields.has(field)) continue
      const wanted = edit(undefined)
      if (isRefusal(wanted)) return wanted
      if (wanted === undefined) continue
      const disposition = `Content-Disposition: form-data; name="${field}"`
      this.replace(0, encoder.encode(`\r\n${disposition}\r\n\r\n${wanted}\r\n--${this.boundary}`))
    }
    return null
  }

  /** Behind the form one line end may follow. */
  private readEnd(): Step {
    const { window, place } = this
    if (window.length === 0 || (place === 'end' && window.length === 1 && window[0] === 0x0d)) return 'more'
    if (place === 'done' || window[0] !== 0x0d || window[1] !== 0x0a)
      return this.broken('goes on behind its end')
    this.send(2)
    this.place = 'done'
    return 'again'
  }

  private send(length: number): void {
    if (length > 0) this.pieces.push(this.window.subarray(0, length))
    this.window = this.window.subarray(length)
    this.base += length
  }

  private replace(length: number, bytes: Uint8Array): void {
    this.pieces.push(bytes)
    this.delta += bytes.length - length
    this.window = this.window.subarray(length)
    this.base += length
  }

  private broken(what: string, at = 0): Refusal {
    return malformed(`The form ${what} (at byte ${this.base + at}); correct it.`)
  }
}

function decode(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes)
  } catch {
    return null
  }
}

function joined(before: Uint8Array, after: Uint8Array): Uint8Array {
  if (before.length === 0) return after
  const both = new Uint8Array(before.length + after.length)
  both.set(before)
  both.set(after, before.length)
  return both
}
