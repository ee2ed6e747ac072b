/**
 * What answers workerd's Cache API where no Cloudflare stands behind it. workerd asks with `GET` and wants
 * `CF-Cache-Status: HIT`, stores with `PUT` (the body is a whole HTTP response), deletes with `PURGE`. The entrypoint
 * `control` steers it: `GET /__cache/stats`, `POST /__cache/reset`, `POST /__cache/drop-bodies`, `POST /__cache/mode`.
 *
 * One isolate, one memory. An entry lives as long as its own `max-age`; nothing is thrown out early but by `reset`.
 */

/** How the cache behaves; `none` finds and keeps nothing, as on workers.dev. */
export type CacheMode = { readonly kind: 'ok' | 'throw' | 'hang' | 'none'; readonly on?: 'reads' | 'writes' }

export interface CacheStats {
  readonly match: number
  readonly hit: number
  readonly put: number
  readonly delete: number
  readonly entries: number
}

interface Entry {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array<ArrayBuffer>
  readonly expiresMs: number
}

/** Longer than any client waits. */
const hangMs = 600_000
const entries = new Map<string, Entry>()
let mode: CacheMode = { kind: 'ok' }
let counts = { match: 0, hit: 0, put: 0, delete: 0 }

export default {
  async fetch(req: Request): Promise<Response> {
    // Read first: workerd waits for ever for one whose body nobody takes.
    const message = new Uint8Array(await req.arrayBuffer())
    const fault = await faultFor(req.method)
    if (fault !== null) return fault
    if (req.method === 'PUT') return put(req.url, message)
    if (req.method === 'PURGE') {
      counts.delete += 1
      return new Response(null, { status: entries.delete(req.url) ? 200 : 404 })
    }
    return match(req)
  },
}

export const control = {
  async fetch(req: Request): Promise<Response> {
    const { pathname } = new URL(req.url)
    switch (`${req.method} ${pathname}`) {
      case 'GET /__cache/stats':
        return Response.json({ ...counts, entries: entries.size })
      case 'POST /__cache/reset':
        counts = { match: 0, hit: 0, put: 0, delete: 0 }
        entries.clear()
        return Response.json(counts)
      case 'POST /__cache/drop-bodies':
        for (const url of entries.keys()) if (url.includes('/body.')) entries.delete(url)
        return Response.json(counts)
      case 'POST /__cache/mode':
        mode = (await req.json()) as CacheMode
        return Response.json(mode)
      default:
        return new Response('The cache service knows no such command.', { status: 404 })
    }
  },
}

async function faultFor(method: string): Promise<Response | null> {
  const side = method === 'GET' ? 'reads' : 'writes'
  if (mode.on !== undefined && mode.on !== side) return null
  if (mode.kind === 'throw') return new Response('The cache service was told to fail.', { status: 500 })
  if (mode.kind === 'none') return new Response(null, { status: method === 'GET' ? 504 : 204 })
  if (mode.kind === 'hang') {
    await new Promise((resolve) => {
      setTimeout(resolve, hangMs)
    })
  }
  return null
}

function match(req: Request): Response {
  counts.match += 1
  const entry = entries.get(req.url)
  if (entry === undefined || entry.expiresMs <= Date.now()) {
    return new Response(null, { status: 504, headers: { 'CF-Cache-Status': 'MISS' } })
  }
  counts.hit += 1
  const headers = new Headers(entry.headers)
  headers.set('CF-Cache-Status', 'HIT')
  const range = /^bytes=(\d+)-(\d+)$/.exec(req.headers.get('range') ?? '')
  if (range === null) return new Response(entry.body, { status: entry.status, headers })
  const [from, to] = [Number(range[1]), Number(range[2]) + 1]
  const part = entry.body.subarray(from, to)
  headers.set('content-range', `bytes ${from}-${from + part.length - 1}/${entry.body.length}`)
  headers.set('content-length', String(part.length))
  return new Response(part, { status: 206, headers })
}

function put(url: string, message: Uint8Array<ArrayBuffer>): Response {
  counts.put += 1
  const parsed = parseResponse(message)
  if (parsed === null) return new Response('No whole response came.', { status: 400 })
  const maxAge = Number(/max-age=(\d+)/.exec(parsed.headers.get('cache-control') ?? '')?.[1] ?? 0)
  entries.set(url, { ...parsed, expiresMs: Date.now() + maxAge * 1_000 })
  return new Response(null, { status: 204 })
}

/** An HTTP/1.1 response as workerd writes it; null when it is not there whole. */
function parseResponse(message: Uint8Array<ArrayBuffer>): Omit<Entry, 'expiresMs'> | null {
  const headEnd = indexOf(message, '\r\n\r\n', 0)
  if (headEnd < 0) return null
  const [start = '', ...lines] = new TextDecoder('latin1').decode(message.subarray(0, headEnd)).split('\r\n')
  const headers = new Headers()
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  const body = message.subarray(headEnd + 4)
  // workerd names the coding and writes the bytes without it.
  headers.delete('transfer-encoding')
  const length = headers.get('content-length')
  if (length !== null && Number(length) !== body.length) return null
  return { status: Number(start.split(' ')[1]), headers, body }
}

function indexOf(bytes: Uint8Array, text: string, from: number): number {
  const wanted = new TextEncoder().encode(text)
  for (let at = bytes.indexOf(wanted[0] ?? 0, from); at >= 0; at = bytes.indexOf(wanted[0] ?? 0, at + 1)) {
    if (wanted.every((byte, offset) => bytes[at + offset] === byte)) return at
  }
  return -1
}
