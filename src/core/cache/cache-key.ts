import type { Route } from '../config/types.ts'

/** Whom an entry belongs to. Nothing has a key that does not say this. */
export type CacheOwner =
  | { readonly kind: 'public' }
  | { readonly kind: 'account'; readonly account: string }
  | { readonly kind: 'key'; readonly account: string; readonly keyId: string }

declare const made: unique symbol

/** Where an entry lies. Only `cacheKey` makes one, and it takes an owner. */
export type CacheKey = string & { readonly [made]: true }

/** What a key is made of beside its owner. */
export interface KeyParts {
  readonly route: Route
  readonly scheme: string
  readonly host: string
  readonly path: string
  /** With its question mark; the gateway's own key taken out. */
  readonly query: string
  /** What stands for the body of a request that is told apart by it; null for GET. */
  readonly body: string | null
}

/** A longer key is no use: the request is passed on. */
const keyLengthMax = 8_192

/**
 * The name of an entry. Injective: two requests have the same name only when owner, route, scheme, host, path, query
 * and body are all the same, and the route's own part changes with anything that could change its answers.
 * @returns null for a URL too long to be a name
 */
export function cacheKey(owner: CacheOwner, parts: KeyParts): CacheKey | null {
  const { scheme, host, path, query, body } = parts
  const named = [...ownerParts(owner), routeMark(parts.route), scheme, host, path, query]
  if (body !== null) named.push(body)
  // JSON of a list of strings is injective, and writes lone surrogates as escapes.
  const name = encodeURIComponent(JSON.stringify(named))
  // Cloudflare looks the host of a key up, so it is the request's own.
  return name.length > keyLengthMax ? null : (`${host}/.sluice-cache/${name}` as CacheKey)
}

function ownerParts(owner: CacheOwner): readonly string[] {
  if (owner.kind === 'public') return ['public']
  return owner.kind === 'account' ? ['account', owner.account] : ['key', owner.account, owner.keyId]
}

const marks = new WeakMap<Route, string>()

/** Stands for everything in a route's configuration that its upstream's answers, or their use, depend on. */
function routeMark(route: Route): string {
  const known = marks.get(route)
  if (known !== undefined) return known
  const { id: name, host, path, rewrite, upstream, dialect, requestHeaders, cache, llmCache, streams } = route
  const targets = upstream.targets.map(({ id, origin, basePath, secret, includeUsage, models }) => [
    id,
    origin,
    basePath,
    secret,
    includeUsage,
    models,
  ])
  const text = JSON.stringify([
    [host, path, rewrite, dialect, targets],
    [requestHeaders, cache, llmCache, route.models, streams],
  ])
  const mark = `${name}.${fingerprint(text)}`
  marks.set(route, mark)
  return mark
}

/** A name for a text of the operator's or one that is compared in full elsewhere; no defence against forgery. */
export function fingerprint(text: string): string {
  let [a, b, c, d] = [0x811c9dc5, 0x01000193, 0x9e3779b9, 0x85ebca6b]
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    a = Math.imul(a ^ unit, 0x01000193)
    b = Math.imul(b ^ (unit + at), 0x85ebca6b)
    c = Math.imul(c ^ unit, 0xcc9e2d51) + at
    d = Math.imul(d ^ (a >>> 15), 0x1b873593) ^ unit
  }
  return [a, b, c, d].map((part) => (part >>> 0).toString(36)).join('-')
}
