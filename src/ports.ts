/** The seams of the gateway: what the pipeline needs from the outside, in domain types only. */
import type { Conditions } from './core/cache/reuse.ts'
import type { Flights } from './core/cache/flights.ts'
import type { StoredAnswer } from './core/cache/hot-entries.ts'
import type { Invalidations } from './core/cache/invalidations.ts'
import type { PurgeLog, PurgeSubject } from './core/cache/purge-log.ts'
import type { Route, Target, Timeouts } from './core/config/types.ts'
import type { Snapshot } from './core/config/snapshot.ts'
import type { CanonicalTarget } from './core/route/canonical-target.ts'
import type { Account, NewAccount, Page, PageRequest } from './core/key/account.ts'
import type { AdminOutcome } from './core/key/admin-refusal.ts'
import type { KeyChange, KeyRecord, NewKey } from './core/key/key-record.ts'
import type { KeyPrincipal } from './core/key/principal.ts'
import type { Awaitable, Outcome } from './core/outcome.ts'
import type { Refusal } from './core/refusal.ts'
import type { ConfiguredMatch } from './core/route/route-index.ts'
import type { CacheOutcome, RequestRecord } from './core/record.ts'
import type { Ending } from './core/stream/ending.ts'
import type { Attempt } from './core/upstream/attempt.ts'
import type { ModelPrice } from './core/llm/cost.ts'
import type { Usage } from './core/llm/usage.ts'
import type { NeedAnswer } from './core/limit/messages.ts'
import type { LimitSpec } from './core/limit/spec.ts'
import type { LimitStanding } from './core/limit/standing.ts'
import type { DayRange, KeyStanding, KeyUsage } from './core/usage/usage-report.ts'

/** Something a request can do beyond computing; counted for the profile, waits shown in `Server-Timing`. */
export type Operation = 'kv' | 'ledger' | 'registry' | 'upstream' | 'queue' | 'backoff' | 'cache'

/** What a port call may use of the request it serves. */
export interface Scope {
  /** Keeps the request's context alive until the promise settles; for work that nobody waits for. */
  defer(work: Promise<unknown>): void
  /** Notes one operation begun. */
  count(operation: Operation): void
  /** Notes that the request itself waited for an operation. */
  waited(operation: Operation, ms: number): void
}

/** The few facts of a request that its record needs; each is written by the one place named beside it. */
export interface Facts {
  /** match */
  route: Route | null
  /** authenticate */
  account: string | null
  /** authenticate */
  keyId: string | null
  /** call-upstream */
  target: Target | null
  /** call-upstream: the upstream's own id for the request. */
  upstreamRequestId: string | null
  /** call-upstream: status the upstream answered with. */
  upstreamStatus: number | null
  /** call-upstream: every attempt, in the order in which they came to an end. */
  attempts: readonly Attempt[]
  /** call-upstream: to be told how the answer ended that was passed on. */
  answerEnded: ((ending: Ending) => void) | null
  /** What the cache did; null where it had no part. */
  cache: CacheOutcome | null
}

/** The life of one request. Stages hand their results on as values; what they note for the record is in `facts`. */
export interface Exchange extends Scope {
  readonly request: Request
  /** Ours and random, 128 bits; never the client's. */
  readonly id: string
  readonly startedMs: number
  /** Host, path and query, made canonical once; matched, authorised and forwarded as they stand here. */
  readonly target: CanonicalTarget
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal
  readonly facts: Facts
}

/** A request body on its way to an upstream; `bytes` can be sent again, `stream` cannot. */
export type RequestBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'stream'
      readonly stream: ReadableStream<Uint8Array>
      /** Resolves when the last byte is on its way, rejects when the body was cut; null where nobody can tell. */
      readonly sent: Promise<void> | null
      /** What is left of the time that the body may take, in milliseconds; absent where that is all of it. */
      readonly leftMs?: number
    }

/** What is known of an LLM request. */
export interface LlmFacts {
  /** The model as the client named it. */
  readonly asked: string | null
  /** The model as the upstream got it. */
  readonly model: string | null
  /** Whether the client asked for an event stream. */
  readonly stream: boolean
  /** Whether the gateway asked for usage in the stream, which the client did not. */
  readonly askedForUsage: boolean
  /** Bytes of the body as the client sent it. */
  readonly bodyBytes: number
}

/** What an LLM request may generate, as far as it can be said before its body has been sent. */
export interface LlmForecast {
  /** As the upstream gets it; null where the body names it on its way, or nobody names one. */
  readonly model: string | null
  /** As other targets of the upstream would get it, where they call it otherwise. */
  readonly otherModels: readonly string[]
  /** Bytes of the body, or what they are taken for. */
  readonly bodyBytes: number
  /** What the client allows each choice at most; null when it says nothing. */
  readonly outputTokensMax: number | null
  /** Answers asked for. */
  readonly choices: number
  /** Whether an event stream is asked for, or may be. */
  readonly stream: boolean
  /** False where the body is not known yet: then any number of answers of any length may be asked for. */
  readonly bodyRead: boolean
}

