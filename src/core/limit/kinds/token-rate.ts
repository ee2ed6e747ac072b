import { leaseMsOf } from '../counter/lease-terms.ts'
import { rateFields, type LimitKind } from './kind.ts'

/** Tokens in a stream: so many a minute, and a burst. */
export const tokenRate: LimitKind = {
  name: 'token-rate',
  counts: 'tokens',
  algorithm: 'bucket',
  contract:
    'In any stretch of t seconds at most `burst + max × t / periodSeconds` tokens are reserved; ' +
    'what an exchange uses beyond its reservation is paid back before anything else is reserved.',
  fields: { ...rateFields, reserve: true },
  defaults: { durability: 'default', onFailure: 'coast', reserve: 'auto' },
  leaseMs: leaseMsOf,
  headerUnit: 'tokens',
  vendorUnit: 'tokens',
  afterCoast: 'closed',
  taken: 'reservation',
}
