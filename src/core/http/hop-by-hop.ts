/** Headers that speak of one connection only (RFC 9110 §7.6.1, and the obsolete ones still sent). Lower case. */
export const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const none: ReadonlySet<string> = new Set()

/** The header names that a `Connection` field nominates, in lower case. */
export function nominated(connection: string | null): ReadonlySet<string> {
  if (connection === null) return none
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
}

/**
 * A header name as servers that fold names see it: CGI and WSGI servers read `_` (and some `.`) as `-`, so a client
 * could say `x_forwarded_for` to them.
 */
export function foldName(name: string): string {
  return /[_.]/.test(name) ? name.replaceAll(/[_.]/g, '-') : name
}
