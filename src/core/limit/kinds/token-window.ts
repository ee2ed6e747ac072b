import { leaseMsOf } from '../counter/lease-terms.ts'
import { windowFields, type LimitKind } from './kind.ts'

/** Tokens in a rolling window, for example of five hours. */
export const tokenWindow: LimitKind = {
  name: 'token-window',
  counts: 'tokens',
  algorithm: 'ring',
  contract:
    'In any stretch of `periodSeconds` at most `max` tokens are reserved; ' +
    'what an exchange uses beyond its reservation counts from the time of the reservation.',
  fields: { ...windowFields, reserve: true },
  defaults: { durability: 'strict', onFailure: 'closed', reserve: 'auto' },
  leaseMs: leaseMsOf,
  headerUnit: 'tokens',
  vendorUnit: 'tokens',
  afterCoast: 'closed',
  taken: 'reservation',
}
