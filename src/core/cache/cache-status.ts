/** Why a request went on to the origin (RFC 9211 §2.2). */
type ForwardReason = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'request' | 'stale' | 'partial'

/** What the cache did with a request. Times in milliseconds. */
export interface CacheStatus {
  readonly hit: boolean
  readonly forward: ForwardReason | null
  /** The origin's status, where it was asked and another one was answered. */
  readonly forwardStatus: number | null
  /** Freshness left; negative when stale. */
  readonly ttlMs: number | null
  readonly stored: boolean
  /** Whether another request's answer was waited for. */
  readonly collapsed: boolean
  /** One word of the gateway's own. */
  readonly detail: string | null
}

export const missed: CacheStatus = {
  hit: false,
  forward: 'uri-miss',
  forwardStatus: null,
  ttlMs: null,
  stored: false,
  collapsed: false,
  detail: null,
}

/**
 * A Cache-Status member (RFC 9211 §2).
 * @param cache the gateway's name
 */
export function writeCacheStatus(cache: string, status: CacheStatus): string {
  const parts = [/^[A-Za-z*][\w!#$%&'*+.^`|~:/-]*$/.test(cache) ? cache : quoted(cache)]
  if (status.hit) parts.push('hit')
  else if (status.forward !== null) parts.push(`fwd=${status.forward}`)
  if (status.forwardStatus !== null) parts.push(`fwd-status=${status.forwardStatus}`)
  if (status.ttlMs !== null) parts.push(`ttl=${Math.floor(status.ttlMs / 1000)}`)
  if (!status.hit && status.stored) parts.push('stored')
  if (status.collapsed) parts.push('collapsed')
  if (status.detail !== null) parts.push(`detail=${status.detail}`)
  return parts.join('; ')
}

function quoted(text: string): string {
  return `"${text.replaceAll(/[^\x20-\x7e]/g, '').replaceAll(/["\\]/g, '\\$&')}"`
}
