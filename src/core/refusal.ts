import { cacheEntries } from './cache/refusal-entries.ts'
import type { LimitKind } from './limit/kinds/kind.ts'
import { limitEntries } from './limit/refusal-entries.ts'
import type { LimitStanding } from './limit/standing.ts'
import { upstreamEntries } from './upstream/refusal-entries.ts'

/**
 * Every reason for which the gateway itself answers instead of an upstream. The catalogue below gives status, stable
 * code and a sentence that says what to do; a dialect only gives it shape.
 */
export type Refusal =
  | { readonly refused: 'malformed_request'; readonly detail: string }
  | { readonly refused: 'url_too_long'; readonly bytesMax: number }
  | { readonly refused: 'headers_too_large'; readonly fieldsMax: number; readonly bytesMax: number }
  | { readonly refused: 'no_route' }
  | { readonly refused: 'method_not_allowed'; readonly allow: readonly string[] }
  | { readonly refused: 'upgrade_not_allowed' }
  | { readonly refused: 'key_missing' }
  | { readonly refused: 'key_invalid' }
  | { readonly refused: 'key_conflict' }
  | { readonly refused: 'keys_unavailable'; readonly retryAfterMs: number }
  | { readonly refused: 'keys_not_configured' }
  /** Too many unknown keys from one address. */
  | { readonly refused: 'flooded'; readonly retryAfterMs: number }
  /** Limits on requests, tokens or slots have too little left. */
  | ({ readonly refused: 'limit_reached' } & LimitRefusal)
  /** Limits on money have too little left. */
  | ({ readonly refused: 'budget_exhausted' } & LimitRefusal)
  /** The client allows the model more than these limits ever admit at once. */
  | {
      readonly refused: 'limit_too_small'
      readonly violated: readonly string[]
      /** What `asked` and `max` are numbers of. */
      readonly counts: LimitKind['counts']
      readonly asked: number
      readonly max: number
    }
  /** A limit on money holds, and nobody has said what the model costs. */
  | { readonly refused: 'model_not_priced'; readonly model: string | null }
  | { readonly refused: 'limits_unavailable'; readonly retryAfterMs: number }
  | { readonly refused: 'body_too_large'; readonly bytesMax: number }
  | { readonly refused: 'body_too_slow'; readonly afterMs: number }
  | { readonly refused: 'model_not_allowed'; readonly model: string }
  | { readonly refused: 'body_not_readable'; readonly found: string }
  | { readonly refused: 'loop_detected' }
  | { readonly refused: 'upstream_unreachable' }
  | { readonly refused: 'upstream_first_byte_timeout'; readonly afterMs: number }
  | { readonly refused: 'upstream_first_content_timeout'; readonly afterMs: number }
  | { readonly refused: 'upstream_total_timeout'; readonly afterMs: number }
  | { readonly refused: 'upstream_idle_timeout'; readonly afterMs: number }
  | { readonly refused: 'upstream_broke_off' }
  | { readonly refused: 'upstream_credential_refused'; readonly upstreamStatus: number }
  | { readonly refused: 'upstream_credential_missing'; readonly secret: string }
  | {
      readonly refused: 'upstream_error'
      readonly upstreamStatus: number
      readonly retryAfter: string | null
    }
  | { readonly refused: 'upstream_unavailable'; readonly retryAfterMs: number }
  | { readonly refused: 'upstream_busy'; readonly retryAfterMs: number }
  | { readonly refused: 'only_if_cached' }
  | { readonly refused: 'client_left' }
  | { readonly refused: 'misconfigured' }
  | { readonly refused: 'internal_error' }

/** What a request is told that limits have stopped. */
interface LimitRefusal {
  /** Names of the limits that had too little. */
  readonly violated: readonly string[]
  /** When it may be tried again; null when waiting does not help. Milliseconds. */
  readonly waitMs: number | null
  readonly standings: readonly LimitStanding[]
}

type RefusalReason = Refusal['refused']

/** What a refusal says on the wire, before a dialect gives it shape. */
export interface RefusalFacts {
  /** HTTP status. */
  readonly status: number
  /** Stable, documented code; clients may switch on it. */
  readonly code: RefusalReason
  /** Short name of the kind of problem (RFC 9457 `title`). */
  readonly title: string
  /** What happened and what to do. Never carries a secret or an upstream's text. */
  readonly message: string
  /** Response headers that belong to the refusal (`allow`, `www-authenticate`, an upstream's `retry-after`). */
  readonly headers: Readonly<Record<string, string>>
  /** Whether the same request may succeed later unchanged; becomes `x-should-retry` on LLM routes. */
  readonly retryable: boolean
  /** How long to wait before that, exactly; null when there is nothing to say. Milliseconds. */
  readonly retryAfterMs: number | null
  /** URI of a registered problem type (RFC 9457); null for one of our own. */
  readonly problemType: string | null
  /** Names of the limits that had too little. */
  readonly violated: readonly string[]
  /** How the limits of the request stand. */
  readonly standings: readonly LimitStanding[]
}

