import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isRefusal } from '../../src/core/outcome.ts'
import { canonicalTarget } from '../../src/core/route/canonical-target.ts'
import { patternProblem } from '../../src/core/route/path-pattern.ts'
import { upstreamPath } from '../../src/core/route/rewrite.ts'
import { buildRouteIndex, matchRoute } from '../../src/core/route/route-index.ts'
import { makeRoute, makeTarget } from './route-samples.ts'

function forwarded(pattern: string, rewrite: string | null, raw: string, basePath = ''): string | null {
  const target = canonicalTarget(`http://gw${raw}`, 'gw')
  if (isRefusal(target)) return null
  const index = buildRouteIndex([makeRoute({ path: pattern, rewrite, encodedSlash: true })], new Map())
  const match = matchRoute(index, target, 'GET')
  if (isRefusal(match) || match.kind !== 'route') return null
  return upstreamPath(match, makeTarget(basePath))
}

describe('the path an upstream is asked for', () => {
  it.each([
    ['/v1/models', null, '/v1/models', '', '/v1/models'],
    ['/v1/{a}/x/{b}', null, '/v1/1/x/2', '', '/v1/1/x/2'],
    ['/v1/*', null, '/v1/a/b/', '', '/v1/a/b/'],
    ['/v1/*', null, '/v1/', '/base', '/base/v1/'],
    ['/{a}/*', null, '/x/y/z', '', '/x/y/z'],
    ['/http/*', '/*', '/http/', '', '/'],
    ['/http/*', '/*', '/http/a%20b', '/api', '/api/a%20b'],
    ['/http/*', '/in/*', '/http/*', '', '/in/*'],
    ['/u/{id}/*', '/users/{id}/files/*', '/u/7/a/b', '/api', '/api/users/7/files/a/b'],
    ['/u/{a}/{b}', '/{b}/{a}/{b}', '/u/1/2', '', '/2/1/2'],
    ['/u/{id}', '/fixed', '/u/7', '/api', '/api/fixed'],
    ['/u/{id}', '/m/{id}', '/u/org%2fname', '', '/m/org%2Fname'],
    ['/u/{id}', '/m/{id}', '/u/$&', '', '/m/$&'],
    ['/u/{id}', '/m/{id}', '/u/%7Bid%7D', '', '/m/%7Bid%7D'],
  ])('pattern %s, rewrite %s, request %s, base %j: %s', (...[pattern, rewrite, raw, basePath, expected]) => {
    expect(forwarded(pattern, rewrite, raw, basePath)).toBe(expected)
  })

  const piece = fc.constantFrom(
    '/',
    '.',
    '..',
    '%2e',
    '%2F',
    '%5c',
    ';',
    '%3b',
    '\\',
    '%25',
    'a',
    'é',
    '{id}',
    '*',
  )
  const rawPath = fc.array(piece, { maxLength: 8 }).map((pieces) => `/u/${pieces.join('')}`)
  const routes = fc.constantFrom(
    ['/u/{id}', '/m/{id}'],
    ['/u/{id}/*', '/{id}/*'],
    ['/u/*', '/*'],
    ['/u/*', null],
    ['/*', null],
  )

  it('never leaves the base path and is what URL makes of it', () => {
    let forwards = 0
    fc.assert(
      fc.property(routes, rawPath, ([pattern, rewrite], raw) => {
        const path = forwarded(pattern ?? '', rewrite ?? null, raw, '/base')
        if (path === null) return
        forwards += 1
        expect(path.startsWith('/base/')).toBe(true)
        expect(new URL(`https://up.example${path}`).pathname).toBe(path)
      }),
      { numRuns: 10_000 },
    )
    expect(forwards).toBeGreaterThan(1_000)
  })
})

describe('a path pattern', () => {
  it.each(['/', '/*', '/a', '/a/', '/a/*', '/{a}', '/{a}/{b}/*', '/a%20b', '/.well-known/{x}'])(
    'may be %s',
    (text) => {
      expect(patternProblem(text)).toBeNull()
    },
  )

  it.each([
    '',
    'a',
    '//',
    '/a//b',
    '/a//*',
    '/a/*/b',
    '/a*',
    '/{a}x',
    '/{1}',
    '/{}',
    '/{a}/{a}',
    '/{A}',
    '/a/../b',
    '/%2e%2e',
    '/%61',
    '/%c3%a9',
    '/é',
    '/a?b',
    '/a#b',
    '/a%2Fb',
    '/a b',
    `/${'a/'.repeat(40)}`,
    `/${'a'.repeat(2_000)}`,
  ])('may not be %s', (text) => {
    expect(patternProblem(text)).toEqual(expect.any(String))
  })
})
