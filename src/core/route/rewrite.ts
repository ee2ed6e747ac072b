import type { Target } from '../config/types.ts'
import type { ConfiguredMatch } from './route-index.ts'

/**
 * The path that a target is asked for: its base path, then the route's `rewrite` (without one, the path as the client
 * sent it) with parameters and rest put in. Every piece is canonical and holds no dot segment, and each stands as a
 * whole segment, so the result is canonical too and stays under the base path.
 */
export function upstreamPath(match: ConfiguredMatch, target: Target): string {
  const template = match.route.rewrite ?? match.route.path
  if (template.includes('{')) return target.basePath + withParams(template, match)
  return target.basePath + (template.endsWith('/*') ? template.slice(0, -1) + match.rest : template)
}

function withParams(template: string, { params, rest }: ConfiguredMatch): string {
  const segments = template.slice(1).split('/')
  const filled = segments.map((segment, at) => {
    if (segment === '*' && at === segments.length - 1) return rest
    return segment.startsWith('{') ? (params[segment.slice(1, -1)] ?? '') : segment
  })
  return `/${filled.join('/')}`
}