/** An entry of the catalogue; what it leaves out says nothing. */
interface Entry {
  readonly status: number
  readonly title: string
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
  readonly retryable?: boolean
  readonly retryAfterMs?: number | null
  readonly problemType?: string
  readonly violated?: readonly string[]
  readonly standings?: readonly LimitStanding[]
}

/** How refusals of some reasons are described. */
export type Entries<Reason extends RefusalReason> = {
  readonly [R in Reason]: (refusal: Extract<Refusal, { refused: R }>) => Entry
}

const challenge = { 'www-authenticate': 'Bearer realm="sluice"' }

const catalogue: Entries<RefusalReason> = {
  malformed_request: ({ detail }) => ({ status: 400, title: 'Malformed request', message: detail }),
  url_too_long: ({ bytesMax }) => ({
    status: 414,
    title: 'URL too long',
    message: `The URL is longer than ${bytesMax} bytes; send a shorter one.`,
  }),
  headers_too_large: ({ fieldsMax, bytesMax }) => ({
    status: 431,
    title: 'Headers too large',
    message: `A request may have at most ${fieldsMax} header fields with ${bytesMax} bytes in all; send fewer.`,
  }),
  no_route: () => ({
    status: 404,
    title: 'No such route',
    message: 'No route of this gateway has this host and path; check the URL.',
  }),
  method_not_allowed: ({ allow }) => ({
    status: 405,
    title: 'Method not allowed',
    message: `This route accepts ${allow.join(', ')}; use one of these.`,
    headers: { allow: allow.join(', ') },
  }),
  upgrade_not_allowed: () => ({
    status: 400,
    title: 'Upgrade not allowed',
    message: 'This route takes no WebSocket upgrade; send a plain request.',
  }),
  key_missing: () => ({
    status: 401,
    title: 'Key missing',
    message: 'Send your gateway key, for example as `Authorization: Bearer slc_...`.',
    headers: challenge,
  }),
  key_invalid: () => ({
    status: 401,
    title: 'Key not valid',
    message: 'The gateway key is not valid; check it or ask for a new one.',
    headers: challenge,
  }),
  key_conflict: () => ({
    status: 400,
    title: 'Two different keys',
    message: 'The request carries two different gateway keys; send only one.',
  }),
  keys_unavailable: ({ retryAfterMs }) => ({
    status: 503,
    title: 'Keys cannot be checked',
    message: 'The gateway cannot check keys right now; try again shortly.',
    retryAfterMs,
    retryable: true,
  }),
  keys_not_configured: () => ({
    status: 503,
    title: 'No key ring',
    message: 'This gateway has no key ring; its operator must set the secret SLUICE_KEY_RING.',
  }),
  ...limitEntries,
  body_too_large: ({ bytesMax }) => ({
    status: 413,
    title: 'Body too large',
    message: `The body may have at most ${bytesMax} bytes here; send a smaller one.`,
  }),
  body_too_slow: ({ afterMs }) => ({
    status: 408,
    title: 'Body too slow',
    message: `The body had not arrived after ${afterMs} ms; send it faster or in smaller parts.`,
    retryable: true,
  }),
  body_not_readable: ({ found }) => ({
    status: 415,
    title: 'Body not readable',
    message: `This route takes JSON in UTF-8 or a form, not ${found}; send \`content-type: application/json\`.`,
  }),
  model_not_allowed: ({ model }) => ({
    status: 403,
    title: 'Model not allowed',
    message: `The model \`${model.slice(0, 100)}\` is not open to this key here; GET /v1/models lists those that are.`,
  }),
  loop_detected: () => ({
    status: 508,
    title: 'Loop detected',
    message: 'This request has already passed through this gateway; its operator must check the upstreams.',
  }),
  ...upstreamEntries,
  ...cacheEntries,
  client_left: () => ({
    status: 499,
    title: 'Client closed request',
    message: 'The client went away before the upstream answered.',
  }),
  misconfigured: () => ({
    status: 503,
    title: 'Gateway misconfigured',
    message: 'The gateway has no valid configuration; its operator must mend it.',
  }),
  internal_error: () => ({
    status: 500,
    title: 'Internal error',
    message: 'The gateway failed; if this goes on, tell its operator the request id.',
  }),
}

const nothingSaid = {
  headers: {},
  retryable: false,
  retryAfterMs: null,
  problemType: null,
  violated: [],
  standings: [],
} as const

/** Status, code, text and headers of a refusal. Unknown, revoked, expired and malformed keys answer identically. */
export function describeRefusal(refusal: Refusal): RefusalFacts {
  const describe = catalogue[refusal.refused] as (refusal: Refusal) => Entry
  return { ...nothingSaid, ...describe(refusal), code: refusal.refused }
}
