/**
 * A KV namespace for bare workerd. The default entrypoint speaks what workerd's `kvNamespace` binding speaks:
 * `GET|PUT|DELETE /{key}?urlencoded=true`, `POST /bulk/get`, `GET /` to list. The entrypoint `control` steers it from
 * outside: `GET /__kv/stats`, `POST /__kv/reset`, `POST /__kv/mode`, `GET /__kv/entries`.
 *
 * One isolate, one memory: a write is visible at once, and `cacheTtl` is checked but nothing is cached. Staleness is
 * asked for with a mode instead of left to chance.
 */

/** How the namespace behaves. `stale`: reads see what was there when the mode was set; `none`: reads find nothing. */
export type KvMode =
  | { readonly kind: 'ok' | 'throw' | 'hang' | 'stale' | 'none'; readonly on?: 'reads' | 'writes' }
  | { readonly kind: 'slow'; readonly ms: number; readonly on?: 'reads' | 'writes' }

/** Operations begun since the last reset; a bulk read counts once. */
export interface KvStats {
  readonly get: number
  readonly bulkGet: number
  readonly put: number
  readonly delete: number
  readonly list: number
}

interface Entry {
  readonly value: Uint8Array<ArrayBuffer>
  /** Seconds since the epoch. */
  readonly expiration: number | null
  /** JSON text. */
  readonly metadata: string | null
}

type Operation = keyof KvStats

const cacheTtlSecondsMin = 30
const expirationTtlSecondsMin = 60
const keyBytesMax = 512
const bulkKeysMax = 100
const listKeysMax = 1_000
/** Longer than any client waits. */
const hangMs = 600_000

const entries = new Map<string, Entry>()
let readable: ReadonlyMap<string, Entry> = entries
let mode: KvMode = { kind: 'ok' }
let stats: Record<Operation, number> = { get: 0, bulkGet: 0, put: 0, delete: 0, list: 0 }

export default {
  async fetch(req: Request): Promise<Response> {
    const operation = operationOf(req)
    stats[operation] += 1
    // Read first: a binding whose body nobody takes waits for ever, even when the answer is there.
    const body = new Uint8Array(await req.arrayBuffer())
    const fault = await faultOf(operation)
    return fault ?? perform(operation, req, body)
  },
}

export const control = {
  async fetch(req: Request): Promise<Response> {
    const { pathname } = new URL(req.url)
    switch (`${req.method} ${pathname}`) {
      case 'GET /__kv/stats':
        return Response.json(stats)
      case 'GET /__kv/entries':
        return Response.json(Object.fromEntries([...entries].map(([key, entry]) => [key, textOf(entry)])))
      case 'POST /__kv/reset':
        stats = { get: 0, bulkGet: 0, put: 0, delete: 0, list: 0 }
        return Response.json(stats)
      case 'POST /__kv/mode':
        setMode((await req.json()) as KvMode)
        return Response.json(mode)
      default:
        return new Response('The KV service knows no such command.', { status: 404 })
    }
  },
}

function setMode(next: KvMode): void {
  mode = next
  if (next.kind === 'none') readable = new Map()
  else if (next.kind === 'stale') readable = new Map(entries)
  else readable = entries
}

function operationOf(req: Request): Operation {
  if (req.method === 'PUT') return 'put'
  if (req.method === 'DELETE') return 'delete'
  if (req.method === 'POST') return 'bulkGet'
  return new URL(req.url).pathname === '/' ? 'list' : 'get'
}

