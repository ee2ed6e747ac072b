import { ageMs, freshForMs, type StoredResponse } from '../../core/cache/entry.ts'
import { writeCacheStatus, type CacheStatus } from '../../core/cache/cache-status.ts'
import { writeContentRange } from '../../core/cache/ranges.ts'
import type { Selection } from '../../core/cache/select.ts'
import { headersOf } from '../../core/cache/update.ts'
import type { Awaitable } from '../../core/outcome.ts'
import type { Exchange } from '../../ports.ts'
import type { Answer } from '../answer.ts'
import { finishAnswer, type AnswerHead } from '../deliver.ts'
import type { Delivered, Delivery } from '../delivery.ts'
import type { CacheContext, Held } from './cache-context.ts'
import { ClientPipe } from './client-pipe.ts'

/** What an answer made of a stored response says of itself. */
export interface Serving {
  readonly selection: Exclude<Selection, { readonly kind: 'not-held' }>
  readonly status: CacheStatus
}

/**
 * Answers with a stored response: its Age, its Cache-Status, and as much of its body as was asked for.
 * @returns null when its body lies apart and is gone
 */
export function serveStored(
  x: Exchange,
  held: Held,
  serving: Serving,
  context: Omit<CacheContext, 'place'>,
): Awaitable<Answer | null> {
  const { selection } = serving
  const head = headFor(held.entry, serving, context)
  const finish = (delivery: Delivery | null): Answer | null =>
    delivery === null ? null : finishAnswer(x, head, context, { delivery, meter: null })
  if (x.request.method === 'HEAD' || selection.kind === 'not-modified' || selection.kind === 'unsatisfiable')
    return finish(empty)
  const { from, to } = selection.kind === 'slice' ? selection : { from: 0, to: held.entry.length }
  const { bytes } = held
  if (bytes !== null)
    return finish(inMemory(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), x))
  const slice = selection.kind === 'slice' ? { from, to, length: held.entry.length } : null
  const { cache } = context.deps
  return cache
    .openBody(held.entry.bodyName ?? '', slice, x)
    .then((body) => finish(body === null ? null : piped(body, to - from, x, context)))
}

const empty: Delivery = { body: null, tier: 'none', ended: { ending: 'complete', bytes: 0 } }

function inMemory(bytes: Uint8Array, x: Exchange): Delivery {
  const ending = x.signal.aborted ? 'client_left' : 'complete'
  return { body: bytes, tier: 'whole', ended: { ending, bytes: bytes.length } }
}

/** The store's bytes on their way to the client; the hop tells how they ended. */
function piped(
  body: ReadableStream<Uint8Array>,
  length: number,
  x: Exchange,
  { grant }: Pick<CacheContext, 'grant'>,
): Delivery {
  const through = new FixedLengthStream(length)
  const pipe = new ClientPipe(body, through.writable)
  const ended = pipe.done.then(
    (): Delivered => ({ ending: 'complete', bytes: length }),
    (): Delivered => ({
      ending: pipe.why ?? (x.signal.aborted ? 'client_left' : 'upstream_failed'),
      bytes: null,
    }),
  )
  pipe.breakOffWith(x.signal, grant)
  return { body: through.readable, tier: 'native', ended }
}

function headFor(
  entry: StoredResponse,
  { selection, status }: Serving,
  context: Omit<CacheContext, 'place'>,
): AnswerHead {
  const nowMs = context.deps.clock.nowMs()
  const headers = headersOf(entry.fields)
  headers.set('age', String(Math.floor(ageMs(entry, nowMs) / 1000)))
  const ttlMs = status.hit ? freshForMs(entry, nowMs) : null
  headers.append('cache-status', writeCacheStatus(context.settings.name, { ...status, ttlMs }))
  const [code, text] = statusFor(entry, selection)
  if (selection.kind === 'not-modified') leaveOut(headers, [...aboutTheBytes, 'content-type'])
  if (selection.kind === 'unsatisfiable') {
    leaveOut(headers, aboutTheBytes)
    headers.set('content-range', `bytes */${selection.total}`)
  }
  if (selection.kind === 'slice') {
    headers.set('content-range', writeContentRange(selection.range))
    headers.set('content-length', String(selection.to - selection.from))
  }
  const target = targetOf(entry, context)
  return { status: code, statusText: text, headers, webSocket: null, url: entry.url, target }
}

const aboutTheBytes = ['content-length', 'content-encoding', 'content-range', 'content-md5'] as const

function leaveOut(headers: Headers, names: readonly string[]): void {
  for (const name of names) headers.delete(name)
}

function statusFor(entry: StoredResponse, selection: Serving['selection']): readonly [number, string] {
  switch (selection.kind) {
    case 'not-modified':
      return [304, 'Not Modified']
    case 'unsatisfiable':
      return [416, 'Range Not Satisfiable']
    case 'slice':
      return [206, 'Partial Content']
    case 'whole':
      return [entry.status, entry.statusText]
  }
}

/** The target that gave the response; a route whose targets changed has other keys. */
function targetOf(entry: StoredResponse, { outbound }: Pick<CacheContext, 'outbound'>): AnswerHead['target'] {
  const { targets } = outbound.match.route.upstream
  return targets.find(({ id }) => id === entry.target) ?? targets[0] ?? null
}
