import type { KeyRecord } from '../key/key-record.ts'
import type { KeyStanding, LimitUse } from './usage-report.ts'

/** How a key stands, in the shape of glm-proxy's `GET /stats`. Times are ISO 8601 in UTC; null where nothing is to say. */
export interface GlmStats {
  /** As much of the key as is no secret. */
  readonly key: string
  readonly name: string
  /** The one model that the key may use. */
  readonly model: string | null
  readonly token_limit_per_5h: number | null
  readonly expiry_date: string | null
  readonly created_at: string
  readonly last_used: string | null
  readonly is_expired: boolean
  readonly current_usage: {
    readonly tokens_used_in_current_window: number | null
    readonly window_started_at: string | null
    readonly window_ends_at: string | null
    readonly remaining_tokens: number | null
  }
  readonly total_lifetime_tokens: number
}

const fiveHoursMs = 5 * 60 * 60 * 1_000

/**
 * How a key stands in glm-proxy's words. Its window of 5 h is the key's own limit of that length, else its account's.
 * @param publicPart what may be shown of the key's text
 */
export function glmStats(standing: KeyStanding, publicPart: string, nowMs: number): GlmStats {
  const { record, lifetime, limits } = standing
  const window = limits.find(ofKey) ?? limits.find(isFiveHours)
  return {
    key: `${publicPart}…`,
    name: record.name,
    model: onlyModel(record),
    token_limit_per_5h: window === undefined ? null : window.spec.max,
    expiry_date: isoTime(record.expiresAtMs),
    created_at: new Date(record.createdAtMs).toISOString(),
    last_used: isoTime(lifetime.lastUsedMs),
    is_expired: record.expiresAtMs !== null && record.expiresAtMs <= nowMs,
    current_usage: window === undefined ? noWindow : windowOf(window),
    total_lifetime_tokens: lifetime.inputTokens + lifetime.outputTokens,
  }
}

const noWindow: GlmStats['current_usage'] = {
  tokens_used_in_current_window: null,
  window_started_at: null,
  window_ends_at: null,
  remaining_tokens: null,
}

function windowOf({ used, left, windowStartsMs, windowEndsMs }: LimitUse): GlmStats['current_usage'] {
  return {
    tokens_used_in_current_window: used,
    window_started_at: isoTime(windowStartsMs),
    window_ends_at: isoTime(windowEndsMs),
    remaining_tokens: left,
  }
}

function onlyModel({ models }: KeyRecord): string | null {
  const [model = null, ...others] = models?.allow ?? []
  return others.length === 0 ? model : null
}

function ofKey(use: LimitUse): boolean {
  return use.level === 'key' && isFiveHours(use)
}

function isFiveHours({ spec }: LimitUse): boolean {
  return spec.kind === 'token-window' && spec.periodMs === fiveHoursMs
}

function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
