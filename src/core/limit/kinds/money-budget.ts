import { leaseMsOf } from '../counter/lease-terms.ts'
import { budgetFields, countMax, type LimitKind } from './kind.ts'

/** Money of a UTC day or month. */
export const moneyBudget: LimitKind = {
  name: 'money-budget',
  counts: 'micro-dollars',
  algorithm: 'calendar',
  contract:
    'In each UTC day or month at most `maxUsd` US dollars are reserved, and no model without a price runs; ' +
    'what an exchange costs beyond its reservation counts in the window that it was reserved in.',
  fields: { ...budgetFields, max: { field: 'maxUsd', least: 1, most: countMax } },
  defaults: { durability: 'strict', onFailure: 'closed', reserve: 'auto' },
  leaseMs: leaseMsOf,
  headerUnit: 'micro-usd',
  vendorUnit: null,
  afterCoast: 'closed',
  taken: 'reservation',
}
