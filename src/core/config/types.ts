import type { LlmCachePolicy } from '../cache/llm-policy.ts'
import type { CachePolicy } from '../cache/policy.ts'
import type { RouteLimit } from '../limit/spec.ts'

/** The wire format of a route: decides error bodies, the error event of a stream, and (later) metering. */
export type DialectName = 'openai' | 'anthropic' | 'http'

/** Where a client may put its key; `authorization` means `Authorization: Bearer`. */
export type KeySourceName = 'authorization' | 'x-api-key'

/** A secret of the Worker, by the name of its binding, and how a request carries it to the target. */
export interface SecretReference {
  readonly secret: string
  /** Request header that carries it, in lower case. */
  readonly header: string
  /** Text before the secret in that header, for example `Bearer `. */
  readonly prefix: string
}

/**
 * Milliseconds. `firstByteMs`: until response headers; `firstContentMs`: until the first event of a stream that holds
 * something, null where nobody looks; `idleMs`: without a byte moving; `totalMs`: until the last byte.
 */
export interface Timeouts {
  readonly firstByteMs: number
  readonly firstContentMs: number | null
  readonly idleMs: number
  readonly totalMs: number
}

/** A member of an upstream. */
export interface Target {
  /** `upstream/index`, for records; never sent to a client. */
  readonly id: string
  /** Scheme, host and port, as `new URL(...).origin` gives them. */
  readonly origin: string
  /** Path before the rewritten path, without a slash at its end; empty when there is none. */
  readonly basePath: string
  readonly dialect: DialectName
  readonly secret: SecretReference | null
  readonly timeouts: Timeouts
  /** Whether the target takes OpenAI's `stream_options.include_usage`. */
  readonly includeUsage: boolean
  /** Its part of the requests beside those of the others; 0 gets only what no other can take. */
  readonly weight: number
  /** Share of all requests that go to it first, 0 to 1; null for a target that is no canary. */
  readonly canaryShare: number | null
  /** What models are called there, by the name that the route would send. */
  readonly models: Readonly<Record<string, string>>
  /** Path that is asked, with GET, whether a target that was out is back; null lets a request find out. */
  readonly checkPath: string | null
}

/** How a target is chosen for a request. */
export type Choice = 'ordered' | 'weighted' | 'least-loaded' | 'sticky-key' | 'sticky-prefix'

/** What is done when a target does not give a good answer. */
export interface RetryPolicy {
  /** Attempts beyond the first. */
  readonly max: number
  /** Wait before the same target is asked again: up to `baseMs`, doubling with each attempt up to `capMs`. */
  readonly baseMs: number
  readonly capMs: number
  /** The longest `Retry-After` that a request waits for. */
  readonly retryAfterMsMax: number
  /** Time over all attempts, up to the headers of the answer; null for the first target's `totalMs`. */
  readonly deadlineMs: number | null
  /** Attempts beyond the first, as a share of the requests, and how many a second there may be in any case. */
  readonly budgetShare: number
  readonly minPerSecond: number
}

/** When a target counts as out of order. */
export interface HealthPolicy {
  /** Failures in a row that take a target out. */
  readonly failures: number
  /** Share of `callsMin` calls and more within `windowMs` whose failing makes others preferred. */
  readonly failureShare: number
  readonly callsMin: number
  readonly windowMs: number
  /** How long a target is out before it is probed. */
  readonly openMs: number
  /** Whether a target that is out because it gave no answers gets no calls at all, though no other is left. */
  readonly failFast: boolean
  /** How often targets with a `checkPath` are asked without any traffic; null for never. */
  readonly checkEveryMs: number | null
}

/** How many calls of one target an isolate has at a time. */
export interface ConcurrencyPolicy {
  /** Null for as many as come. */
  readonly max: number | null
  /** Until when a call counts: the headers of its answer, or the end of the answer. */
  readonly until: 'headers' | 'end'
  readonly queueMax: number
  readonly queueMs: number
}

/** A named pool of targets. */
export interface Upstream {
  readonly name: string
  readonly targets: readonly Target[]
  readonly choose: Choice
  readonly retries: RetryPolicy
  readonly health: HealthPolicy
  readonly concurrency: ConcurrencyPolicy
  /** Second attempts while the first is still waited for, as a share of the requests. */
  readonly hedgeShare: number
}

