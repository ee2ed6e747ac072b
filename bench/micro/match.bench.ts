/**
 * A module for `workerd bench`: what it costs to make a request's target canonical and to find its route, at three
 * sizes of the route table. Each case answers the same request in the same way.
 */
import { routeWith } from '../../test/support/routes.ts'
import type { Route } from '../../src/core/config/types.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { canonicalTarget } from '../../src/core/route/canonical-target.ts'
import { buildRouteIndex, matchRoute, type RouteIndex } from '../../src/core/route/route-index.ts'

interface Bench {
  run(name: string, measured: () => unknown): void
  blackBox(value: unknown): void
}

const sizes = [1, 100, 10_000]
const parts = '/v1/models/{id}/parts/{part}'
const requests = [
  { name: 'match', pattern: '/v1/chat/completions', url: 'http://gw.example/v1/chat/completions' },
  { name: 'match-params', pattern: parts, url: 'http://gw.example/v1/models/gpt-4o-mini/parts/7' },
  { name: 'match-encoded', pattern: parts, url: 'http://gw.example/v1/models/caf%c3%a9%2d1/parts/7' },
]

function route(id: string, path: string): Route {
  return routeWith({ id, path, methods: ['GET', 'POST'] })
}

/** `count` routes beside the one asked for: half literal, half with a parameter, 100 of them below one prefix. */
function tableFor(path: string, count: number): RouteIndex {
  const others = Array.from({ length: count - 1 }, (_, at) => {
    const prefix = at % 100 === 0 ? '/v1' : `/s${at % 97}`
    return route(String(at), at % 2 === 0 ? `${prefix}/r${at}/x` : `${prefix}/r${at}/{id}`)
  })
  return buildRouteIndex([...others, route('asked', path)])
}

function find(index: RouteIndex, url: string): string | null {
  const target = canonicalTarget(url, 'gw.example')
  if (isRefusal(target)) return null
  const match = matchRoute(index, target, 'POST')
  return isRefusal(match) || match.kind !== 'route' ? null : match.route.id
}

export default {
  bench(b: Bench): void {
    for (const { name, pattern, url } of requests) {
      for (const size of sizes) {
        const index = tableFor(pattern, size)
        if (find(index, url) !== 'asked') throw new Error(`${url} is not answered at ${size} routes`)
        b.run(`${name}-${size}`, () => b.blackBox(find(index, url)))
      }
    }
  },
}
