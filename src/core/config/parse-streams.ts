import { defaultStreams } from './defaults.ts'
import { optional, type Place, readFields } from './place.ts'
import { flag, oneOf } from './readers.ts'
import type { StreamPolicy } from './types.ts'

const streamFields = ['onLeave', 'usage', 'keepAlive', 'onRevoke']

/** How a route treats event streams. */
export function parseStreams(place: Place): StreamPolicy {
  const field = place.value === undefined ? undefined : readFields(place, streamFields)
  if (field === undefined) return defaultStreams
  return {
    onLeave: optional(field('onLeave'), oneOf('abort', 'drain'), defaultStreams.onLeave),
    usage: optional(field('usage'), oneOf('strip', 'pass', 'never'), defaultStreams.usage),
    keepAlive: optional(field('keepAlive'), flag, defaultStreams.keepAlive),
    onRevoke: optional(field('onRevoke'), oneOf('finish', 'cut'), defaultStreams.onRevoke),
  }
}