/** An LLM request on its way. */
export interface LlmRequest {
  /** Null for a request that makes no model run. */
  readonly forecast: LlmForecast | null
  /** Complete once the body has been sent. */
  facts(): LlmFacts
}

/** A body ready to be sent, and what became of it on its way. */
export interface SendableBody {
  /** Asked for only when it is to be sent: that of a stream begins to flow then. */
  readonly body: RequestBody
  /** Known without setting the body in motion. */
  readonly kind: RequestBody['kind']
  /** Why the body was cut; known once the call has failed or answered. */
  cut(): Refusal | null
}

/** A request as one target is to get it. */
export interface TargetRequest {
  readonly match: ConfiguredMatch
  readonly query: string
  readonly sendable: SendableBody
}

/** A request as the upstream is to get it; it stands here as its first target does. */
export interface OutboundRequest extends TargetRequest {
  /**
   * The request as another target gets it, by its names for models and what it takes; from then on `llm` speaks of
   * that. Null where all targets get the same.
   * @returns refusal `model_not_allowed` for a target whose model the rules do not let pass
   */
  readonly forTarget: ((target: Target) => Outcome<TargetRequest>) | null
  /** Null on plain routes. */
  readonly llm: LlmRequest | null
  /** What the cache asks of the upstream in the client's place; null where it has no part in the request. */
  readonly conditions: Conditions | null
}

/** Who is asking, after authentication. */
export type Principal = { readonly kind: 'anonymous' } | KeyHolder

/** The holder of a key, and what was taken for its request while the key was looked up. */
export interface KeyHolder extends KeyPrincipal {
  readonly prepaid: Prepaid | null
}

/** What an LLM request may use at most and is likely to use, as far as it is known before it runs. */
export interface TokenWant {
  readonly model: string | null
  /** Estimated from the body. */
  readonly inputTokens: number
  /** What the client allows each choice at most; null when it says nothing. */
  readonly outputTokensMax: number | null
  /** Answers asked for; each may use as many output tokens. */
  readonly choices: number
  readonly stream: boolean
  /** False where nobody knows what the body asks for; the other fields are then a guess. */
  readonly bodyRead: boolean
  /** The dearest there is for it; null where a model that it may run as has none. */
  readonly price: ModelPrice | null
  /** That model, if it is known. */
  readonly unpriced: string | null
  /** When the request is over for certain; milliseconds since the epoch. */
  readonly deadlineMs: number
}

/** What an exchange came to. */
export interface Settled {
  /** Null for an exchange that generated nothing. */
  readonly usage: Usage | null
  /** Null for a model without a price. */
  readonly costMicroUsd: number | null
  readonly ending: Ending
}

/** Why a request may not go on, although it was admitted. */
export type StopReason = 'key_revoked' | 'slot_lost'

/** What an admitted request holds; settled exactly once, however its response ends. */
export interface Grant {
  /**
   * Takes the tokens, the money and the stream's slot of an LLM request before it runs; all of them or none.
   * @returns null when they are taken; refusals `limit_reached`, `budget_exhausted`, `limit_too_small`,
   *   `model_not_priced`, `limits_unavailable`
   */
  reserve(want: TokenWant): Awaitable<Outcome<null>>
  /** Whether output is reserved in slices: then a stream asks for more as it runs, and ends when there is none. */
  readonly sliced: boolean
  /** Output tokens that `reserve` and `extend` have taken so far, for all choices; only asked where `sliced`. */
  readonly reservedOutputTokens: number
  /** Reserves more output tokens while the request runs. @returns false when there are none. */
  extend(tokens: number): Awaitable<boolean>
  /** Charges what the exchange came to and frees its slots; the first of `settle` and `release` counts. */
  settle(settled: Settled): void
  /** Nothing was delivered: tokens and money are given back, slots freed. A request stays counted. */
  release(): void
  /** How the limits of the request stand, for its response's headers. */
  standing(): readonly LimitStanding[]
  /** Calls `stop` once if the request may not go on: its key was revoked where the route cuts, or a slot was lost. */
  onStop(stop: (why: StopReason) => void): void
}

