import { connect, type Socket } from 'node:net'

/** One answer, timed from the first byte written to the last byte read. */
interface Timed {
  readonly status: number
  readonly ns: number
  readonly bodyBytes: number
}

/** A keep-alive HTTP/1.1 connection for one request at a time: as little client as can be, so that it is not what is measured. */
export interface Connection {
  /** @throws {Error} when the connection ends or what comes is not HTTP/1.1 */
  readonly ask: (request: Buffer) => Promise<Timed>
  readonly close: () => void
}

export interface RequestParts {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** The bytes of a request (RFC 9112 §3): head and body in one buffer, so that they leave in one write. */
export function requestBytes(
  origin: string,
  { method, path, headers = {}, body = '' }: RequestParts,
): Buffer {
  const all = {
    host: new URL(origin).host,
    ...headers,
    ...(body !== '' && { 'content-length': Buffer.byteLength(body) }),
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
}

/** Opens a connection to an `http:` origin. */
export async function openConnection(origin: string): Promise<Connection> {
  const { hostname, port } = new URL(origin)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve).once('error', reject)
  })
  const ask = (request: Buffer): Promise<Timed> => exchange(socket, request)
  return { ask, close: () => void socket.destroy() }
}

function exchange(socket: Socket, request: Buffer): Promise<Timed> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0)
    const done = (outcome: () => void): void => {
      socket.off('data', onData).off('close', onClose).off('error', reject)
      outcome()
    }
    const onClose = (): void => done(() => reject(new Error('The connection ended before the answer did.')))
    const onData = (piece: Buffer): void => {
      const elapsed: bigint = process.hrtime.bigint() - started
      received = received.length === 0 ? piece : Buffer.concat([received, piece])
      try {
        const answer = wholeAnswer(received)
        if (answer !== null) done(() => resolve({ ...answer, ns: Number(elapsed) }))
      } catch (error) {
        done(() => reject(error))
      }
    }
    socket.on('data', onData).on('close', onClose).on('error', reject)
    const started: bigint = process.hrtime.bigint()
    socket.write(request)
  })
}

/**
 * Status and body size of an answer, or null while bytes are missing (RFC 9112 §6.3, without bodies that end with the
 * connection).
 * @throws {Error} when the bytes are no such answer
 */
export function wholeAnswer(
  received: Buffer,
): { readonly status: number; readonly bodyBytes: number } | null {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd < 0) return null
  const head = received.toString('latin1', 0, headEnd + 2).toLowerCase()
  const status = Number(/^http\/1\.1 (\d{3})/.exec(head)?.[1] ?? Number.NaN)
  if (Number.isNaN(status)) throw new Error(`Not an HTTP/1.1 answer: ${head.slice(0, 80)}`)
  const bodyStart = headEnd + 4
  if (status === 204 || status === 304) return { status, bodyBytes: 0 }
  if (/\r\ntransfer-encoding:\s*chunked\r\n/.test(head)) {
    const bodyBytes = chunkedBytes(received, bodyStart)
    return bodyBytes === null ? null : { status, bodyBytes }
  }
  const length = /\r\ncontent-length:\s*(\d+)\r\n/.exec(head)?.[1]
  if (length === undefined) throw new Error('The answer says neither content-length nor chunked.')
  return received.length - bodyStart >= Number(length) ? { status, bodyBytes: Number(length) } : null
}

/** Size of a chunked body without its framing (RFC 9112 §7.1), or null while its end is missing. */
function chunkedBytes(received: Buffer, start: number): number | null {
  let at = start
  let bytes = 0
  for (;;) {
    const lineEnd = received.indexOf('\r\n', at)
    if (lineEnd < 0) return null
    const line = received.toString('latin1', at, lineEnd)
    const size = Number.parseInt(line, 16)
    if (!/^[0-9a-f]+/i.test(line)) throw new Error(`Not a chunk size: ${line.slice(0, 40)}`)
    // Trailers, if any, end with an empty line too.
    if (size === 0) return received.indexOf('\r\n\r\n', lineEnd) < 0 ? null : bytes
    bytes += size
    at = lineEnd + 2 + size + 2
  }
}
