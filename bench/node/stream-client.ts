import { connect, type Socket } from 'node:net'

/** What one stream brought. */
export interface StreamSeen {
  readonly events: number
  /** Milliseconds from the mock's stamp in an event to its arrival, event by event. */
  readonly delaysMs: readonly number[]
}

/** A keep-alive connection for one event stream at a time. */
export interface StreamConnection {
  /** @throws {Error} when the connection ends or the answer is no chunked success */
  readonly ask: (request: Buffer) => Promise<StreamSeen>
  readonly close: () => void
}

const stamp = Buffer.from('"t":')
const lastChunk = Buffer.from('\r\n0\r\n\r\n')
const success = Buffer.from('HTTP/1.1 200')
/** Longer than a stamp with its number, so that one cut in two is found with the next piece. */
const carryBytes = 32

/** Opens a connection to an `http:` origin. */
export async function openStreamConnection(origin: string): Promise<StreamConnection> {
  const { hostname, port } = new URL(origin)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve).once('error', reject)
  })
  return { ask: (request) => readStream(socket, request), close: () => void socket.destroy() }
}

function readStream(socket: Socket, request: Buffer): Promise<StreamSeen> {
  return new Promise((resolve, reject) => {
    const delaysMs: number[] = []
    let carry: Buffer = Buffer.alloc(0)
    let begun = false
    const done = (outcome: () => void): void => {
      socket.off('data', onData).off('close', onClose).off('error', reject)
      outcome()
    }
    const onClose = (): void => done(() => reject(new Error('The connection ended before the stream did.')))
    const onData = (piece: Buffer): void => {
      const nowMs = performance.timeOrigin + performance.now()
      const bytes = carry.length === 0 ? piece : Buffer.concat([carry, piece])
      if (bytes.length < success.length) {
        carry = bytes
        return
      }
      if (!begun && !bytes.subarray(0, success.length).equals(success)) {
        done(() => reject(new Error(`Not a stream: ${bytes.toString('latin1', 0, 200)}`)))
        return
      }
      begun = true
      const rest = takeStamps(bytes, nowMs, delaysMs)
      if (bytes.subarray(-lastChunk.length).equals(lastChunk)) {
        done(() => resolve({ events: delaysMs.length, delaysMs }))
      }
      carry = bytes.subarray(Math.max(rest, bytes.length - carryBytes))
    }
    socket.on('data', onData).on('close', onClose).on('error', reject)
    socket.write(request)
  })
}

/** Notes the age of each stamp. @returns where the bytes begin that hold no whole stamp any more */
function takeStamps(bytes: Buffer, nowMs: number, delaysMs: number[]): number {
  let rest = 0
  for (let at = bytes.indexOf(stamp); at >= 0; at = bytes.indexOf(stamp, at + 1)) {
    const end = bytes.indexOf('}', at)
    if (end < 0) return at
    delaysMs.push(nowMs - Number(bytes.toString('latin1', at + stamp.length, end)))
    rest = end
  }
  return rest
}