/** One call of one target. */
export interface UpstreamCall {
  readonly target: Target
  readonly url: string
  readonly method: string
  readonly headers: Headers
  readonly body: RequestBody
  /** `manual`: the body's bytes as the upstream coded them. */
  readonly encodeResponseBody: 'automatic' | 'manual'
  /** Aborts the call when the client goes away before the answer's headers are there. */
  readonly signal: AbortSignal
  readonly timeouts: Timeouts
  /** How long the body may take to be sent, in milliseconds; the time to the first byte begins after it. */
  readonly bodyMs: number
}

/** An upstream that has answered; its body may still fail. */
export interface UpstreamAnswer {
  readonly response: Response
  /** Aborts what is left of the call; the body's reader sees an error. */
  abort(): void
  /** What is left of the call's total time, in milliseconds, when the answer arrives. */
  readonly remainingMs: number
  /** The call's timer, at rest; whoever takes the body sets and stops it. */
  readonly timer: CallTimer
}

/** One deadline at a time. */
export interface CallTimer {
  /** Runs the action once after `ms`; takes the place of the deadline before. */
  set(ms: number, action: () => void): void
  stop(): void
}

export interface Upstreams {
  /** @returns the answer once its headers are there; refusals `upstream_*`, `body_too_slow` and `client_left`. */
  call(call: UpstreamCall, scope: Scope): Promise<Outcome<UpstreamAnswer>>
  /** The value of a target's secret, or null when the Worker has none of that name. */
  secret(name: string): string | null
}

export interface ConfigSource {
  /** The configuration in force; `misconfigured` when there is none. */
  snapshot(): Outcome<Snapshot>
}

/** Permits that a request was granted while its key was looked up; spent by `Limiter.admit` of the same request. */
export interface Prepaid {
  readonly need: NeedAnswer
}

/** A key that may be judged, and what was taken for the request on the way. */
export interface KnownKey {
  readonly record: KeyRecord
  readonly prepaid: Prepaid | null
}

export interface KeySource {
  /**
   * The record of a presented key, no older than the account lease allows. Answers from memory with no promise when it
   * can; else KV and the Ledger are asked at the same time, and the Ledger for the request's permits as well.
   * @returns refusals `key_invalid`, `keys_unavailable`, `keys_not_configured`, `flooded`.
   */
  find(presented: string, route: Route, x: Exchange): Awaitable<Outcome<KnownKey>>
}

/** A key just made: its record, and its text, which is shown this once and kept nowhere. */
export interface IssuedKeyText {
  readonly text: string
  readonly record: KeyRecord
}

/**
 * Accounts and their keys, for operators. Every method may refuse with `accounts_unavailable` when the Durable Objects
 * do not answer; what was asked for may then have happened, and asking again is safe.
 */
export interface KeyAdmin {
  createAccount(account: NewAccount): Promise<AdminOutcome<Account>>
  listAccounts(page: PageRequest): Promise<AdminOutcome<Page<Account>>>
  /** @returns refusal `account_unknown`. */
  getAccount(account: string): Promise<AdminOutcome<Account>>
  /**
   * Revokes all keys of the account for good and leaves a tombstone. Repeated, it changes nothing.
   * @returns refusal `account_unknown`.
   */
  deleteAccount(account: string): Promise<AdminOutcome<Account>>
  /** @returns refusals `account_unknown`, `account_deleted`, `keys_not_configured`. */
  createKey(account: string, key: NewKey): Promise<AdminOutcome<IssuedKeyText>>
  /** @returns refusal `account_unknown`. */
  listKeys(account: string, page: PageRequest): Promise<AdminOutcome<Page<KeyRecord>>>
  /** @returns refusals `account_unknown`, `key_unknown`. */
  getKey(account: string, keyId: string): Promise<AdminOutcome<KeyRecord>>
  /**
   * Takes a key out of use for good. Repeated, it changes nothing.
   * @returns refusals `account_unknown`, `key_unknown`.
   */
  revokeKey(account: string, keyId: string): Promise<AdminOutcome<KeyRecord>>
  /**
   * Changes a key that is not revoked. Repeated, it changes nothing.
   * @returns the record as it is then; refusals `account_unknown`, `key_unknown`, `key_revoked`.
   */
  updateKey(account: string, keyId: string, change: KeyChange): Promise<AdminOutcome<KeyRecord>>
  /** The limits of all keys of an account together. @returns refusal `account_unknown`. */
  getLimits(account: string): Promise<AdminOutcome<readonly LimitSpec[]>>
  /** Puts these limits in the place of those there are. @returns refusals `account_unknown`, `account_deleted`. */
  setLimits(account: string, limits: readonly LimitSpec[]): Promise<AdminOutcome<readonly LimitSpec[]>>
  /**
   * Says that cached answers of the account are not to be served: never again, or not before the upstream was asked.
   * @returns how many purges there were; refusals `account_unknown`, `account_deleted`
   */
  purge(
    account: string,
    subject: PurgeSubject,
    hard: boolean,
  ): Promise<AdminOutcome<{ readonly epoch: number }>>
}