async function faultOf(operation: Operation): Promise<Response | null> {
  const side = operation === 'put' || operation === 'delete' ? 'writes' : 'reads'
  if (mode.on !== undefined && mode.on !== side) return null
  if (mode.kind === 'throw') return new Response('The KV service was told to fail.', { status: 500 })
  if (mode.kind === 'hang') await passed(hangMs)
  if (mode.kind === 'slow') await passed(mode.ms)
  return null
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

function perform(operation: Operation, req: Request, body: Uint8Array<ArrayBuffer>): Response {
  const url = new URL(req.url)
  if (operation === 'list') return list(url.searchParams)
  if (operation === 'bulkGet') return bulkGet(body)
  const key = decodeURIComponent(url.pathname.slice(1))
  if (key === '' || new TextEncoder().encode(key).length > keyBytesMax) {
    return new Response(`A key has 1 to ${keyBytesMax} bytes.`, { status: 414 })
  }
  if (operation === 'put') return put(key, body, req)
  if (operation === 'get') return get(key, url.searchParams)
  entries.delete(key)
  return new Response()
}

function get(key: string, query: URLSearchParams): Response {
  const refused = refusedCacheTtl(query.get('cache_ttl'))
  if (refused !== null) return refused
  const entry = live(key)
  if (entry === null) return new Response('Not Found', { status: 404 })
  const headers = new Headers()
  if (entry.expiration !== null) headers.set('CF-Expiration', String(entry.expiration))
  if (entry.metadata !== null) headers.set('CF-KV-Metadata', entry.metadata)
  return new Response(entry.value, { headers })
}

function refusedCacheTtl(cacheTtl: string | number | null): Response | null {
  if (cacheTtl === null || Number(cacheTtl) >= cacheTtlSecondsMin) return null
  return new Response(`cacheTtl must be at least ${cacheTtlSecondsMin}.`, { status: 400 })
}

function bulkGet(body: Uint8Array): Response {
  const asked = JSON.parse(new TextDecoder().decode(body)) as {
    readonly keys: readonly string[]
    readonly type?: 'text' | 'json'
    readonly withMetadata?: boolean
    readonly cacheTtl?: string | number
  }
  if (asked.keys.length < 1 || asked.keys.length > bulkKeysMax) {
    return new Response(`A bulk read takes 1 to ${bulkKeysMax} keys.`, { status: 400 })
  }
  const refused = refusedCacheTtl(asked.cacheTtl ?? null)
  if (refused !== null) return refused
  const found = asked.keys.map((key) => {
    const entry = live(key)
    if (entry === null) return [key, null]
    const value: unknown = asked.type === 'json' ? JSON.parse(textOf(entry)) : textOf(entry)
    return [key, asked.withMetadata === true ? { value, metadata: parsed(entry.metadata) } : value]
  })
  return Response.json(Object.fromEntries(found))
}

function put(key: string, value: Uint8Array<ArrayBuffer>, req: Request): Response {
  const query = new URL(req.url).searchParams
  const now = Math.floor(Date.now() / 1_000)
  const ttl = query.get('expiration_ttl')
  const absolute = query.get('expiration')
  const expiration = ttl === null ? (absolute === null ? null : Number(absolute)) : now + Number(ttl)
  if (expiration !== null && !(expiration >= now + expirationTtlSecondsMin)) {
    return new Response(`An entry lives at least ${expirationTtlSecondsMin} seconds.`, { status: 400 })
  }
  entries.set(key, { value, expiration, metadata: req.headers.get('CF-KV-Metadata') })
  return new Response()
}

function list(query: URLSearchParams): Response {
  const prefix = query.get('prefix') ?? ''
  const limit = Math.min(Number(query.get('key_count_limit') ?? listKeysMax), listKeysMax)
  const after = query.get('cursor') ?? ''
  const names = [...readable.keys()].filter(
    (name) => name.startsWith(prefix) && name > after && live(name) !== null,
  )
  const page = names.toSorted().slice(0, limit)
  const keys = page.map((name) => ({
    name,
    expiration: live(name)?.expiration ?? undefined,
    metadata: live(name)?.metadata ?? undefined,
  }))
  const rest = names.length > page.length
  return Response.json({
    keys,
    list_complete: !rest,
    cacheStatus: null,
    ...(rest && { cursor: page.at(-1) }),
  })
}

function live(key: string): Entry | null {
  const entry = readable.get(key)
  if (entry === undefined) return null
  return entry.expiration === null || entry.expiration * 1_000 > Date.now() ? entry : null
}

function textOf(entry: Entry): string {
  return new TextDecoder().decode(entry.value)
}

function parsed(metadata: string | null): unknown {
  return metadata === null ? null : JSON.parse(metadata)
}
