import { limitKind } from '../limit/kinds/kinds.ts'
import { parameterNames, patternShape, splitPattern } from '../route/path-pattern.ts'
import { describeName, describeValue } from './describe-value.ts'
import { note, type Place } from './place.ts'
import type { Route } from './types.ts'

/** A route and where it stands in the document. */
export interface PlacedRoute {
  readonly route: Route
  readonly place: Place
}

/** Notes what is wrong with routes beyond their single fields: with themselves as a whole and with one another. */
export function checkRoutes(routes: readonly PlacedRoute[]): void {
  for (const { route, place } of routes) {
    checkReserved(route, place)
    checkDialect(route, place)
    checkRewrite(route, place)
    checkCaches(route, place)
    checkLimits(route, place)
  }
  checkDifferent(routes, 'an id that no other route has', ({ id }) => [[id, 'the id']])
  checkDifferent(routes, 'a host, path and method that no other route has', (route) => {
    const methods = route.methods.length === 0 ? ['any method'] : route.methods
    return methods.map((method) => [`${method} ${route.host}${patternShape(route.path)}`, method])
  })
}

function checkReserved({ path }: Route, place: Place): void {
  if (path !== '/_sluice' && !path.startsWith('/_sluice/')) return
  note(
    at(place, 'path'),
    'a path outside /_sluice, which is the gateway\u2019s own',
    describeValue(path, false),
  )
}

/** No dialect is translated into another; only plain HTTP fits in front of all. */
function checkDialect({ dialect, upstream }: Route, place: Place): void {
  if (dialect === 'http') return
  const other = upstream.targets.find((target) => target.dialect !== dialect)
  if (other === undefined) return
  const expected = `"http" or the dialect of every target of ${describeName(upstream.name)}`
  note(
    at(place, 'dialect'),
    expected,
    `"${dialect}", while target ${describeName(other.id)} is "${other.dialect}"`,
  )
}

/** Plain answers are told apart by their URL, those of models by the request's body. */
function checkCaches({ dialect, cache, llmCache }: Route, place: Place): void {
  if (cache !== null && dialect !== 'http')
    note(at(place, 'cache'), '`llmCache`, since the route speaks to a model', 'a cache by URL')
  if (llmCache !== null && dialect === 'http')
    note(at(place, 'llmCache'), '`cache`, since the route speaks plain HTTP', 'a cache by body')
}

function checkRewrite({ path, rewrite }: Route, place: Place): void {
  if (rewrite === null) return
  const pattern = splitPattern(path)
  const template = splitPattern(rewrite)
  const known = parameterNames(pattern)
  for (const name of parameterNames(template)) {
    if (!known.includes(name))
      note(at(place, 'rewrite'), 'only parameters of the path', `{${describeName(name)}}`)
  }
  if (template.rest && !pattern.rest) note(at(place, 'rewrite'), '`*` only when the path ends with it', '`*`')
}

/** Limits are counted by key and account; tokens are read of LLM bodies only; a WebSocket is seen to its upgrade. */
function checkLimits({ auth, dialect, limits, websocket }: Route, place: Place): void {
  if (limits.length > 0 && auth === 'none') {
    note(at(place, 'limits'), 'no limits, since `auth` is "none" and limits are counted by key')
  }
  const unseen = limits.find(({ spec }) => limitKind(spec.kind).counts !== 'requests')
  if (websocket && unseen !== undefined) {
    const expected =
      'limits on requests only, since `websocket` is true and what a WebSocket goes on to use is not counted'
    note(at(place, 'limits'), expected, `the kind ${unseen.spec.kind}`)
  }
  if (dialect !== 'http') return
  const reserved = limits.find(({ spec }) => limitKind(spec.kind).taken === 'reservation')
  if (reserved === undefined) return
  const expected = 'limits on requests only, since `dialect` is "http" and tokens are not read of plain HTTP'
  note(at(place, 'limits'), expected, `the kind ${reserved.spec.kind}`)
}

function checkDifferent(
  routes: readonly PlacedRoute[],
  expected: string,
  claimsOf: (route: Route) => (readonly [claim: string, what: string])[],
): void {
  const owners = new Map<string, Place>()
  for (const { route, place } of routes) {
    for (const [claim, what] of claimsOf(route)) {
      const owner = owners.get(claim)
      if (owner === undefined) owners.set(claim, place)
      else note(place, expected, `${what} of ${owner.path} again`)
    }
  }
}

function at(place: Place, name: string): Place {
  return { ...place, path: `${place.path}.${name}` }
}
