import type { Route, Target } from '../../src/core/config/types.ts'
import type { CanonicalTarget } from '../../src/core/route/canonical-target.ts'
import { routeWith, targetWith } from '../support/routes.ts'

export function makeTarget(basePath = ''): Target {
  return targetWith({ origin: 'https://up.example', basePath })
}

/** A route that says nothing but what it is given. */
export function makeRoute(fields: Partial<Route> & { readonly path: string }): Route {
  return routeWith({ id: fields.path, ...fields }, makeTarget())
}

export function asTarget(path: string, host = 'gw'): CanonicalTarget {
  return { scheme: 'http', host, path, query: '', encodedSlash: path.includes('%2F') }
}
