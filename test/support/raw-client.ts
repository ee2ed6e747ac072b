import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fieldOf, headText, MessageReader, type MessageHead } from './http-message.ts'

/** What came back for one request, byte for byte. */
export interface RawAnswer {
  readonly status: number
  readonly head: MessageHead
  /** Content without its framing. */
  readonly body: Buffer
  readonly text: string
  /** `complete`: by its own framing; `cut`: the connection ended first; `reset`: with an error. */
  readonly ended: 'complete' | 'cut' | 'reset'
  /** Bytes of content and when they were read, in milliseconds since the request was sent. */
  readonly pieces: readonly { readonly atMs: number; readonly bytes: number }[]
  readonly tookMs: number
  field(name: string): string | null
}

export interface RawRequest {
  readonly method?: string
  /** Request target as it shall stand on the wire. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent with its content-length, unless the headers frame it themselves. */
  readonly body?: string | Uint8Array
}

/** A place to connect to. */
export interface Address {
  readonly port: number
}

/** The wire form of a request. */
function requestBytes({ method = 'GET', path, headers = {}, body }: RawRequest): Buffer {
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()))
  const content = body === undefined ? Buffer.alloc(0) : Buffer.from(body)
  const framing =
    body !== undefined && !names.has('transfer-encoding') && !names.has('content-length')
      ? { 'content-length': String(content.length) }
      : {}
  const host = names.has('host') ? {} : { host: 'gateway.test' }
  return Buffer.concat([
    Buffer.from(headText(`${method} ${path} HTTP/1.1`, { ...host, ...headers, ...framing }), 'latin1'),
    content,
  ])
}

/** Sends one request on a connection of its own and reads the answer to its end. */
export async function exchange(to: Address, request: RawRequest): Promise<RawAnswer> {
  const connection = await RawConnection.open(to)
  try {
    return await connection.request(request).answer()
  } finally {
    connection.destroy()
  }
}

/** An answer that may still be on its way. */
export class LiveAnswer {
  readonly #connection: RawConnection
  readonly #reader: MessageReader
  readonly #startedMs = performance.now()
  readonly #pieces: { atMs: number; bytes: number }[] = []
  readonly #content: Buffer[] = []

  constructor(connection: RawConnection, method: string, onBody?: (piece: Buffer) => void) {
    this.#connection = connection
    const take = (piece: Buffer): void => {
      this.#pieces.push({ atMs: performance.now() - this.#startedMs, bytes: piece.length })
      if (onBody === undefined) this.#content.push(Buffer.from(piece))
      else onBody(piece)
    }
    this.#reader = new MessageReader('response', take, (head) => isBodiless(method, head))
  }

  /** @returns the bytes that belong to the next answer */
  push(bytes: Buffer): Buffer {
    return this.#reader.push(bytes)
  }

  get complete(): boolean {
    return this.#reader.complete
  }

  /** Null while there is no head. */
  get status(): number | null {
    const { head } = this.#reader
    return head === null ? null : statusOf(head)
  }

  /** Content so far. */
  get body(): Buffer {
    return Buffer.concat(this.#content)
  }

  get bodyBytes(): number {
    return this.#reader.bodyBytes
  }

  /** Waits for the head. @throws {Error} when the connection ends before */
  async head(): Promise<MessageHead> {
    await this.#connection.until(() => this.#reader.head !== null)
    const { head } = this.#reader
    if (head === null) throw new Error('the connection ended before the head of the answer')
    return head
  }

  /** Waits until at least so many bytes of content are there. @throws {Error} when the answer ends before */
  async reaches(bytes: number): Promise<void> {
    await this.#connection.until(() => this.#reader.bodyBytes >= bytes || this.complete)
    if (this.#reader.bodyBytes < bytes) throw new Error(`ended after ${this.#reader.bodyBytes} bytes`)
  }

  /** Waits for the end, whichever it is. @throws {Error} when there was no head */
  async answer(): Promise<RawAnswer> {
    await this.#connection.until(() => this.complete)
    const tookMs = performance.now() - this.#startedMs
    const head = await this.head()
    const { body } = this
    return {
      status: statusOf(head),
      head,
      body,
      text: body.toString(),
      ended: this.#ending(),
      pieces: this.#pieces,
      tookMs,
      field: (name) => fieldOf(head, name),
    }
  }

  #ending(): RawAnswer['ended'] {
    const { failed } = this.#connection
    if (this.complete || (this.#reader.endsWithConnection && !failed)) return 'complete'
    return failed ? 'reset' : 'cut'
  }
}

/** A TCP connection that speaks HTTP/1.1 only as well as it is told to. Answers are matched to requests in order. */
export class RawConnection {
  readonly #socket: Socket
  readonly #awaited: LiveAnswer[] = []
  readonly #watchers = new Set<() => void>()
  #unclaimed = Buffer.alloc(0)
  /** Whether the other side has ended the connection. */
  ended = false
  /** Whether it ended with an error, such as a reset. */
  failed = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('error', () => {
      this.failed = true
    })
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.ended = true
        this.#wake()
      })
    }
  }

  static async open({ port }: Address): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new RawConnection(socket)
  }

  /** Sends a request; its answer is the next one that is not spoken for. `onBody` gets the content in place of `body`. */
  request(request: RawRequest, onBody?: (piece: Buffer) => void): LiveAnswer {
    this.write(requestBytes(request))
    return this.expect(request.method ?? 'GET', onBody)
  }

  /** Expects one more answer, to a request that was or will be written by hand. */
  expect(method = 'GET', onBody?: (piece: Buffer) => void): LiveAnswer {
    const live = new LiveAnswer(this, method, onBody)
    this.#awaited.push(live)
    return live
  }

  /** @returns whether the socket takes more without buffering */
  write(bytes: string | Uint8Array): boolean {
    return this.#socket.write(bytes)
  }

  /** Waits until what was written has left. */
  async drained(): Promise<void> {
    if (this.#socket.writableNeedDrain) await once(this.#socket, 'drain')
  }

  /** What came after the last awaited answer, such as frames after an upgrade. */
  get unclaimed(): Buffer {
    return this.#unclaimed
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Sends FIN and goes on reading. */
  halfClose(): void {
    this.#socket.end()
  }

  /** Sends FIN and reads no more. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Sends RST. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  /** Waits until it holds or the connection has ended. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!holds() && !this.ended) return
        this.#watchers.delete(check)
        resolve()
      }
      this.#watchers.add(check)
      check()
    })
  }

  #take(bytes: Buffer): void {
    let rest = bytes
    while (rest.length > 0) {
      const [current] = this.#awaited
      if (current === undefined) {
        this.#unclaimed = Buffer.concat([this.#unclaimed, rest])
        break
      }
      rest = current.push(rest)
      if (current.complete) this.#awaited.shift()
    }
    this.#wake()
  }

  #wake(): void {
    for (const check of this.#watchers) check()
  }
}

function statusOf({ startLine }: MessageHead): number {
  return Number(startLine.split(' ')[1])
}

function isBodiless(method: string, head: MessageHead): boolean {
  const status = statusOf(head)
  return method === 'HEAD' || status === 204 || status === 304 || (status >= 100 && status < 200)
}
