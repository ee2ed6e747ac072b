import { optional, type Place, readFields } from './place.ts'
import { flag, integerBetween } from './readers.ts'
import type { ResendPolicy } from './types.ts'

/** An isolate has 128 MB for all its requests. */
const bufferBytesMax = 16_777_216

/** What a route allows to be done to get its requests answered. */
export function parseResend(place: Place, fallback: ResendPolicy): ResendPolicy {
  const field = place.value === undefined ? undefined : readFields(place, Object.keys(fallback))
  if (field === undefined) return fallback
  return {
    unsafe: optional(field('unsafe'), flag, fallback.unsafe),
    hedge: optional(field('hedge'), flag, fallback.hedge),
    bufferBytes: optional(field('bufferBytes'), integerBetween(0, bufferBytesMax), fallback.bufferBytes),
  }
}
