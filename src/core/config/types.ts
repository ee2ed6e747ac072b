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

/** Milliseconds. `firstByteMs`: until response headers; `idleMs`: without a byte moving; `totalMs`: until the last byte. */
export interface Timeouts {
  readonly firstByteMs: number
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
}

/** A named pool of targets. */
export interface Upstream {
  readonly name: string
  readonly targets: readonly Target[]
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
