import type { LlmCachePolicy } from '../cache/llm-policy.ts'
import type { CachePolicy } from '../cache/policy.ts'
import type {
  ConcurrencyPolicy,
  DialectName,
  GatewaySettings,
  HealthPolicy,
  KeySourceName,
  ResendPolicy,
  RetryPolicy,
  SecretReference,
  StreamPolicy,
  Timeouts,
} from './types.ts'

const mebibyte = 1_048_576

const llmTimeouts: Timeouts = {
  firstByteMs: 300_000,
  firstContentMs: null,
  idleMs: 60_000,
  totalMs: 600_000,
}

/** Timeouts of a target, by its dialect: a model may think for minutes before its first byte. */
export const defaultTimeouts: Readonly<Record<DialectName, Timeouts>> = {
  openai: llmTimeouts,
  anthropic: llmTimeouts,
  http: { firstByteMs: 15_000, firstContentMs: null, idleMs: 30_000, totalMs: 60_000 },
}

/** How a target's secret is carried, by the target's dialect. */
export const defaultSecretPlace: Readonly<Record<DialectName, Omit<SecretReference, 'secret'>>> = {
  openai: { header: 'authorization', prefix: 'Bearer ' },
  anthropic: { header: 'x-api-key', prefix: '' },
  http: { header: 'authorization', prefix: 'Bearer ' },
}

/** Largest request body of a route, by its dialect. */
export const defaultBodyBytesMax: Readonly<Record<DialectName, number>> = {
  openai: 32 * mebibyte,
  anthropic: 32 * mebibyte,
  http: 100 * mebibyte,
}

export const defaultGateway: GatewaySettings = {
  name: 'sluice',
  clientAddress: 'cloudflare',
  serverTiming: true,
  logSample: 1,
  keyGraceMs: 60_000,
}

export const defaultKeySources: readonly KeySourceName[] = ['authorization', 'x-api-key']

/** What a route does that says nothing else. */
export const defaultRoute = {
  host: '*',
  auth: 'required',
  bodyMs: 300_000,
  websocket: false,
  encodedSlash: false,
  opaqueBodies: 'refuse',
} as const

/** What a route does with event streams. */
export const defaultStreams: StreamPolicy = {
  onLeave: 'abort',
  usage: 'strip',
  keepAlive: false,
  onRevoke: 'finish',
}

export const defaultRetries: RetryPolicy = {
  max: 2,
  baseMs: 100,
  capMs: 2_000,
  retryAfterMsMax: 2_000,
  deadlineMs: null,
  budgetShare: 0.2,
  minPerSecond: 1,
}

export const defaultHealth: HealthPolicy = {
  failures: 5,
  failureShare: 0.2,
  callsMin: 20,
  windowMs: 10_000,
  openMs: 10_000,
  failFast: false,
  checkEveryMs: null,
}

export const defaultConcurrency: ConcurrencyPolicy = {
  max: 10,
  until: 'headers',
  queueMax: 100,
  queueMs: 2_000,
}

/** Share of hedged requests of an upstream, as far as its routes hedge at all. */
export const defaultHedgeShare = 0.02

/** What a route allows to get a request answered, by its dialect: LLM bodies are read for their model in any case. */
export const defaultResend: Readonly<Record<DialectName, ResendPolicy>> = {
  openai: { unsafe: false, hedge: false, bufferBytes: 262_144 },
  anthropic: { unsafe: false, hedge: false, bufferBytes: 262_144 },
  http: { unsafe: false, hedge: false, bufferBytes: 0 },
}

/** What a route with `cors` allows beyond its origins. */
export const defaultCors = {
  allowHeaders: ['authorization', 'content-type', 'x-api-key'],
  exposeHeaders: ['x-request-id', 'request-id', 'retry-after'],
  credentials: false,
  maxAgeSeconds: 600,
} as const

/** How the targets of an upstream are used that says nothing of it. */
export const defaultPool = {
  choose: 'ordered',
  retries: defaultRetries,
  health: defaultHealth,
  concurrency: defaultConcurrency,
  hedgeShare: defaultHedgeShare,
} as const
const hourMs = 3_600_000

/** What each profile of a route's `cache` means. */
export const cacheProfiles: Readonly<Record<CachePolicy['profile'], CachePolicy>> = {
  safe: {
    profile: 'safe',
    scope: 'account',
    authorized: 'rfc',
    setCookies: false,
    heuristics: false,
    looseVary: false,
    languageVary: false,
    loosePartial: false,
    clientDirectives: false,
    staleOnDisconnectMs: hourMs,
    errorMs: 10_000,
    bytesMax: 100 * mebibyte,
    version: '',
  },
  full: {
    profile: 'full',
    scope: 'account',
    authorized: 'rfc',
    setCookies: true,
    heuristics: true,
    looseVary: true,
    languageVary: true,
    loosePartial: true,
    clientDirectives: true,
    staleOnDisconnectMs: 24 * hourMs,
    errorMs: 24 * hourMs,
    bytesMax: 100 * mebibyte,
    version: '',
  },
}

/** What a route with `llmCache` does that says nothing else. */
export const defaultLlmCache: LlmCachePolicy = {
  scope: 'key',
  ttlMs: 300_000,
  ignore: ['user', 'metadata'],
  sampled: false,
  bytesMax: mebibyte,
  version: '',
}
