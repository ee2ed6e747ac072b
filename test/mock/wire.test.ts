import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { dataOf, runningMock, soon } from './running.ts'

const mock = runningMock()

interface RawAnswer {
  head: string
  body: string
  /** When the head was complete, after the request was written. */
  headMs: number
  arrivals: { text: string; ms: number }[]
}

/** Writes one chat request to a bare socket and reads until the server closes it. */
async function rawChat(model: string, body: object = {}): Promise<RawAnswer> {
  const json = JSON.stringify({ model, stream: true, messages: [], ...body })
  const socket = connect(mock.current.port, '127.0.0.1')
  await once(socket, 'connect')
  const started = performance.now()
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n`)
  socket.write(`content-length: ${json.length}\r\n\r\n${json}`)
  let text = ''
  let headMs = Number.NaN
  const arrivals: RawAnswer['arrivals'] = []
  socket.on('data', (piece: Buffer) => {
    const ms = performance.now() - started
    text += piece.toString()
    arrivals.push({ text: piece.toString(), ms })
    if (Number.isNaN(headMs) && text.includes('\r\n\r\n')) headMs = ms
  })
  await once(socket, 'close')
  const headEnd = text.indexOf('\r\n\r\n')
  return { head: text.slice(0, headEnd), body: text.slice(headEnd + 4), headMs, arrivals }
}

/** Starts a request and hands back the way to leave it. */
function leavable(path: string, body: object, reads = true): () => void {
  const sent = httpRequest(mock.current.url + path, { method: 'POST' })
  sent.on('error', () => undefined)
  sent.on('response', (response) => {
    response.on('error', () => undefined)
    if (reads) response.resume()
  })
  sent.end(JSON.stringify(body))
  return () => sent.destroy()
}

describe('cut', () => {
  test('cut=K: exactly K events, then the socket closes with no terminal chunk', async () => {
    const { head, body } = await rawChat('mock/n=10,cut=4')
    expect(head).toContain('HTTP/1.1 200')
    expect(head.toLowerCase()).toContain('transfer-encoding: chunked')
    expect(dataOf(body)).toHaveLength(4)
    expect(body).not.toContain('0\r\n\r\n')
    expect(mock.current.stats()).toMatchObject({ cut: 1, completed: 0, aborted: 0, inFlight: 0 })
    expect(mock.current.stats().last[0]).toMatchObject({ ended: 'cut', tokensSent: 3 })
  })

  test('an uncut stream does end with the terminal chunk', async () => {
    expect((await rawChat('mock/n=10')).body.endsWith('0\r\n\r\n')).toBe(true)
  })

  test('cut=0: the head and nothing after it', async () => {
    const { head, body } = await rawChat('mock/cut=0')
    expect([head.slice(0, 12), body]).toEqual(['HTTP/1.1 200', ''])
  })

  test('cut on a JSON answer: fewer bytes than content-length promises', async () => {
    const { head, body } = await rawChat('mock/cut=1', { stream: false })
    const promised = Number(/content-length: (\d+)/i.exec(head)?.[1])
    expect(body.length).toBeGreaterThan(0)
    expect(body.length).toBeLessThan(promised)
  })

  test('status 0: the connection dies without a byte', async () => {
    const { head, body } = await rawChat('mock/err=1:0')
    expect(head + body).toBe('')
    expect(mock.current.stats()).toMatchObject({ cut: 1, inFlight: 0 })
  })
})

describe('time', () => {
  test('the head leaves at once, tokens at ttft and then every itl, none early', async () => {
    const { headMs, body, arrivals } = await rawChat('mock/ttft=60,itl=20,n=5')
    const at = dataOf(body)
      .filter((item) => item.startsWith('{'))
      .map((item) => (JSON.parse(item) as { mock: { i: number; t: number } }).mock)
      .filter(({ i }) => i >= 0 && i < 5)
      .map(({ t }) => t)
    expect(headMs).toBeLessThan(40)
    expect(arrivals.at(-1)?.ms).toBeGreaterThanOrEqual(140)
    at.forEach((t, i) => expect(t - (at[0] ?? 0)).toBeGreaterThan(i * 20 - 2))
    expect((at[4] ?? 0) - (at[0] ?? 0)).toBeLessThan(80 + 40)
  })

  test('hold=1 keeps the head back until the first token', async () => {
    const { headMs } = await rawChat('mock/ttft=80,hold=1,n=2')
    expect(headMs).toBeGreaterThanOrEqual(79)
  })

  test('an untimed answer is one write: head, body and end together', async () => {
    expect((await rawChat('mock/n=16')).arrivals).toHaveLength(1)
    expect((await rawChat('mock/n=16', { stream: false })).arrivals).toHaveLength(1)
  })
})

describe('a client that leaves', () => {
  const chat = '/v1/chat/completions'
  test.each([
    ['mid-stream', { model: 'mock/itl=20,n=1000', stream: true }],
    ['before the first token', { model: 'mock/ttft=60000', stream: true }],
    ['before the head, hold=1', { model: 'mock/ttft=60000,hold=1', stream: true }],
    ['before a JSON answer, lat', { model: 'mock/lat=60000' }],
    ['in a stalled stream', { model: 'mock/stall=3', stream: true }],
    ['in a flood it does not read', { model: 'mock/n=1000,size=60k', stream: true }, false],
  ])('%s is counted within a second and nothing stays in flight', async (_when, body, reads = true) => {
    const leave = leavable(chat, { messages: [], ...body }, reads)
    await soon(() => mock.current.stats().inFlight === 1)
    await new Promise((resolve) => setTimeout(resolve, 60))
    leave()
    await soon(() => mock.current.stats().aborted === 1)
    expect(mock.current.stats()).toMatchObject({ requests: 1, inFlight: 0 })
  })

  test('who does not read is not written to: the mock waits for the socket', async () => {
    const leave = leavable(chat, { model: 'mock/n=1000,size=60k', stream: true, messages: [] }, false)
    await soon(() => (mock.current.stats().last[0]?.tokensSent ?? 0) > 0)
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(mock.current.stats().last[0]?.tokensSent).toBeLessThan(500)
    leave()
    await soon(() => mock.current.stats().aborted === 1)
  })

  test('a stalled stream says so until its client gives up', async () => {
    const leave = leavable(chat, { model: 'mock/stall=3', stream: true, messages: [] })
    await soon(() => mock.current.stats().last[0]?.ended === 'stalled')
    expect(mock.current.stats()).toMatchObject({ inFlight: 1, aborted: 0 })
    expect(mock.current.stats().last[0]).toMatchObject({ tokensSent: 2, endedAtMs: null })
    leave()
    await soon(() => mock.current.stats().last[0]?.ended === 'aborted')
    expect(mock.current.stats().last[0]?.endedAtMs).toBeGreaterThan(Date.now() - 5000)
  })
})

describe('the server process', () => {
  test('prints its address, holds no upload, and stops cleanly on SIGTERM', async () => {
    const { child, url } = await spawnServer()
    try {
      await upload(url, 4)
      const idle = await residentMb(child, 'VmRSS')
      // V8 lets some 30 MB of read buffers pile up before it first collects them; after that nothing grows.
      await upload(url, 100)
      const warm = await residentMb(child, 'VmRSS')
      expect((await upload(url, 100)).bodyBytes).toBe(100 * 1_048_576)
      expect((await residentMb(child, 'VmRSS')) - warm).toBeLessThan(30)
      expect((await residentMb(child, 'VmHWM')) - idle).toBeLessThan(60)
    } finally {
      child.kill('SIGTERM')
    }
    expect(await once(child, 'exit')).toEqual([0, null])
  }, 20_000)
})

async function spawnServer(): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, ['bench/mock/server.ts', '--port', '0'], { stdio: 'pipe' })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const url = /^mock listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line.toString())?.[1]
  if (url === undefined) throw new Error(`unexpected first line: ${line.toString()}`)
  return { child, url }
}

async function upload(url: string, megabytes: number): Promise<{ bodyBytes: number }> {
  const piece = new Uint8Array(1_048_576)
  let left = megabytes
  const body = new ReadableStream({
    pull: (controller) => {
      if (left === 0) return controller.close()
      left -= 1
      controller.enqueue(piece)
    },
  })
  const options = { method: 'POST', body, duplex: 'half' } as RequestInit
  return (await (await fetch(`${url}/echo`, options)).json()) as { bodyBytes: number }
}

async function residentMb(child: ChildProcess, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024
}
