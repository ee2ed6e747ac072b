/** Names of the kinds of limit; `kinds/` has a descriptor for each. */
export const limitKindNames = [
  'request-rate',
  'request-window',
  'token-rate',
  'token-window',
  'token-budget',
  'money-budget',
  'concurrent-requests',
  'concurrent-streams',
] as const

export type LimitKindName = (typeof limitKindNames)[number]

/** A limit as it was configured, its defaults put in. */
export interface LimitSpec {
  /** Unique among the limits of its key, account or route; stands in headers and errors. */
  readonly name: string
  readonly kind: LimitKindName
  /** Requests, tokens, micro-dollars or slots; a whole number of at least 1. */
  readonly max: number
  /** Rates: the time in which `max` flows in. Windows: their length. Null for budgets and slots. Milliseconds. */
  readonly periodMs: number | null
  /** Rates: the most at once. Null for other kinds. */
  readonly burst: number | null
  /** Budgets: the UTC calendar window. Null for other kinds. */
  readonly calendar: 'day' | 'month' | null
  /** `strict`: nothing is over-admitted after a restart of the Ledger; `default`: once per unclean restart a bounded amount. */
  readonly durability: 'default' | 'strict'
  /** While the Ledger does not answer: refuse, admit, or go on at the last share for 15 s. */
  readonly onFailure: 'closed' | 'open' | 'coast'
  /** Tokens and money: how much is reserved before the call. Not used by other kinds. */
  readonly reserve: 'auto' | 'p90' | 'max' | 'slices'
}

/** A limit that holds for a request, and the counter it is counted on. */
export interface AppliedLimit {
  readonly counter: string
  readonly spec: LimitSpec
  /** Whose limit it is. */
  readonly level: 'key' | 'account' | 'route'
}

/** A limit of a route: counted for each key, or for each account. */
export interface RouteLimit {
  readonly per: 'key' | 'account'
  readonly spec: LimitSpec
}

/** Where a key's own limit is counted. */
export function keyCounter(keyId: string, name: string): string {
  return `key:${keyId}:${name}`
}

/** Where an account's limit is counted. */
export function accountCounter(name: string): string {
  return `account:${name}`
}

/** Where a route's limit is counted for a key, or for the whole account when `keyId` is null. */
export function routeCounter(routeId: string, keyId: string | null, name: string): string {
  return keyId === null ? `route:${routeId}:account:${name}` : `route:${routeId}:key:${keyId}:${name}`
}
