import type { Route, Target } from '../config/types.ts'
import { canonicalPath } from './canonical-path.ts'
import { splitPattern, type PathPattern } from './path-pattern.ts'

/**
 * A `Location` as the client may see it (RFC 9110 §10.2.2): one on the target's own origin is turned back into a path
 * of the route, so that it leads through the gateway and names no internal host; one on another origin stands.
 *
 * @param location the upstream's header
 * @param requested the URL the target was asked for, which a relative location refers to
 * @returns null when no path of the route leads there, or what stands there is no http(s) URL
 */
export function clientLocation(
  location: string,
  requested: string,
  route: Route,
  target: Target,
): string | null {
  const url = URL.parse(location, requested)
  if (url === null || !/^https?:$/.test(url.protocol)) return null
  if (url.origin !== target.origin) return url.href
  if (!url.pathname.startsWith(`${target.basePath}/`)) return null
  const path = clientPath(url.pathname.slice(target.basePath.length), route)
  if (path === null) return null
  const canonical = canonicalPath(path)
  if ('problem' in canonical || (canonical.encodedSlash && !route.encodedSlash)) return null
  return path + url.search + url.hash
}

/** The path of the route that `upstreamPath` would turn into this one. */
function clientPath(path: string, route: Route): string | null {
  if (route.rewrite === null) return path
  const taken = take(path.slice(1).split('/'), splitPattern(route.rewrite))
  return taken === null ? null : fill(splitPattern(route.path), taken)
}

interface Taken {
  readonly params: ReadonlyMap<string, string>
  readonly rest: readonly string[]
}

function take(segments: readonly string[], template: PathPattern): Taken | null {
  const count = template.segments.length
  if (template.rest ? segments.length <= count : segments.length !== count) return null
  const params = new Map<string, string>()
  for (const [at, segment] of template.segments.entries()) {
    const found = segments[at] ?? ''
    if (segment.kind === 'literal' ? segment.text !== found : found === '') return null
    if (segment.kind === 'parameter') params.set(segment.name, found)
  }
  return { params, rest: segments.slice(count) }
}

function fill(pattern: PathPattern, { params, rest }: Taken): string | null {
  const segments: string[] = []
  for (const segment of pattern.segments) {
    const text = segment.kind === 'literal' ? segment.text : params.get(segment.name)
    if (text === undefined) return null
    segments.push(text)
  }
  // `/x/*` takes `/x/` and not `/x`.
  const end = pattern.rest && rest.length === 0 ? [''] : rest
  return `/${[...segments, ...end].join('/')}`
}
