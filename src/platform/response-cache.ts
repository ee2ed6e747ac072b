import { readRecord, writeRecord } from '../core/cache/entry.ts'
import { Flights } from '../core/cache/flights.ts'
import { HotEntries, type StoredAnswer } from '../core/cache/hot-entries.ts'
import { Invalidations } from '../core/cache/invalidations.ts'
import type { Awaitable } from '../core/outcome.ts'
import { within } from '../core/within.ts'
import type { BodySlice, Clock, IncomingBody, ResponseCache, Scope } from '../ports.ts'

/** What a cache that hangs may cost a request. */
const lookupMs = 100
const writeMs = 10_000
/** After a lookup that hung, the cache is left alone for this long, so that not every request waits for it. */
const brokenMs = 1_000
const hotLimits = { weightMax: 16_777_216, bodyBytesMax: 65_536, trustedMs: 1_000 }
/** Cloudflare takes 128 KB of headers in all. */
const recordBytesMax = 61_440
const recordHeader = 'sluice-record'
/** When a body that was cut is deleted a second time: a store may commit it late. */
const secondDropMs = 500

/**
 * The Cache API as a store that understands nothing: every entry is a 200 with a body of raw bytes and one header that
 * says everything about it.
 * @param open gives the cache; asked once a name is needed, since a Worker may not touch it before a request
 */
export function createResponseCache(open: () => Cache, clock: Clock): ResponseCache {
  return new CacheApiStore(open, clock)
}

class CacheApiStore implements ResponseCache {
  readonly flights = new Flights()
  readonly invalidations = new Invalidations()
  readonly #hot = new HotEntries(hotLimits)
  readonly #open: () => Cache
  readonly #clock: Clock
  #brokenUntilMs = 0

  constructor(open: () => Cache, clock: Clock) {
    this.#open = open
    this.#clock = clock
  }

  find(name: string, scope: Scope): Awaitable<StoredAnswer | null> {
    const nowMs = this.#clock.nowMs()
    const hot = this.#hot.get(name, nowMs)
    if (hot !== null) {
      if (hot.due) scope.defer(this.#lookUp(name, scope))
      return hot.answer
    }
    return nowMs < this.#brokenUntilMs ? null : this.#waitedFor(name, scope)
  }

  guess(name: string): StoredAnswer | null {
    return this.#hot.guess(name)
  }

  async openBody(
    name: string,
    slice: BodySlice | null,
    scope: Scope,
  ): Promise<ReadableStream<Uint8Array> | null> {
    const headers = new Headers()
    if (slice !== null) headers.set('range', `bytes=${slice.from}-${slice.to - 1}`)
    scope.count('cache')
    const matched = this.#attempt((cache) => cache.match(new Request(urlOf(name), { headers })))
    const found = await within(this.#clock, lookupMs, matched, null)
    if (found === null || found === undefined) return null
    if (slice !== null && found.status !== 206) return cut(found.body, slice)
    return found.body
  }

  async put(name: string, answer: StoredAnswer, keepMs: number, scope: Scope): Promise<boolean> {
    const record = writeRecord(answer.record)
    if (record.length > recordBytesMax) return false
    const response = stored(answer.bytes ?? new Uint8Array(0), keepMs, record)
    scope.count('cache')
    const put = this.#attempt((cache) => cache.put(urlOf(name), response)).then(() => true)
    const kept = await within(this.#clock, writeMs, put, false)
    if (kept) this.#hot.confirm(name, answer, this.#clock.nowMs())
    return kept
  }

  async putBody(name: string, body: IncomingBody, keepMs: number, scope: Scope): Promise<number | null> {
    const through = body.length === null ? new IdentityTransformStream() : new FixedLengthStream(body.length)
    scope.count('cache')
    const put = this.#attempt((cache) => cache.put(urlOf(name), stored(through.readable, keepMs, null)))
    const [moved, kept] = await Promise.all([
      pump(body, through.writable),
      put.then(
        () => true,
        () => {
          // Nobody reads the other end any more; the pump would wait for ever.
          through.readable.cancel().catch(() => {})
          return false
        },
      ),
    ])
    const whole = moved !== null && kept && (body.length === null || moved === body.length)
    if (whole) return moved
    await this.drop(name, scope)
    await this.#clock.wait(secondDropMs)
    await this.drop(name, scope)
    return null
  }

  async drop(name: string, scope: Scope): Promise<void> {
    this.#hot.drop(name)
    scope.count('cache')
    const dropped = this.#attempt((cache) => cache.delete(urlOf(name)))
    await within(this.#clock, writeMs, dropped, false)
  }

  async #waitedFor(name: string, scope: Scope): Promise<StoredAnswer | null> {
    const askedMs = this.#clock.nowMs()
    const found = await within(this.#clock, lookupMs, this.#lookUp(name, scope), 'late' as const)
    scope.waited('cache', this.#clock.nowMs() - askedMs)
    if (found !== 'late') return found
    this.#brokenUntilMs = this.#clock.nowMs() + brokenMs
    return null
  }

  /** Asks the store, and remembers what it has. Rejects with the store. */
  async #lookUp(name: string, scope: Scope): Promise<StoredAnswer | null> {
    scope.count('cache')
    const found = await this.#attempt((cache) => cache.match(urlOf(name))).catch(() => undefined)
    const record = readRecord(found?.headers.get(recordHeader) ?? null)
    if (found === undefined || record === null) {
      this.#hot.drop(name)
      await found?.body?.cancel()
      return null
    }
    const bytes = await bytesOf(found, record.kind === 'response' && record.bodyName === null)
    if (record.kind === 'response' && bytes !== null && bytes.length !== record.length) return null
    const answer = { record, bytes }
    this.#hot.confirm(name, answer, this.#clock.nowMs())
    return answer
  }

  /** A cache that throws before it promises anything fails like one that rejects. */
  async #attempt<T>(work: (cache: Cache) => Promise<T>): Promise<T> {
    return work(this.#open())
  }
}

function urlOf(name: string): string {
  return `https://${name}`
}

function stored(body: BodyInit, keepMs: number, record: string | null): Response {
  const headers = new Headers({
    'content-type': 'application/octet-stream',
    'cache-control': `public, max-age=${Math.ceil(keepMs / 1000)}`,
  })
  if (record !== null) headers.set(recordHeader, record)
  return new Response(body, { headers, encodeBody: 'manual' })
}

async function bytesOf(found: Response, wanted: boolean): Promise<Uint8Array | null> {
  if (wanted) return new Uint8Array(await found.arrayBuffer())
  await found.body?.cancel()
  return null
}

/** Moves a body on. @returns its length, or null when it broke off or is too long */
async function pump(body: IncomingBody, writable: WritableStream<Uint8Array>): Promise<number | null> {
  const writer = writable.getWriter()
  const reader = body.stream.getReader()
  let moved = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      moved += value.length
      if (moved > body.bytesMax) throw new RangeError('too long')
      await writer.write(value)
    }
    await writer.close()
    return moved
  } catch (error) {
    await Promise.allSettled([reader.cancel(error), writer.abort(error)])
    return null
  }
}

/** What a store without ranges would have given. */
function cut(
  body: ReadableStream<Uint8Array> | null,
  { from, to }: BodySlice,
): ReadableStream<Uint8Array> | null {
  if (body === null) return null
  let at = 0
  const cutter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      const part = chunk.subarray(Math.max(0, from - at), Math.max(0, to - at))
      at += chunk.length
      if (part.length > 0) controller.enqueue(part)
      if (at >= to) controller.terminate()
    },
  })
  return body.pipeThrough(cutter)
}