/** What a route allows to be done with its requests to get them answered. */
export interface ResendPolicy {
  /** Whether a request may be sent twice although its method does not say so. */
  readonly unsafe: boolean
  /** Whether a second attempt may start while the first is still waited for. */
  readonly hedge: boolean
  /** Bodies up to this are read before the upstream is called, so that they can be sent again: of declared length, and JSON. */
  readonly bufferBytes: number
}

/** Headers to remove and to set, in this order; names in lower case. */
export interface HeaderEdits {
  readonly remove: readonly string[]
  readonly set: Readonly<Record<string, string>>
}

/** Cross-origin rules of a route (Fetch standard, CORS protocol). Origins are compared exactly. */
export interface CorsPolicy {
  readonly origins: readonly string[]
  readonly allowHeaders: readonly string[]
  readonly exposeHeaders: readonly string[]
  readonly credentials: boolean
  readonly maxAgeSeconds: number
}

/** Which models may be used; a name that ends in `*` stands for all that begin like it. */
export interface ModelRules {
  /** Null allows every model that is not denied. */
  readonly allow: readonly string[] | null
  readonly deny: readonly string[]
}

/** Models as a route names them. Rules hold for the name the upstream gets. */
export interface ModelPolicy extends ModelRules {
  readonly aliases: Readonly<Record<string, string>>
  readonly override: string | null
}

/** How a route treats event streams. */
export interface StreamPolicy {
  /** When the client leaves: stop the upstream, or read on for its usage, for a while. */
  readonly onLeave: 'abort' | 'drain'
  /**
   * Usage that the client did not ask for is asked for in its place: `strip` keeps the extra chunk from the client,
   * `pass` lets it through, `never` does not ask.
   */
  readonly usage: 'strip' | 'pass' | 'never'
  /** Whether the dialect's comment or ping is sent after 15 s of silence. */
  readonly keepAlive: boolean
  /** What becomes of a stream whose key is revoked: it finishes, or is cut within 5 s. */
  readonly onRevoke: 'finish' | 'cut'
}

/** Host + path pattern + methods → upstream + policies. */
export interface Route {
  readonly id: string
  /** `api.example.com`, `*.example.com`, or `*` for any host. */
  readonly host: string
  /** `/v1/models/{id}`, `/v1/*`. */
  readonly path: string
  /** Upper case; empty means any method. */
  readonly methods: readonly string[]
  readonly upstream: Upstream
  /** Upstream path with the pattern's `{names}` and `*`; null keeps the client's path. */
  readonly rewrite: string | null
  readonly auth: 'required' | 'optional' | 'none'
  readonly keySources: readonly KeySourceName[]
  /** Name of the query parameter that may carry the key, or null. */
  readonly keyQuery: string | null
  readonly dialect: DialectName
  readonly bodyBytesMax: number
  /** How long a request body may take to arrive, in milliseconds. */
  readonly bodyMs: number
  readonly requestHeaders: HeaderEdits
  readonly responseHeaders: HeaderEdits
  readonly cors: CorsPolicy | null
  readonly websocket: boolean
  /** Whether `%2F` may stand inside a path segment. */
  readonly encodedSlash: boolean
  readonly models: ModelPolicy
  readonly streams: StreamPolicy
  readonly resend: ResendPolicy
  readonly limits: readonly RouteLimit[]
  /** LLM bodies that are not plain JSON or a form: refused, or passed where no rule on models could be evaded. */
  readonly opaqueBodies: 'refuse' | 'pass'
  /** How answers to GET are cached; null where they are not. */
  readonly cache: CachePolicy | null
  /** How answers of models are cached; null where they are not. */
  readonly llmCache: LlmCachePolicy | null
}

/** What the gateway answers itself. A configured route with exactly the same path takes its place. */
export type Builtin = 'health' | 'index' | 'stats' | 'usage'

/** The gateway's own settings. */
export interface GatewaySettings {
  /** Pseudonym in `Via` (RFC 9110 §7.6.3); a request that carries it already is a loop. */
  readonly name: string
  /** Whose word on the client's address is taken: Cloudflare's header, or nobody's. */
  readonly clientAddress: 'cloudflare' | 'none'
  readonly serverTiming: boolean
  /** Share of successful requests whose record is logged, 0 to 1; refusals and failures always are. */
  readonly logSample: number
  /** How long a known key goes on while the Ledger does not answer, in milliseconds; 0: not at all. */
  readonly keyGraceMs: number
}

/** One thing that is wrong with a configuration document. */
export interface ConfigProblem {
  /** JSON path, for example `$.routes[3].upstream`. */
  readonly path: string
  readonly expected: string
  /** What was found, shortened, never a secret. */
  readonly found: string
}
