import { leaseMsOf } from '../counter/lease-terms.ts'
import { windowFields, type LimitKind } from './kind.ts'

/** Requests in a rolling window. */
export const requestWindow: LimitKind = {
  name: 'request-window',
  counts: 'requests',
  algorithm: 'ring',
  contract: 'In any stretch of `periodSeconds` at most `max` requests leave the gateway.',
  fields: windowFields,
  defaults: { durability: 'strict', onFailure: 'coast', reserve: 'auto' },
  leaseMs: leaseMsOf,
  headerUnit: null,
  vendorUnit: 'requests',
  afterCoast: 'open',
  taken: 'admission',
}
