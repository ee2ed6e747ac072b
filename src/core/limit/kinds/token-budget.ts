import { leaseMsOf } from '../counter/lease-terms.ts'
import { budgetFields, type LimitKind } from './kind.ts'

/** Tokens of a UTC day or month. */
export const tokenBudget: LimitKind = {
  name: 'token-budget',
  counts: 'tokens',
  algorithm: 'calendar',
  contract:
    'In each UTC day or month at most `max` tokens are reserved; ' +
    'what an exchange uses beyond its reservation counts in the window that it was reserved in.',
  fields: budgetFields,
  defaults: { durability: 'strict', onFailure: 'closed', reserve: 'auto' },
  leaseMs: leaseMsOf,
  headerUnit: 'tokens',
  vendorUnit: 'tokens',
  afterCoast: 'closed',
  taken: 'reservation',
}
