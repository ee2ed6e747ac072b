import { Buffer } from 'node:buffer'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { fieldOf, headText, MessageReader, type MessageHead } from './http-message.ts'
import { framesIn, type Frame } from './websocket-frames.ts'

/** A request as it reached the upstream. Times are `performance.now()`. */
export interface ReceivedRequest {
  readonly method: string
  /** Request target, with its query. */
  readonly target: string
  readonly head: MessageHead
  /** Content so far. */
  readonly body: Buffer
  readonly bodyBytes: number
  /** Whether the content came to its end. */
  readonly complete: boolean
  /** When its connection ended; null while it is open. */
  readonly closedMs: number | null
  /** Whether its connection ended with an error, such as a reset. */
  readonly failed: boolean
  field(name: string): string | null
}

/** What a script does with a request. */
export interface UpstreamExchange {
  readonly request: ReceivedRequest
  /** Writes bytes as they are; resolves when they have left, or the connection is gone. */
  send(bytes: string | Uint8Array): Promise<void>
  wait(ms: number): Promise<void>
  /** Waits for the end of the request's content, or of its connection. */
  bodyEnd(): Promise<void>
  /** After an upgrade: what arrives, frame by frame, until the connection ends. */
  frames(): AsyncIterable<Frame>
  /** Stops reading the request, or goes on. */
  pause(): void
  resume(): void
  /** Whether the gateway has gone. */
  readonly left: boolean
  /** FIN. */
  close(): void
  /** RST. */
  reset(): void
}

export type Script = (x: UpstreamExchange) => void | Promise<void>

/** A raw TCP server that answers by script and remembers every byte it got. */
export interface ScriptedUpstream {
  readonly url: string
  readonly port: number
  /** What happens to requests for a path, without its query; `*` for all others. */
  on(path: string, script: Script): void
  /** Requests so far, oldest first; for one path if given. */
  requests(path?: string): readonly ReceivedRequest[]
  /** Connections opened so far. */
  connections(): number
  /** All bytes received so far. */
  received(): Buffer
  forget(): void
  close(): Promise<void>
}

/** A response whose body is sent whole. */
export function wholeAnswer(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Uint8Array,
): Buffer {
  const content = Buffer.from(body)
  const framed = { ...headers, 'content-length': String(content.length) }
  return Buffer.concat([Buffer.from(headText(`HTTP/1.1 ${status} Scripted`, framed)), content])
}

/** The head of a response. */
export function answerHead(status: number, headers: Readonly<Record<string, string>>): string {
  return headText(`HTTP/1.1 ${status} Scripted`, headers)
}

const noScript: Script = (x) => x.send(wholeAnswer(404, { 'content-type': 'text/plain' }, 'no script'))

