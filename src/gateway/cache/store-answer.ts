import { sameStrongTag } from '../../core/cache/etag.ts'
import { storedField, type StoredResponse } from '../../core/cache/entry.ts'
import { joinParts } from '../../core/cache/ranges.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { Looked } from '../../stages/lookup/lookup.ts'
import { store, type Keepable } from '../../stages/store.ts'
import type { Answer } from '../answer.ts'
import { finishAnswer, headOf } from '../deliver.ts'
import type { RequestLife } from '../exchange.ts'
import { wholeBytesMax } from '../whole.ts'
import type { Asked, CacheContext } from './cache-context.ts'
import { receivedFrom } from './received.ts'
import { planStoring } from './storing.ts'

/** An answer that is kept while it is delivered. */
export interface StoringAnswer {
  readonly answer: Answer
  readonly kept: Promise<boolean>
  readonly arrived: Promise<unknown>
}

/**
 * Delivers an upstream's answer and keeps it.
 * @returns null when it may not be kept: then nothing of it has been touched; refusals of the body plan
 */
export async function storeAnswer(
  x: RequestLife,
  asked: Asked,
  context: CacheContext,
  looked: Looked,
): Promise<Outcome<StoringAnswer> | null> {
  const { response } = asked.answer
  const facts = {
    // A POST comes here only with what a GET would have got.
    received: { ...receivedFrom(x, asked, context), method: x.request.method === 'HEAD' ? 'HEAD' : 'GET' },
    statusText: response.statusText,
    url: response.url,
    query: context.outbound.query,
  }
  const keepable = store(x, context.place, facts, context.deps)
  if (keepable === null) return null
  const finish = (bytes: Uint8Array) => finished(keepable, bytes, looked)
  const planned = await planStoring(x, asked.answer, { keepable, finish }, context)
  if (isRefusal(planned)) return planned
  const answer = finishAnswer(x, headOf(x, asked.answer), context, planned.plan)
  return { answer, kept: planned.kept, arrived: planned.arrived }
}

interface Whole {
  readonly entry: StoredResponse
  readonly bytes: Uint8Array
}

/** A body that is there as what is kept of it; a part is joined with the part that is stored of the same thing. */
function finished(keepable: Keepable, bytes: Uint8Array, looked: Looked): Whole | null {
  const entry: StoredResponse = { ...keepable, length: bytes.length, bodyName: null }
  const { range } = entry
  if (range === null) return { entry, bytes }
  if (looked.kind === 'none') return { entry, bytes }
  // A whole response, stale as it may be, is worth more than a part.
  if (looked.entry.range === null) return null
  if (looked.bytes === null || !sameStrongTag(storedField(entry, 'etag'), storedField(looked.entry, 'etag')))
    return { entry, bytes }
  const joined = joinParts({ range: looked.entry.range, bytes: looked.bytes }, { range, bytes })
  if (joined === null || joined.bytes.length > wholeBytesMax) return { entry, bytes }
  return { entry: asJoined(entry, joined.range), bytes: joined.bytes }
}

/** Parts that make up the whole are a 200 from now on (RFC 9111 §3.4). */
export function asJoined(entry: StoredResponse, range: NonNullable<StoredResponse['range']>): StoredResponse {
  const length = range.last + 1 - range.first
  if (range.first > 0 || range.total !== length) return { ...entry, range, length }
  const about = new Set(['content-range', 'content-length'])
  return {
    ...entry,
    status: 200,
    statusText: 'OK',
    fields: [...entry.fields.filter(([name]) => !about.has(name)), ['content-length', String(length)]],
    range: null,
    length,
  }
}
