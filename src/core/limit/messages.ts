/**
 * What isolates and Ledgers say to each other. Plain objects: either side ignores fields it does not know and takes
 * absent ones as their empty value, so that a Worker and a Ledger one version apart understand each other.
 */
import type { AccountNews } from '../key/account-news.ts'
import type { KeyRecord } from '../key/key-record.ts'
import type { TargetHint } from '../upstream/hints.ts'
import type { TargetCheck } from '../upstream/target-check.ts'
import type { AppliedLimit, LimitSpec } from './spec.ts'

/** Permits to take from one counter: requests, tokens, micro-dollars or slots. */
export interface Take {
  readonly counter: string
  readonly cost: number
}

/** What an isolate holds of a counter when it sends a message; totals are since the isolate began. */
export interface Holding {
  readonly counter: string
  /** The limit as the isolate knows it; the Ledger has its own word on limits of keys and accounts. */
  readonly spec: LimitSpec
  /** Leased permits that may still be used, or free slots. */
  readonly have: number
  /** Leased permits used, in total. */
  readonly used: number
  /** Slots in use now, which the message renews; 0 for other kinds. */
  readonly inUse: number
  /** Permits asked for in a second, a moving average. */
  readonly perSecond: number
  /** Permits it would use in the life of a lease; 0 when too few for a lease. */
  readonly want: number
  /** Permits admitted while the Ledger did not answer, and not in a message that was answered. */
  readonly debt: number
}

/** A request that waits: all of its takes are granted, or none. */
export interface Need {
  /** Ours and random; the id of the reservation where tokens are taken. */
  readonly id: string
  readonly takes: readonly Take[]
  /**
   * A key whose record the isolate does not have yet: the Ledger adds one permit of each limit on requests and concurrent
   * requests of the key and its account. Null when `takes` is complete.
   */
  readonly key: string | null
}

/** Tokens and money that a request has reserved from leased permits, or was granted by a need. */
export interface OpenedReservation {
  readonly id: string
  readonly takes: readonly Take[]
  /** When the request is over for certain, milliseconds since the epoch; then the reservation is charged as it stands. */
  readonly deadlineMs: number
  readonly key: string
  readonly route: string
  readonly model: string | null
  /** While it is open: what was reserved, which is what a reservation that nobody settles is taken to have used. */
  readonly inputTokens: number
  readonly outputTokens: number
  /** Null for a model without a price. */
  readonly microUsd: number | null
}

/** What an exchange came to; said once, and again until it was acknowledged. */
export interface SettledReservation extends OpenedReservation {
  /** What it cost on each counter; counters of `takes`. Tokens and money of the message are then what it came to. */
  readonly costs: readonly Take[]
  readonly source: 'measured' | 'estimated' | 'lost'
  readonly endedMs: number
}

/** An isolate's message to the Ledger of an account. */
export interface SyncRequest {
  readonly v: 1
  /** Random, one for each isolate. */
  readonly isolate: string
  /** Grows with each message of the isolate to this account. A reply to any but the last message brings no permits. */
  readonly seq: number
  /** The Ledger's life as the isolate last heard of it. */
  readonly boot: string | null
  /** A reply that takes longer than this from sending is void. Milliseconds. */
  readonly replyWithinMs: number
  /** The last reply that was taken, and how long before sending its requests had left. */
  readonly acked: { readonly seq: number; readonly agoMs: number } | null
  readonly holdings: readonly Holding[]
  readonly needs: readonly Need[]
  readonly opened: readonly OpenedReservation[]
  readonly settled: readonly SettledReservation[]
  /** The account's sequence as the isolate knows it; null: it knows nothing yet. */
  readonly sequence: number | null
  /** Ids of keys whose records are asked for. */
  readonly keys: readonly string[]
  /** Targets that the isolate has taken out a moment ago; absent when there are none. */
  readonly hints?: readonly TargetHint[]
  /** Targets that are to be checked without traffic; said every two minutes. */
  readonly checks?: readonly TargetCheck[]
}

/** What the Ledger gives of one counter. */
export interface CounterGrant {
  readonly counter: string
  /** The limit as it is in force. */
  readonly spec: LimitSpec
  /** Permits leased anew, valid until `ttlMs` after the message was sent, by the isolate's clock. */
  readonly permits: number
  readonly ttlMs: number
  /** Whether what the isolate holds is valid for as long; else it is void. */
  readonly keep: boolean
  /** Permits left at the Ledger. */
  readonly left: number
  /** Milliseconds until `left` is what it is at most, or the window is over. */
  readonly resetMs: number
  /** For how long a request of one permit would be refused; 0 when none would. */
  readonly denyMs: number
  /** Permits in a second that this isolate may admit while the Ledger does not answer. */
  readonly coastPerSecond: number
}

/** What became of a need. */
export interface NeedAnswer {
  readonly id: string
  /** What was taken, with what the Ledger added; null when nothing was. */
  readonly takes: readonly Take[] | null
  /** Counters that had too little. */
  readonly violated: readonly string[]
  /** When it may be tried again; null when it never can be granted. Milliseconds. */
  readonly waitMs: number | null
  /** Limits that the Ledger added for `key`. */
  readonly limits: readonly AppliedLimit[]
}

/** The Ledger's reply. */
export interface SyncReply {
  readonly v: 1
  readonly boot: string
  readonly seq: number
  readonly grants: readonly CounterGrant[]
  readonly needs: readonly NeedAnswer[]
  /** Ids of reservations and settlements that are kept now. */
  readonly acknowledged: readonly string[]
  /** Null when there is no such account. */
  readonly account: AccountNews | null
  /** Records asked for; null for a key that does not exist. */
  readonly keys: readonly { readonly id: string; readonly record: KeyRecord | null }[]
  /** What others have found out about targets; absent when that is nothing. */
  readonly hints?: readonly TargetHint[]
}
