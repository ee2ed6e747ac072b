import { patienceMs } from '../limit/refusal-entries.ts'
import type { Entries, Refusal } from '../refusal.ts'

type UpstreamReason = Extract<Refusal['refused'], `upstream_${string}`>

/** The part of the catalogue of refusals that calls of upstreams bring about. */
export const upstreamEntries: Entries<UpstreamReason> = {
  upstream_unreachable: () => ({
    status: 502,
    title: 'Upstream unreachable',
    message: 'The upstream could not be reached or hung up before it answered; try again shortly.',
    retryable: true,
  }),
  upstream_first_byte_timeout: ({ afterMs }) => ({
    status: 504,
    title: 'Upstream timed out',
    message: `The upstream sent nothing for ${afterMs} ms; try again later.`,
    retryable: true,
  }),
  upstream_first_content_timeout: ({ afterMs }) => ({
    status: 504,
    title: 'Upstream began no answer',
    message: `The upstream's stream held nothing for ${afterMs} ms; try again later.`,
    retryable: true,
  }),
  upstream_total_timeout: ({ afterMs }) => ({
    status: 504,
    title: 'Upstream took too long',
    message: `The upstream was not done after ${afterMs} ms; what came is not complete.`,
    retryable: true,
  }),
  upstream_idle_timeout: ({ afterMs }) => ({
    status: 504,
    title: 'Upstream went silent',
    message: `Nothing moved for ${afterMs} ms; what came is not complete.`,
    retryable: true,
  }),
  upstream_broke_off: () => ({
    status: 502,
    title: 'Upstream broke off',
    message: 'The upstream broke off its answer; what came is not complete.',
    retryable: true,
  }),
  upstream_credential_refused: () => ({
    status: 502,
    title: 'Upstream refused the gateway',
    message: 'The upstream refused the credential of this gateway; its operator must check it.',
  }),
  upstream_credential_missing: () => ({
    status: 503,
    title: 'Upstream credential missing',
    message: 'The gateway has no credential for this upstream yet; its operator must set the secret.',
  }),
  upstream_error: ({ upstreamStatus, retryAfter }) => ({
    status: upstreamStatus,
    title: upstreamStatus === 429 ? 'Upstream limit reached' : 'Upstream error',
    message: upstreamErrorMessage(upstreamStatus),
    headers: retryAfter === null ? {} : { 'retry-after': retryAfter },
    retryable: (upstreamStatus === 429 || upstreamStatus >= 500) && isSoon(retryAfter),
  }),
  upstream_unavailable: ({ retryAfterMs }) => ({
    status: 503,
    title: 'Upstream unavailable',
    message: 'The upstream has failed several times in a row and is left alone for a while; try again later.',
    retryAfterMs,
    retryable: retryAfterMs <= patienceMs,
  }),
  upstream_busy: ({ retryAfterMs }) => ({
    status: 503,
    title: 'Upstream busy',
    message: 'The gateway has as many calls of this upstream under way as it may have; try again shortly.',
    retryAfterMs,
    retryable: retryAfterMs <= patienceMs,
  }),
}

/** A wait that official clients had better not sit out; one that is said as a date, or not at all, is taken as short. */
function isSoon(retryAfter: string | null): boolean {
  return retryAfter === null || !(Number(retryAfter) * 1000 > patienceMs)
}

function upstreamErrorMessage(status: number): string {
  if (status === 429)
    return 'The upstream takes no more requests from this gateway right now; try again later.'
  if (status >= 500) return `The upstream failed with status ${status}; try again later.`
  return `The upstream refused the request with status ${status}; check it against the upstream's documentation.`
}
