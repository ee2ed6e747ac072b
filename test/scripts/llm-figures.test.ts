import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { openStreamConnection } from '../../bench/node/stream-client.ts'
import { wakeUpsOf } from '../../bench/node/wake-ups.ts'
import { chunk, lastChunk } from '../support/http-message.ts'

let server: Server | null = null

afterEach(() => void server?.close())

/** The origin of a server that answers every request with these bytes, in pieces of a size. */
async function serving(bytes: Buffer, size: number): Promise<string> {
  const made = createServer({ noDelay: true }, (socket) => {
    socket.once('data', async () => {
      for (let at = 0; at < bytes.length; at += size) {
        socket.write(bytes.subarray(at, at + size))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
  })
  server = made
  await new Promise<void>((resolve) => {
    made.listen(0, '127.0.0.1', resolve)
  })
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}`
}

const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'

describe('the client of the stream figures', () => {
  it.each([1, 7, 40, 10_000])('counts every stamped event once, in pieces of %d bytes', async (size) => {
    const ageMs = 500
    const stamped = Array.from({ length: 20 }, (_, i) => {
      const atMs = performance.timeOrigin + performance.now() - ageMs
      return chunk(`data: {"delta":"x","mock":{"i":${i},"t":${atMs.toFixed(3)}}}\n\n`)
    })
    const body = [...stamped, chunk('data: [DONE]\n\n'), Buffer.from(lastChunk)]
    const origin = await serving(Buffer.concat([Buffer.from(head), ...body]), size)
    const connection = await openStreamConnection(origin)
    const { events, delaysMs } = await connection.ask(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    connection.close()
    expect(events).toBe(stamped.length)
    for (const delayMs of delaysMs) expect(delayMs).toBeGreaterThanOrEqual(ageMs)
  })

  it('takes nothing but a success', async () => {
    const connection = await openStreamConnection(await serving(Buffer.from('HTTP/1.1 503 No\r\n\r\n'), 100))
    await expect(connection.ask(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).rejects.toThrow('503')
    connection.close()
  })
})

const line = (fields: object) => JSON.stringify({ ctx: 1, ...fields })

describe('wake-ups', () => {
  const turn = (cause: number, atMs: number, tookMs = 1) =>
    line({ e: 'turn', cause, start: atMs * 1e6, locked: atMs * 1e6, end: (atMs + tookMs) * 1e6 })
  const call = line({ e: 'init', id: 5, kind: 'operation', name: 'fetch' })

  it('are counted from the turn in which the upstream has answered; close turns are one', () => {
    const trace = [turn(1, 0), call, turn(5, 3), turn(6, 100), turn(7, 105, 20), turn(8, 130), turn(9, 1_000)]
    expect(wakeUpsOf(trace.join('\n'))).toEqual([{ wakeUps: 2, turns: 4, busyMs: 23 }])
  })

  it('are those of requests that called an upstream', () => {
    const other = JSON.stringify({ ctx: 2, e: 'turn', cause: 1, start: 0, locked: 0, end: 1 })
    expect(wakeUpsOf([other, call, turn(5, 3)].join('\n'))).toEqual([{ wakeUps: 0, turns: 0, busyMs: 0 }])
  })
})
