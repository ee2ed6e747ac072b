import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clientLocation } from '../../src/core/route/client-location.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { buildRouteIndex, matchRoute } from '../../src/core/route/route-index.ts'
import { upstreamPath } from '../../src/core/route/rewrite.ts'
import { routeWith, targetWith } from '../support/routes.ts'

const plain = { path: '/*', rewrite: null, basePath: '' }
const moved = { path: '/http/*', rewrite: '/*', basePath: '/base' }
const named = { path: '/u/{id}/x', rewrite: '/{id}', basePath: '' }

describe("a Location on the target's own origin", () => {
  test.each([
    [plain, 'https://up.test/a?b#c', '/a?b#c'],
    [plain, '/a', '/a'],
    [plain, 'a', '/dir/a'],
    [moved, 'https://up.test/base/a/b', '/http/a/b'],
    [moved, '/base/', '/http/'],
    [named, '/42', '/u/42/x'],
  ])('of %j: %s leads through the gateway as %s', (shape, location, expected) => {
    const target = targetWith({ basePath: shape.basePath })
    const route = routeWith({ path: shape.path, rewrite: shape.rewrite }, target)
    expect(clientLocation(location, 'https://up.test/dir/page', route, target)).toBe(expected)
  })

  test.each([
    [moved, 'https://up.test/elsewhere'],
    [moved, '/based'],
    [named, '/a/b'],
    [plain, 'javascript:alert(1)'],
    [plain, 'https://'],
  ])('that no path of the route %j leads to is dropped: %s', (shape, location) => {
    const target = targetWith({ basePath: shape.basePath })
    const route = routeWith({ path: shape.path, rewrite: shape.rewrite }, target)
    expect(clientLocation(location, 'https://up.test/x', route, target)).toBeNull()
  })

  test("turns back exactly what the rewrite made of the client's path", () => {
    const segment = fc.stringMatching(/^[a-z0-9]{1,5}$/)
    fc.assert(
      fc.property(
        fc.constantFrom(plain, moved, named),
        fc.array(segment, { minLength: 1, maxLength: 4 }),
        (shape, parts) => {
          const target = targetWith({ basePath: shape.basePath })
          const route = routeWith({ path: shape.path, rewrite: shape.rewrite }, target)
          const path = shape.path.replace('*', parts.join('/')).replace('{id}', parts[0] ?? '')
          const asked = { scheme: 'https', host: 'gw', path, query: '', encodedSlash: false } as const
          const match = matchRoute(buildRouteIndex([route]), asked, 'GET')
          if (isRefusal(match) || match.kind !== 'route') throw new Error('no match')
          const upstream = target.origin + upstreamPath(match, target)
          expect(clientLocation(upstream, upstream, route, target)).toBe(path)
        },
      ),
    )
  })
})

test('a Location on another origin stands', () => {
  const target = targetWith()
  expect(clientLocation('https://cdn.test/f?sig=1', 'https://up.test/x', routeWith({}, target), target)).toBe(
    'https://cdn.test/f?sig=1',
  )
})