/** A configuration document that was in force somewhere. */
export interface SeenConfig {
  readonly version: number
  /** SHA-256 of the document, lower-case hex. */
  readonly sha256: string
  readonly firstSeenAtMs: number
}

/** Which configurations this gateway has run with, newest first. */
export interface ConfigHistory {
  /** Notes a configuration. @returns what is known, the noted one included; refusal `accounts_unavailable`. */
  note(version: number, sha256: string): Promise<AdminOutcome<readonly SeenConfig[]>>
}

/**
 * Stored responses of this location, and what this isolate remembers of them. Names come from `CacheKey`s only. No
 * method rejects: a store that fails or hangs has nothing and keeps nothing.
 */
export interface ResponseCache {
  /** What lies under a name. Answers from memory with no promise when it can. */
  find(name: string, scope: Scope): Awaitable<StoredAnswer | null>
  /** What lay under a name when it was last seen; it may be gone. */
  guess(name: string): StoredAnswer | null
  /** The bytes of a body that lies apart, from `from` to before `to`; null when it is not there any more. */
  openBody(name: string, slice: BodySlice | null, scope: Scope): Promise<ReadableStream<Uint8Array> | null>
  /** Keeps a record and its bytes for about `keepMs`. @returns whether it was kept */
  put(name: string, answer: StoredAnswer, keepMs: number, scope: Scope): Promise<boolean>
  /** Keeps a body apart. @returns its length once it was kept whole, else null: then nothing is left of it */
  putBody(name: string, body: IncomingBody, keepMs: number, scope: Scope): Promise<number | null>
  drop(name: string, scope: Scope): Promise<void>
  readonly flights: Flights
  readonly invalidations: Invalidations
}

export interface BodySlice {
  readonly from: number
  readonly to: number
  /** Length of the whole body. */
  readonly length: number
}

/** A body on its way into the store. */
export interface IncomingBody {
  readonly stream: ReadableStream<Uint8Array>
  /** The length it should come to; null where nobody said. */
  readonly length: number | null
  readonly bytesMax: number
}

/** What was purged; in memory, so that no hit waits for it. */
export interface PurgeSource {
  /** The purges of an account, or those of what is everyone's; an isolate that was told nothing gives an empty log. */
  log(account: string | null): PurgeLog
}

export interface Limiter {
  /**
   * Takes what every request needs before it starts: one of each limit on requests, and slots.
   * @returns refusals `limit_reached`, `limits_unavailable`
   */
  admit(principal: Principal, route: Route, x: Exchange): Awaitable<Outcome<Grant>>
}

/** What a key has used and how its limits stand, from its account's Ledger. */
export interface UsageReader {
  /** @returns refusals `limits_unavailable` when the Ledger does not answer in time; `key_invalid` for a key it does not know */
  standing(holder: KeyPrincipal, scope: Scope): Promise<Outcome<KeyStanding>>
  /** The same with its usage of some days. */
  usage(holder: KeyPrincipal, days: DayRange, scope: Scope): Promise<Outcome<KeyUsage>>
}

/** A cheap first gate per client address, in front of keys that are not in memory; approximate, and optional. */
export interface Shield {
  /** False when this address has asked too often. True when nobody can say. */
  allows(x: Exchange): Awaitable<boolean>
}

export interface Recorder {
  /** One call per request, after its body has ended. Never throws. */
  record(record: RequestRecord): void
  /** A thrown error that no refusal foresees; its text may hold anything and is not logged. Never throws. */
  bug(requestId: string, error: unknown): void
  /** Something the operator set that the gateway cannot use; said once per isolate. Holds no secret. */
  misconfigured(what: string, problems: readonly unknown[]): void
}

/** Says whether the bindings answer; for `GET /health?ready`. */
export interface Readiness {
  check(scope: Scope): Promise<Readonly<Record<string, 'ok' | 'failing'>>>
}

export interface Digest {
  /** SHA-256 of the text's UTF-8 bytes. */
  sha256(text: string): Promise<Uint8Array>
  /** HMAC-SHA-256 (RFC 2104) of the text's UTF-8 bytes. */
  hmacSha256(key: Uint8Array, text: string): Promise<Uint8Array>
}

export interface Clock {
  /** Milliseconds since the epoch; stands still between I/O on Cloudflare. */
  nowMs(): number
  wait(ms: number): Promise<void>
  /** Runs the action once after `ms`, unless the returned function is called first. */
  after(ms: number, action: () => void): () => void
}

export interface Random {
  bytes(count: number): Uint8Array
  /** In [0, 1). */
  fraction(): number
}
