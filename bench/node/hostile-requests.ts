import { Buffer } from 'node:buffer'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { requestBytes } from './connection.ts'

/** A request that asks for as much work or memory as one can, and how often it is sent. */
export interface HostileRequest {
  readonly name: string
  /** The whole of it; large ones are made when they are asked for. */
  readonly bytes: () => Buffer
  readonly status: number
  /** Times in a block of the measurement of processor time. */
  readonly perBlock: number
}

const json = { 'content-type': 'application/json' }
const mebibyte = 1_048_576

const small = (name: string, status: number, bytes: () => Buffer) => ({
  name,
  status,
  bytes,
  perBlock: 100,
})
const large = (name: string, status: number, bytes: () => Buffer) => ({ name, status, bytes, perBlock: 2 })

/** Requests of the largest sizes that the project's own configuration lets in, and of what it refuses at once. */
export function hostileRequests(origin: string, key: string): readonly HostileRequest[] {
  const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    requestBytes(origin, { method: 'GET', path, headers: { ...headers, authorization: `Bearer ${key}` } })
  const post = (path: string, headers: Readonly<Record<string, string>>, body: string) =>
    requestBytes(origin, {
      method: 'POST',
      path,
      headers: { ...headers, authorization: `Bearer ${key}` },
      body,
    })
  const chat = (body: string) => post('/v1/chat/completions', json, body)
  return [
    small('longest URL', 200, () => get(`/http/${'x'.repeat(16_300)}`)),
    small('path of escapes', 200, () => get(`/http/${'%41'.repeat(5_400)}`)),
    small('path of UTF-8 escapes', 200, () => get(`/http/${'%c3%a9'.repeat(2_700)}`)),
    small('path of segments', 200, () => get(`/http/${'a/'.repeat(8_100)}`)),
    small('path refused at its end', 400, () => get(`/http/${'a/'.repeat(8_000)}..`)),
    small('path of dots and escapes', 400, () => get(`/http/${'%2e%2e%2f'.repeat(1_800)}`)),
    small('query of parameters, on an LLM route', 200, () => get(`/v1/models?${'a=1&'.repeat(4_000)}`)),
    small('query of escapes, on an LLM route', 200, () => get(`/v1/models?${'%61%3d%26'.repeat(1_780)}=1`)),
    small('95 header fields', 200, () => get('/http/x', fields(92, 1))),
    small('64 KB of header fields', 200, () => get('/http/x', fields(60, 1_000))),
    small('2,000 header fields', 431, () => get('/http/x', fields(2_000, 1))),
    small('one field of 120 KB', 431, () => get('/http/x', fields(1, 120_000))),
    small('Connection that nominates 15,000', 200, () =>
      get('/http/x', { connection: 'x-a,'.repeat(15_000) }),
    ),
    small('Via of 60 KB', 200, () => get('/http/x', { via: '1.1 a, '.repeat(8_500) })),
    small('content-type of 60 KB', 415, () =>
      post('/v1/chat/completions', { 'content-type': `text/x;${' a=b;'.repeat(12_000)}` }, 'x'),
    ),
    small('cookie of 60 KB', 200, () => get('/http/x', { cookie: 'a=b; '.repeat(12_000) })),
    small('deepest JSON', 200, () => chat(`{"model":"m","x":${'['.repeat(120)}${']'.repeat(120)}}`)),
    large('JSON of 256 KB in keys, read whole', 200, () => chat(manyKeys(20_000))),
    large('JSON of 250 KB in escapes, read whole', 200, () =>
      chat(`{"model":"m","x":"${'\\u0000'.repeat(42_000)}"}`),
    ),
    large('JSON of a million keys', 200, () => chat(manyKeys(1_000_000))),
    large('JSON of 32 MB in one string', 200, () =>
      chat(`{"model":"m","x":"${'x'.repeat(32 * mebibyte - 50)}"}`),
    ),
    large('JSON of 32 MB in escapes', 200, () =>
      chat(`{"model":"m","x":"${'\\n'.repeat(16 * mebibyte - 50)}"}`),
    ),
    large('JSON of 32 MB in empty arrays', 200, () =>
      chat(`{"model":"m","x":[${'[],'.repeat(11_180_000)}[]]}`),
    ),
    large('JSON of 32 MB in white space', 200, () => chat(`{${' '.repeat(32 * mebibyte - 50)}"model":"m"}`)),
    large('form with 60 KB of part header', 400, () => form(post, 1, 60_000)),
    large('form of 100,000 parts', 200, () => form(post, 100_000, 1)),
    large('plain body of 100 MB', 200, () => post('/http/x', {}, 'x'.repeat(100 * mebibyte))),
    large('plain body of 256 KB in chunks of one byte', 200, () => tinyChunks(origin, key, mebibyte / 4)),
  ]
}

function fields(count: number, valueBytes: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`x-h${at}`, 'v'.repeat(valueBytes)]))
}

function manyKeys(count: number): string {
  return `{"model":"m",${Array.from({ length: count }, (_, at) => `"k${at}":0`).join(',')}}`
}

type Post = (path: string, headers: Readonly<Record<string, string>>, body: string) => Buffer

function form(post: Post, parts: number, paddingBytes: number): Buffer {
  const part = (at: number) =>
    `--b\r\ncontent-disposition: form-data; name="f${at}"\r\nx-p: ${'p'.repeat(paddingBytes)}\r\n\r\n1\r\n`
  const body = `${Array.from({ length: parts }, (_, at) => part(at)).join('')}--b--\r\n`
  return post('/v1/audio/transcriptions', { 'content-type': 'multipart/form-data; boundary=b' }, body)
}

function tinyChunks(origin: string, key: string, count: number): Buffer {
  const headers = { authorization: `Bearer ${key}`, 'transfer-encoding': 'chunked' }
  const head = requestBytes(origin, { method: 'POST', path: '/http/x', headers })
  return Buffer.concat([head, Buffer.alloc(6 * count, '1\r\nx\r\n'), Buffer.from('0\r\n\r\n')])
}

/** An upstream that takes everything, keeps nothing, and answers when it is told to. */
export interface Sink {
  readonly url: string
  /** Whether answers are held back from now on; those that wait are let go when it ends. */
  hold(held: boolean): void
  /** Requests whose body has come whole and that wait for their answer. */
  waiting(): number
  close(): Promise<void>
}

function answer(res: ServerResponse): void {
  res.writeHead(200, { 'content-type': 'application/json' }).end('{}')
}

export async function startSink(): Promise<Sink> {
  let held = false
  const waiting = new Set<() => void>()
  const server: Server = createServer({ maxHeaderSize: 4 * mebibyte }, (req, res) => {
    req.resume()
    req.on('end', () => {
      if (held) waiting.add(() => answer(res))
      else answer(res)
    })
  })
  server.maxHeadersCount = 0
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold(next) {
      held = next
      if (held) return
      for (const letGo of waiting) letGo()
      waiting.clear()
    },
    waiting: () => waiting.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
