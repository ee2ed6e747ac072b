import type { Outcome } from '../outcome.ts'
import type { Refusal } from '../refusal.ts'
import { canonicalPath } from './canonical-path.ts'

/** Where a request goes, in the one spelling that is matched, authorised and forwarded. */
export interface CanonicalTarget {
  readonly scheme: 'http' | 'https'
  /** Lower case, with the port when it is not the scheme's own. */
  readonly host: string
  /** Begins with a slash; percent-encoding normalised (RFC 3986 §6.2.2), no dot segments, no empty inner segments. */
  readonly path: string
  /** As the client sent it, with its `?`; empty when there is none. */
  readonly query: string
  /** Whether a segment holds `%2F`; only routes that opt in take such a path. */
  readonly encodedSlash: boolean
}

const urlBytesMax = 16_384
/** The longest name that DNS knows (RFC 1035 §2.3.4), and room for a port. */
const hostLengthMax = 260

const hostForm = /^(\[[0-9a-f:.]+\]|[a-z0-9-]+(?:\.[a-z0-9-]+)*)\.?(?::([0-9]{1,5}))?$/

/** IPv6, what ends like IPv4, and internationalised names. */
const addressLike = /^\[|xn--|(?:^|\.)[0-9][^.]*$/

/**
 * Takes apart the URL of a request, which the runtime hands over as it came and with the Host header spliced in.
 * Nothing else may parse that string: a second parser would see a second path.
 *
 * @param url `request.url`
 * @param hostHeader the Host header; null where there is none
 * @returns refusals `url_too_long` and `malformed_request`. Never throws.
 */
export function canonicalTarget(url: string, hostHeader: string | null): Outcome<CanonicalTarget> {
  if (url.length > urlBytesMax) return { refused: 'url_too_long', bytesMax: urlBytesMax }
  const scheme = schemeOf(url)
  if (scheme === null) return malformed('The URL is neither http nor https; use one of these.')
  const authorityAt = scheme.length + '://'.length
  const queryAt = orEnd(url, url.indexOf('?', authorityAt))
  const pathAt = Math.min(orEnd(url, url.indexOf('/', authorityAt)), queryAt)
  const host = agreedHost(url.slice(authorityAt, pathAt), hostHeader, scheme)
  if (host === null) {
    return malformed(
      'The Host header is not a plain host name with an optional port; send exactly one that is.',
    )
  }
  const query = url.slice(queryAt)
  if (!/^[!"$-~]*$/.test(query)) {
    return malformed(
      'The query holds `#`, a space, a control character or one outside ASCII; percent-encode it.',
    )
  }
  const path = canonicalPath(url.slice(pathAt, queryAt))
  if ('problem' in path) return malformed(path.problem)
  return { scheme, host, path: path.path, query, encodedSlash: path.encodedSlash }
}

function schemeOf(url: string): 'http' | 'https' | null {
  if (url.startsWith('https://')) return 'https'
  return url.startsWith('http://') ? 'http' : null
}

function orEnd(url: string, at: number): number {
  return at === -1 ? url.length : at
}

/** The host that both the URL and the header name, or null. */
function agreedHost(authority: string, hostHeader: string | null, scheme: 'http' | 'https'): string | null {
  const host = canonicalHost(authority, scheme)
  if (hostHeader === null || hostHeader === authority) return host
  return host === canonicalHost(hostHeader, scheme) ? host : null
}

function canonicalHost(authority: string, scheme: 'http' | 'https'): string | null {
  if (authority.length > hostLengthMax) return null
  const parts = hostForm.exec(authority.toLowerCase())
  const name = parts?.[1] === undefined ? null : canonicalName(parts[1])
  if (name === null) return null
  if (parts?.[2] === undefined) return name
  const port = Number(parts[2])
  if (port > 65_535) return null
  return port === (scheme === 'https' ? 443 : 80) ? name : `${name}:${port}`
}

/** Addresses have several spellings and not every name of these shapes is one; URL knows (URL Standard §3.5). */
function canonicalName(name: string): string | null {
  if (!addressLike.test(name)) return name
  return URL.canParse(`http://${name}`) ? new URL(`http://${name}`).hostname : null
}

function malformed(detail: string): Refusal {
  return { refused: 'malformed_request', detail }
}
