import { storedField, type StoredResponse } from '../../core/cache/entry.ts'

/** Codings that a client has to know how to undo (RFC 9110 §8.4.1). */
const codings: ReadonlySet<string> = new Set(['gzip', 'x-gzip', 'br', 'deflate', 'compress', 'zstd'])

/**
 * Whether a client can read a stored body. An origin should say `Vary: accept-encoding`; one that forgets must not make
 * the gateway hand compressed bytes to clients that never asked for them.
 */
export function acceptsCoding(request: Headers, entry: StoredResponse): boolean {
  const coding = storedField(entry, 'content-encoding')?.trim().toLowerCase() ?? ''
  if (!codings.has(coding)) return true
  const wanted = (request.get('accept-encoding') ?? '').toLowerCase().split(',')
  return wanted.some((each) => {
    const [name = '', ...parameters] = each.split(';').map((part) => part.trim())
    const refused = parameters.some((part) => /^q=0(?:\.0*)?$/.test(part))
    return (name === coding || name === '*') && !refused
  })
}
