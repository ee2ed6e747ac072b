import { Buffer } from 'node:buffer'

/** Start line and fields of an HTTP/1.1 message, as they stood on the wire (RFC 9112 §2.1). */
export interface MessageHead {
  readonly startLine: string
  readonly headers: readonly (readonly [name: string, value: string])[]
}

type State =
  | 'head'
  | 'length'
  | 'until close'
  | 'chunk size'
  | 'chunk data'
  | 'chunk end'
  | 'trailer'
  | 'done'

const empty = Buffer.alloc(0)
const incomplete = -1

/** All values of a field, joined as a recipient may (RFC 9110 §5.3); null when there is none. */
export function fieldOf(head: MessageHead, name: string): string | null {
  const values = head.headers.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value)
  return values.length === 0 ? null : values.join(', ')
}

/** Reads one message from bytes in any pieces, and knows whether its body came to its end (RFC 9112 §6, §7.1). */
export class MessageReader {
  head: MessageHead | null = null
  bodyBytes = 0
  readonly #bodiless: (head: MessageHead) => boolean
  readonly #kind: 'request' | 'response'
  readonly #onBody: (piece: Buffer) => void
  #state: State = 'head'
  #carry: Buffer = empty
  #left = 0

  /**
   * @param onBody gets the content, without its framing
   * @param bodiless whether a response with this head has no body whatever it says
   */
  constructor(
    kind: 'request' | 'response',
    onBody: (piece: Buffer) => void,
    bodiless: (head: MessageHead) => boolean = () => false,
  ) {
    this.#kind = kind
    this.#onBody = onBody
    this.#bodiless = bodiless
  }

  /** Whether the message has ended by its own framing. */
  get complete(): boolean {
    return this.#state === 'done'
  }

  /** Whether the sender's closing the connection would be a proper end. */
  get endsWithConnection(): boolean {
    return this.#state === 'until close'
  }

  /** @returns the bytes that follow the message */
  push(piece: Buffer): Buffer {
    let rest = this.#carry.length === 0 ? piece : Buffer.concat([this.#carry, piece])
    this.#carry = empty
    while (this.#state !== 'done') {
      const taken = this.#step(rest)
      if (taken === incomplete) {
        this.#carry = rest
        return empty
      }
      rest = rest.subarray(taken)
    }
    return rest
  }

  #step(bytes: Buffer): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes)
      case 'chunk size':
        return this.#readSize(bytes)
      case 'trailer':
        return this.#readTrailer(bytes)
      case 'chunk end':
        if (bytes.length < 2) return incomplete
        this.#state = 'chunk size'
        return 2
      case 'length':
      case 'chunk data':
      case 'until close':
        return this.#readContent(bytes)
      case 'done':
        return 0
    }
  }

  #readHead(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n\r\n')
    if (end === -1) return incomplete
    const [startLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
    const headers = lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
    })
    this.head = { startLine, headers }
    this.#state = this.#bodyState(this.head)
    return end + 4
  }

  #bodyState(head: MessageHead): State {
    if (this.#bodiless(head)) return 'done'
    if (fieldOf(head, 'transfer-encoding')?.toLowerCase().endsWith('chunked') === true) return 'chunk size'
    const length = fieldOf(head, 'content-length')
    if (length === null) return this.#kind === 'request' ? 'done' : 'until close'
    this.#left = Number(length)
    return this.#left === 0 ? 'done' : 'length'
  }

  #readSize(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n')
    if (end === -1) return incomplete
    this.#left = Number.parseInt(bytes.toString('latin1', 0, end), 16)
    if (Number.isNaN(this.#left)) throw new Error(`not a chunk size: ${bytes.toString('latin1', 0, end)}`)
    this.#state = this.#left === 0 ? 'trailer' : 'chunk data'
    return end + 2
  }

  #readTrailer(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n')
    if (end === -1) return incomplete
    if (end === 0) this.#state = 'done'
    return end + 2
  }

  #readContent(bytes: Buffer): number {
    if (bytes.length === 0) return incomplete
    const bounded = this.#state !== 'until close'
    const piece = bounded ? bytes.subarray(0, this.#left) : bytes
    this.bodyBytes += piece.length
    this.#left -= bounded ? piece.length : 0
    this.#onBody(piece)
    if (bounded && this.#left === 0) this.#state = this.#state === 'length' ? 'done' : 'chunk end'
    return piece.length
  }
}

/** A chunk of the chunked coding (RFC 9112 §7.1). */
export function chunk(data: string | Uint8Array): Buffer {
  const bytes = Buffer.from(data)
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}

/** What ends a chunked body. */
export const lastChunk = '0\r\n\r\n'

/** A head with its blank line. */
export function headText(startLine: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${startLine}\r\n${lines.join('')}\r\n`
}
