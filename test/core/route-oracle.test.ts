import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Route } from '../../src/core/config/types.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { buildRouteIndex, matchRoute } from '../../src/core/route/route-index.ts'
import { asTarget, makeRoute } from './route-samples.ts'

interface Request {
  readonly host: string
  readonly path: string
  readonly method: string
}

/** One number per segment: literal 0, parameter 1, `*` 2; compared in order. Null: the pattern does not match. */
function pathRank(pattern: string, path: string): string | null {
  const wanted = pattern.slice(1).split('/')
  const given = path.slice(1).split('/')
  let rank = ''
  for (const [at, segment] of wanted.entries()) {
    const here = given[at]
    if (here === undefined) return null
    if (segment === '*') return `${rank}2`
    if (segment.startsWith('{') ? here === '' : segment !== here) return null
    rank += segment.startsWith('{') ? '1' : '0'
  }
  return wanted.length === given.length ? rank : null
}

function hostRank(pattern: string, host: string): string | null {
  if (pattern === host) return '000'
  if (pattern === '*') return '999'
  if (!pattern.startsWith('*.') || !host.endsWith(pattern.slice(1))) return null
  return String(500 - pattern.length)
}

function methodRank({ methods }: Route, method: string): string | null {
  if (methods.includes(method)) return '0'
  if (method === 'HEAD' && methods.includes('GET')) return '1'
  return methods.length === 0 && method !== 'TRACE' ? '2' : null
}

/** The documented rule, read off the list of routes. */
function naive(routes: readonly Route[], { host, path, method }: Request): string {
  const matching = routes.flatMap((route) => {
    const ranks = [hostRank(route.host, host), pathRank(route.path, path)]
    return ranks.includes(null) ? [] : [{ route, ranks }]
  })
  const own = ['/health', '/', '/stats', '/v1/usage'].includes(path)
  const replaced = matching.some(({ route }) => route.path === path)
  if (own && !replaced && (method === 'GET' || method === 'HEAD')) return 'builtin'
  const usable = matching.filter(({ route }) => !path.includes('%2F') || route.encodedSlash)
  const taking = usable.flatMap(({ route, ranks }) => {
    const last = methodRank(route, method)
    return last === null ? [] : [{ id: route.id, order: [...ranks, last].join(' ') }]
  })
  const [first] = taking.toSorted((a, b) => (a.order < b.order ? -1 : 1))
  if (first !== undefined) return first.id
  if (usable.length > 0 || (own && !replaced)) return 'method_not_allowed'
  return matching.length > 0 ? 'malformed_request' : 'no_route'
}

function indexed(routes: readonly Route[], { host, path, method }: Request): string {
  const match = matchRoute(buildRouteIndex(routes), asTarget(path, host), method)
  if (isRefusal(match)) return match.refused
  return match.kind === 'builtin' ? 'builtin' : match.route.id
}

const segment = fc.constantFrom('a', 'b', 'health', 'c%20d')
const patternSegment = fc.oneof(
  { weight: 2, arbitrary: segment },
  { weight: 1, arbitrary: fc.constant('{}') },
)
const pattern = fc
  .tuple(fc.array(patternSegment, { maxLength: 4 }), fc.constantFrom('', '', '*'))
  .map(([segments, last]) => {
    const named = segments.map((text, at) => (text === '{}' ? `{p${at}}` : text))
    return `/${[...named, ...(last === '' && named.length > 0 ? [] : [last])].join('/')}`
  })
const route = fc.record({
  host: fc.constantFrom('*', '*', 'x.y.z', '*.y.z', '*.z', 'q'),
  path: pattern,
  methods: fc.subarray(['GET', 'POST', 'HEAD', 'OPTIONS'], { maxLength: 2 }),
  encodedSlash: fc.boolean(),
})
const table = fc.array(route, { maxLength: 25 }).map((drafts) => {
  const taken = new Set<string>()
  return drafts.flatMap((draft, at) => {
    const methods = draft.methods.length === 0 ? [''] : draft.methods
    const claims = methods.map(
      (method) => `${method} ${draft.host} ${draft.path.replaceAll(/\{p\d\}/g, '{}')}`,
    )
    if (claims.some((claim) => taken.has(claim))) return []
    for (const claim of claims) taken.add(claim)
    return [makeRoute({ ...draft, id: String(at) })]
  })
})
const requestPath = fc
  .tuple(
    fc.array(fc.oneof(segment, fc.constantFrom('e', 'a%2Fb')), { maxLength: 5 }),
    fc.constantFrom('', '/'),
  )
  .map(([segments, end]) => (segments.length === 0 ? '/' : `/${segments.join('/')}${end}`))
const request = fc.record({
  host: fc.constantFrom('x.y.z', 'w.x.y.z', 'y.z', 'z', 'q', 'other'),
  path: requestPath,
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE', 'TRACE'),
})

it('matches as the documented rule does on random tables', () => {
  const outcomes = new Map<string, number>()
  fc.assert(
    fc.property(table, fc.array(request, { minLength: 3, maxLength: 3 }), (routes, requests) => {
      for (const each of requests) {
        const expected = naive(routes, each)
        const kind = /^\d+$/.test(expected) ? 'route' : expected
        outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1)
        expect(indexed(routes, each)).toBe(expected)
      }
    }),
    { numRuns: 8_000 },
  )
  const kinds = ['builtin', 'malformed_request', 'method_not_allowed', 'no_route', 'route']
  expect([...outcomes.keys()].toSorted()).toEqual(kinds)
  expect(outcomes.get('route')).toBeGreaterThan(2_000)
})
