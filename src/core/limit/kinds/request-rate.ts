import { leaseMsOf } from '../counter/lease-terms.ts'
import { rateFields, type LimitKind } from './kind.ts'

/** Requests in a stream: so many a minute, and a burst. */
export const requestRate: LimitKind = {
  name: 'request-rate',
  counts: 'requests',
  algorithm: 'bucket',
  contract:
    'In any stretch of t seconds at most `burst + max × t / periodSeconds` requests leave the gateway.',
  fields: rateFields,
  defaults: { durability: 'default', onFailure: 'coast', reserve: 'auto' },
  leaseMs: leaseMsOf,
  headerUnit: null,
  vendorUnit: 'requests',
  afterCoast: 'open',
  taken: 'admission',
}
