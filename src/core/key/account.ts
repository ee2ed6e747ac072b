/** Where an account's Ledger lives, as a location hint of Durable Objects; best effort, honoured once. */
export const regions = [
  'wnam',
  'enam',
  'sam',
  'weur',
  'eeur',
  'apac',
  'apac-ne',
  'apac-se',
  'oc',
  'afr',
  'me',
] as const

export type Region = (typeof regions)[number]

/** A tenant, as the Registry lists it. */
export interface Account {
  readonly id: string
  readonly name: string
  readonly region: Region
  /** Grows when the account's Ledger moves. */
  readonly generation: number
  /** A deleted account stays as a tombstone: its id is never used again and its keys stay refused. */
  readonly state: 'active' | 'deleted'
  readonly createdAtMs: number
  readonly deletedAtMs: number | null
}

/** What an operator says of an account to be made. */
export interface NewAccount {
  readonly name: string
  readonly region: Region
}

/** Part of a list in the order of ids; `next` is the `after` of the following page, null on the last. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

export interface PageRequest {
  /** The last id of the page before, or null for the first page. */
  readonly after: string | null
  readonly itemsMax: number
}
