import { slotLeaseMs } from '../slots-terms.ts'
import { slotFields, type LimitKind } from './kind.ts'

/** LLM answers that are streamed at the same time. */
export const concurrentStreams: LimitKind = {
  name: 'concurrent-streams',
  counts: 'slots',
  algorithm: 'slots',
  contract:
    'At no time are more than `max` streams of LLM answers under way; a stream that cannot renew its slot is broken off where `onFailure` is ' +
    '`closed` and goes on beside them where it is not, and one whose isolate died holds it for 60 s.',
  fields: slotFields,
  defaults: { durability: 'default', onFailure: 'coast', reserve: 'auto' },
  leaseMs: () => slotLeaseMs,
  headerUnit: 'concurrent-requests',
  vendorUnit: null,
  afterCoast: 'open',
  taken: 'reservation',
}
