import type { LimitKindName, LimitSpec } from '../spec.ts'

/** The least and the most that a whole number may be, both included. */
interface Range {
  readonly least: number
  readonly most: number
}

/** What a configuration says of one limit beyond its `kind`, `name`, `durability` and `onFailure`. */
export interface KindFields {
  /** How much: `max`, or `maxUsd` in US dollars with at most six decimals, which becomes micro-dollars. */
  readonly max: Range & { readonly field: 'max' | 'maxUsd' }
  /** `periodSeconds`; null where the kind has no such field. */
  readonly periodSeconds: (Range & { readonly fallback: number | null }) | null
  /** `burst`, by default as much as `max`; null where the kind has no such field. */
  readonly burst: Range | null
  /** Whether `calendar` says over which UTC window it is counted. */
  readonly calendar: boolean
  /** Whether `durability` says what a crash of the Ledger may cost; windows, budgets and slots are always exact. */
  readonly durability: boolean
  /** Whether `reserve` says how much is taken before the call. */
  readonly reserve: boolean
}

/** All that differs between kinds of limit, but their arithmetic: configuration, headers and pages are fed from it. */
export interface LimitKind {
  readonly name: LimitKindName
  /** What `LimitSpec.max` is a number of. */
  readonly counts: 'requests' | 'tokens' | 'micro-dollars' | 'slots'
  readonly algorithm: 'bucket' | 'ring' | 'calendar' | 'slots'
  /** What is promised, in one sentence. */
  readonly contract: string
  readonly fields: KindFields
  readonly defaults: Pick<LimitSpec, 'durability' | 'onFailure' | 'reserve'>
  /** How long permits of this limit are leased; milliseconds. */
  readonly leaseMs: (spec: LimitSpec) => number
  /** `qu` of `RateLimit-Policy`; null for its default, requests. Tokens and money have no registered unit. */
  readonly headerUnit: string | null
  /** What the providers' own headers call it; null where they have no word for it. */
  readonly vendorUnit: 'requests' | 'tokens' | null
  /** What becomes of requests once an isolate has coasted for 15 s and the Ledger still does not answer. */
  readonly afterCoast: 'open' | 'closed'
  /** Before the body is read, with every request; or with the reservation, once the request is known. */
  readonly taken: 'admission' | 'reservation'
}

/** Longest window and period: 31 days. */
const periodSecondsMax = 2_678_400

/** Most requests, tokens or micro-dollars of one limit: what a structured field can say has 15 digits. */
export const countMax = 1_000_000_000_000

/** Fields of a rate: `max` flows in during `periodSeconds`, `burst` is there at most. */
export const rateFields: KindFields = {
  max: { field: 'max', least: 1, most: countMax },
  periodSeconds: { least: 1, most: periodSecondsMax, fallback: 60 },
  burst: { least: 1, most: countMax },
  calendar: false,
  durability: true,
  reserve: false,
}

/** Fields of a rolling window: at most `max` in any `periodSeconds`. */
export const windowFields: KindFields = {
  ...rateFields,
  periodSeconds: { least: 1, most: periodSecondsMax, fallback: null },
  burst: null,
  durability: false,
}

/** Fields of a budget of a calendar window. */
export const budgetFields: KindFields = {
  ...windowFields,
  periodSeconds: null,
  calendar: true,
  reserve: true,
}

/** Fields of slots. */
export const slotFields: KindFields = {
  max: { field: 'max', least: 1, most: 100_000 },
  periodSeconds: null,
  burst: null,
  calendar: false,
  durability: false,
  reserve: false,
}
