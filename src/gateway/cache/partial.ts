import { isStrongTag, sameStrongTag } from '../../core/cache/etag.ts'
import { storedField } from '../../core/cache/entry.ts'
import { joinParts, parseContentRange } from '../../core/cache/ranges.ts'
import type { Conditions } from '../../core/cache/reuse.ts'
import { termsOf, type Received } from '../../core/cache/storable.ts'
import { isRefusal, type Outcome } from '../../core/outcome.ts'
import type { Ending } from '../../core/stream/ending.ts'
import type { Looked } from '../../stages/lookup/lookup.ts'
import type { Exchange, UpstreamAnswer } from '../../ports.ts'
import { readAnswerWhole, wholeBytesMax } from '../whole.ts'
import { contentLength } from '../native.ts'
import type { CacheContext, Found } from './cache-context.ts'
import { discardAnswer, endAnswer } from './end-answer.ts'
import { keep } from './keep.ts'
import { asJoined } from './store-answer.ts'

/** A request for the rest of what is stored in part. */
export interface Completion {
  readonly conditions: Conditions
  /** @returns null when what came does not complete it: then nothing of it can be used */
  complete(
    answer: UpstreamAnswer,
    received: Received,
    context: CacheContext,
  ): Promise<{ readonly kind: 'stored'; readonly found: Found; readonly stored: boolean } | null>
}

/** How an answer ended that was read whole. */
function endingOf(read: Outcome<Uint8Array>): Ending {
  if (!isRefusal(read)) return 'complete'
  return read.refused === 'upstream_total_timeout' ? 'total_timeout' : 'upstream_failed'
}

/**
 * How the beginning of a response that is stored in part is made whole (RFC 9111 §3.4): its rest is asked for, on the
 * condition that it is still the same thing. Only a strong entity tag can say so.
 * @returns null where the request does not want the whole, or what is stored is no beginning
 */
export function completionOf(x: Exchange, looked: Looked): Completion | null {
  if (x.request.method !== 'GET' || x.request.headers.has('range') || looked.kind === 'none') return null
  const { entry, bytes } = looked
  const etag = storedField(entry, 'etag')
  if (entry.range === null || entry.range.first > 0 || bytes === null || !isStrongTag(etag)) return null
  const { range } = entry
  return {
    conditions: {
      range: `bytes=${range.last + 1}-`,
      'if-range': etag,
      'if-none-match': null,
      'if-modified-since': null,
    },
    async complete(answer, received, context) {
      const newer = parseContentRange(received.headers.get('content-range'))
      const length = contentLength(received.headers)
      const fits = newer?.first === range.last + 1 && sameStrongTag(received.headers.get('etag'), etag)
      if (!fits || length === null || length + bytes.length > wholeBytesMax) {
        discardAnswer(x, answer)
        return null
      }
      const rest = await readAnswerWhole(answer, answer.remainingMs)
      endAnswer(x, endingOf(rest))
      const terms = termsOf(received, context.place.policy)
      if (isRefusal(rest) || terms === null || rest.length !== newer.last + 1 - newer.first) return null
      const joined = joinParts({ range, bytes }, { range: newer, bytes: rest })
      if (joined === null) return null
      const { requestedMs, receivedMs } = received
      const whole = asJoined({ ...entry, ...terms, requestedMs, receivedMs }, joined.range)
      if (whole.range !== null) return null
      const found: Found = { ...looked, entry: whole, bytes: joined.bytes }
      x.defer(keep(context.place, found, x, context.deps))
      return { kind: 'stored', found, stored: true }
    },
  }
}