/** Starts it on the loopback, on a free port. A path without a script gets a 404. */
export async function startScriptedUpstream(): Promise<ScriptedUpstream> {
  const scripts = new Map<string, Script>()
  const fallback = (): Script => scripts.get('*') ?? noScript
  const books: Books = { requests: [], pieces: [], sockets: new Set(), connections: 0 }
  const server = createServer({ noDelay: true }, (socket) => {
    books.connections += 1
    books.sockets.add(socket)
    const connection = new UpstreamConnection(socket, books, (path) => scripts.get(path) ?? fallback())
    connection.listen()
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    on: (path, script) => void scripts.set(path, script),
    requests: (path) => books.requests.filter(({ target }) => path === undefined || pathOf(target) === path),
    connections: () => books.connections,
    received: () => Buffer.concat(books.pieces),
    forget() {
      books.requests = []
      books.pieces = []
      books.connections = 0
    },
    close: () => closed(server, books),
  }
}

interface Books {
  requests: ReceivedRequest[]
  pieces: Buffer[]
  sockets: Set<Socket>
  connections: number
}

/** What is kept of a body: enough to compare, not a hundred megabytes. */
const bodyBytesKept = 1_048_576

class Received implements ReceivedRequest {
  readonly reader: MessageReader
  readonly #content: Buffer[] = []
  closedMs: number | null = null
  failed = false

  constructor() {
    this.reader = new MessageReader('request', (piece) => {
      if (this.reader.bodyBytes <= bodyBytesKept) this.#content.push(Buffer.from(piece))
    })
  }

  get head(): MessageHead {
    return this.reader.head ?? { startLine: '', headers: [] }
  }

  get method(): string {
    return this.head.startLine.split(' ')[0] ?? ''
  }

  get target(): string {
    return this.head.startLine.split(' ')[1] ?? ''
  }

  get body(): Buffer {
    return Buffer.concat(this.#content)
  }

  get bodyBytes(): number {
    return this.reader.bodyBytes
  }

  get complete(): boolean {
    return this.reader.complete
  }

  field(name: string): string | null {
    return fieldOf(this.head, name)
  }
}

/** Serves one request after the other; a script that returns leaves the connection as it is. */
class UpstreamConnection {
  readonly #socket: Socket
  readonly #books: Books
  readonly #scriptOf: (path: string) => Script
  readonly #watchers = new Set<() => void>()
  #current = new Received()
  #begun = false
  #over = false
  /** What arrived after an upgrade; null before. */
  #upgraded: Buffer | null = null

  constructor(socket: Socket, books: Books, scriptOf: (path: string) => Script) {
    this.#socket = socket
    this.#books = books
    this.#scriptOf = scriptOf
  }

  listen(): void {
    this.#socket.on('data', (bytes: Buffer) => this.#take(bytes))
    this.#socket.on('error', () => {
      this.#current.failed = true
    })
    for (const event of ['end', 'close']) this.#socket.on(event, () => this.#end())
  }

  #take(bytes: Buffer): void {
    if (this.#current.bodyBytes <= bodyBytesKept) this.#books.pieces.push(Buffer.from(bytes))
    let rest = bytes
    if (this.#upgraded !== null) {
      this.#upgraded = Buffer.concat([this.#upgraded, bytes])
      rest = bytes.subarray(bytes.length)
    }
    while (rest.length > 0) {
      if (this.#current.complete && this.#begun) {
        this.#current = new Received()
        this.#begun = false
      }
      rest = this.#current.reader.push(rest)
      if (this.#current.reader.head !== null && !this.#begun) this.#begin(this.#current)
    }
    this.#wake()
  }

  #begin(request: Received): void {
    this.#begun = true
    this.#books.requests.push(request)
    void Promise.resolve(this.#scriptOf(pathOf(request.target))(this.#exchangeOf(request)))
  }

  #exchangeOf(request: Received): UpstreamExchange {
    const isOver = (): boolean => this.#over
    return {
      request,
      send: (bytes) => this.#send(bytes),
      wait: (ms) => wait(ms),
      bodyEnd: () => this.#until(() => request.complete),
      frames: () => this.#frames(),
      pause: () => void this.#socket.pause(),
      resume: () => void this.#socket.resume(),
      get left() {
        return isOver()
      },
      close: () => this.#socket.destroy(),
      reset: () => this.#socket.resetAndDestroy(),
    }
  }

  async *#frames(): AsyncGenerator<Frame> {
    this.#upgraded ??= Buffer.alloc(0)
    for (;;) {
      await this.#until(() => framesIn(this.#upgraded ?? Buffer.alloc(0)).frames.length > 0)
      const { frames, rest } = framesIn(this.#upgraded)
      if (frames.length === 0) return
      this.#upgraded = rest
      yield* frames
    }
  }

  #send(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (this.#over || this.#socket.destroyed) resolve()
      else this.#socket.write(bytes, () => resolve())
    })
  }

  #until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!holds() && !this.#over) return
        this.#watchers.delete(check)
        resolve()
      }
      this.#watchers.add(check)
      check()
    })
  }

  #end(): void {
    this.#over = true
    this.#current.closedMs ??= performance.now()
    this.#books.sockets.delete(this.#socket)
    this.#wake()
  }

  #wake(): void {
    for (const check of this.#watchers) check()
  }
}

function pathOf(target: string): string {
  return target.split('?')[0] ?? ''
}

function closed(server: Server, books: Books): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    for (const socket of books.sockets) socket.destroy()
  })
}
