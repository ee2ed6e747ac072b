import { Buffer } from 'node:buffer'
import { createHash, randomBytes } from 'node:crypto'

/** An unfragmented frame of at most 125 bytes (RFC 6455 §5.2). */
export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
}

export const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** The headers of an opening handshake (RFC 6455 §4.1). */
export function handshakeHeaders(key = randomBytes(16).toString('base64')): Record<string, string> {
  return {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
  }
}

/** What proves that a server has understood a handshake (RFC 6455 §4.2.2). */
export function acceptFor(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** The bytes of a frame; a client's is masked. */
export function frameBytes({ opcode, payload }: Frame, masked: boolean): Buffer {
  const head = Buffer.from([0x80 | opcode, (masked ? 0x80 : 0) | payload.length])
  if (!masked) return Buffer.concat([head, payload])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, unmask(payload, mask)])
}

/** The whole frames at the beginning of the bytes, and what is left. */
export function framesIn(bytes: Buffer): { readonly frames: readonly Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = []
  let rest = bytes
  for (;;) {
    const size = frameSize(rest)
    if (size === null || rest.length < size.total) return { frames, rest }
    const mask = rest.subarray(2, size.head)
    const payload = rest.subarray(size.head, size.total)
    frames.push({
      opcode: (rest[0] ?? 0) & 0x0f,
      payload: mask.length === 0 ? Buffer.from(payload) : unmask(payload, mask),
    })
    rest = rest.subarray(size.total)
  }
}

function frameSize(bytes: Buffer): { readonly head: number; readonly total: number } | null {
  const second = bytes[1]
  if (second === undefined) return null
  const head = (second & 0x80) === 0 ? 2 : 6
  return { head, total: head + (second & 0x7f) }
}

function unmask(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)))
}
