import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { pathToFileURL } from 'node:url'
import { createMock } from './core.ts'
import type { Mock } from './core.ts'
import type { Fault } from './directive.ts'
import type { Stats } from './ledger.ts'
import { callOfIncoming } from './node-call.ts'
import { carryToNode } from './node-carrier.ts'
import { wait } from './wait.ts'

const HOST = '127.0.0.1'
const KEEP_ALIVE_MS = 75_000
const HEADER_BYTES_MAX = 128 * 1024

export interface RunningMock {
  readonly url: string
  readonly port: number
  readonly stats: () => Stats
  /** As `POST /__set`. */
  readonly set: (rule: unknown) => Fault | undefined
  readonly reset: () => void
  /** Drops all connections and frees the port. */
  readonly close: () => Promise<void>
}

/** Starts the mock on the loopback; port 0 takes a free one. */
export async function startMock({ port = 0 }: { port?: number } = {}): Promise<RunningMock> {
  const mock = createMock({ now, wait, digest: nodeDigest })
  const server = createServer(
    { noDelay: true, keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0, maxHeaderSize: HEADER_BYTES_MAX },
    (request, response) => void serve(mock, request, response),
  )
  server.on('connection', () => mock.connectionOpened())
  await listening(server, port)
  const bound = (server.address() as AddressInfo).port
  const { stats, set, reset } = mock
  return { url: `http://${HOST}:${bound}`, port: bound, stats, set, reset, close: () => closed(server) }
}

/** Epoch milliseconds with microseconds behind the point. */
function now(): number {
  return performance.timeOrigin + performance.now()
}

async function serve(mock: Mock, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const call = callOfIncoming(request)
  const entry = mock.open(call)
  response.on('close', () => mock.settle(entry, response.writableFinished ? 'complete' : 'aborted'))
  try {
    const answer = await mock.answer(call, entry)
    if (response.destroyed) return
    carryToNode(answer, response, { entry, now, cut: () => mock.settle(entry, 'cut') })
    // A paused request would hide that its client has gone.
    request.resume()
  } catch (error) {
    if (response.destroyed || response.headersSent) return
    response.writeHead(500, { 'content-type': 'text/plain' }).end(`mock: ${String(error)}\n`)
  }
}

function nodeDigest() {
  const hash = createHash('sha256')
  return { update: (piece: Uint8Array) => void hash.update(piece), hex: () => hash.digest('hex') }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, HOST, resolve)
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } })
  const mock = await startMock({ port: Number(values.port) })
  process.stdout.write(`mock listening on ${mock.url}\n`)
  const stop = () => void mock.close()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main()
