import { describe, expect, it } from 'vitest'
import { isRefusal } from '../../src/core/outcome.ts'
import { buildRouteIndex, matchRoute } from '../../src/core/route/route-index.ts'
import { asTarget, makeRoute } from './route-samples.ts'

const cors = { origins: ['*'], allowHeaders: [], exposeHeaders: [], credentials: false, maxAgeSeconds: 0 }

/** The id of the route that answers, or what is said instead. */
function answer(
  routes: Parameters<typeof buildRouteIndex>[0],
  method: string,
  path: string,
  host = 'gw',
): string {
  const match = matchRoute(buildRouteIndex(routes), asTarget(path, host), method)
  if (isRefusal(match)) {
    return match.refused === 'method_not_allowed' ? `405 ${match.allow.join(' ')}` : match.refused
  }
  return match.kind === 'route' ? match.route.id : `builtin ${match.builtin}`
}

describe('path patterns', () => {
  const routes = [
    makeRoute({ path: '/v1/*' }),
    makeRoute({ path: '/v1/models' }),
    makeRoute({ path: '/v1/models/{id}' }),
    makeRoute({ path: '/v1/{kind}/{id}/parts' }),
    makeRoute({ path: '/v1/models/{id}/parts/*' }),
    makeRoute({ path: '/v1/slash/' }),
  ]

  it.each([
    ['/v1/x', '/v1/*'],
    ['/v1/x/y', '/v1/*'],
    ['/v1/', '/v1/*'],
    ['/v1', 'no_route'],
    ['/v1admin', 'no_route'],
    ['/V1/x', 'no_route'],
    ['/v1/models', '/v1/models'],
    ['/v1/models/', '/v1/*'],
    ['/v1/models/gpt', '/v1/models/{id}'],
    ['/v1/models/gpt/', '/v1/*'],
    ['/v1/models/gpt/parts', '/v1/{kind}/{id}/parts'],
    ['/v1/models/gpt/parts/', '/v1/models/{id}/parts/*'],
    ['/v1/files/f/parts', '/v1/{kind}/{id}/parts'],
    ['/v1/slash/', '/v1/slash/'],
    ['/v1/slash', '/v1/*'],
    ['/v1/constructor', '/v1/*'],
    ['/__proto__', 'no_route'],
  ])('%s is answered by %s', (path, expected) => {
    expect(answer(routes, 'GET', path)).toBe(expected)
  })

  it('give parameters and rest percent-encoded, as they are forwarded', () => {
    const index = buildRouteIndex([makeRoute({ path: '/a/{x}/b/{y}/*' })])
    const match = matchRoute(index, asTarget('/a/caf%C3%A9/b/2/c%20d/e'), 'GET')
    expect(match).toMatchObject({ params: { x: 'caf%C3%A9', y: '2' }, rest: 'c%20d/e' })
  })

  it('lose no captured segment when a branch turns out to lead nowhere', () => {
    const index = buildRouteIndex([
      makeRoute({ path: '/{a}/x/{b}/end', methods: ['PUT'] }),
      makeRoute({ path: '/{c}/{d}/{e}/end', methods: ['GET'] }),
    ])
    const match = matchRoute(index, asTarget('/1/x/2/end'), 'GET')
    expect(match).toMatchObject({ params: { c: '1', d: 'x', e: '2' } })
  })
})

describe('methods', () => {
  const routes = [
    makeRoute({ id: 'post', path: '/a', methods: ['POST'] }),
    makeRoute({ id: 'get', path: '/a', methods: ['GET'] }),
    makeRoute({ id: 'only', path: '/b/c', methods: ['POST', 'SEARCH'] }),
    makeRoute({ id: 'rest', path: '/b/*', methods: ['GET'] }),
    makeRoute({ id: 'any', path: '/any' }),
    makeRoute({ id: 'any-get', path: '/any', methods: ['GET'] }),
    makeRoute({ id: 'cors', path: '/cors', methods: ['PUT'], cors }),
  ]

  it.each([
    ['POST', '/a', 'post'],
    ['GET', '/a', 'get'],
    ['HEAD', '/a', 'get'],
    ['DELETE', '/a', '405 GET HEAD POST'],
    ['POST', '/b/c', 'only'],
    ['GET', '/b/c', 'rest'],
    ['DELETE', '/b/c', '405 GET HEAD POST SEARCH'],
    ['PATCH', '/any', 'any'],
    ['GET', '/any', 'any-get'],
    ['HEAD', '/any', 'any-get'],
    ['TRACE', '/any', '405 GET HEAD POST PUT PATCH DELETE OPTIONS'],
    ['CONNECT', '/any', '405 GET HEAD POST PUT PATCH DELETE OPTIONS'],
    ['POST', '/cors', '405 PUT OPTIONS'],
    ['GET', '/nowhere', 'no_route'],
  ])('%s %s is answered by %s', (method, path, expected) => {
    expect(answer(routes, method, path)).toBe(expected)
  })
})

describe('hosts', () => {
  const routes = [
    makeRoute({ id: 'exact', host: 'api.example.com', path: '/x', methods: ['POST'] }),
    makeRoute({ id: 'long', host: '*.eu.example.com', path: '/x' }),
    makeRoute({ id: 'short', host: '*.example.com', path: '/*' }),
    makeRoute({ id: 'any', path: '/x' }),
    makeRoute({ id: 'literal-any', path: '/y/z' }),
    makeRoute({ id: 'ip', host: '[::1]', path: '/x' }),
  ]

  it.each([
    ['api.example.com', 'POST', '/x', 'exact'],
    ['api.example.com:8787', 'POST', '/x', 'exact'],
    ['api.example.com', 'GET', '/x', 'short'],
    ['a.b.eu.example.com', 'GET', '/x', 'long'],
    ['a.b.eu.example.com', 'GET', '/w', 'short'],
    ['eu.example.com', 'GET', '/x', 'short'],
    ['example.com', 'GET', '/x', 'any'],
    ['notexample.com', 'GET', '/x', 'any'],
    ['q.example.com', 'GET', '/y/z', 'short'],
    ['other', 'GET', '/y/z', 'literal-any'],
    ['other', 'GET', '/w', 'no_route'],
    ['[::1]:80', 'GET', '/x', 'ip'],
  ])('%s: %s %s is answered by %s', (host, method, path, expected) => {
    expect(answer(routes, method, path, host)).toBe(expected)
  })
})

describe('the gateway’s own paths', () => {
  it.each([
    ['GET', '/health', 'builtin health'],
    ['HEAD', '/health', 'builtin health'],
    ['GET', '/stats', 'builtin stats'],
    ['GET', '/v1/usage', 'builtin usage'],
    ['POST', '/v1/usage', '/*'],
    ['GET', '/', 'builtin index'],
    ['POST', '/health', '/*'],
    ['GET', '/health/', '/*'],
  ])('%s %s is %s even though a route takes everything', (method, path, expected) => {
    expect(answer([makeRoute({ path: '/*' })], method, path)).toBe(expected)
  })

  it.each([
    ['GET', '/health', '/health'],
    ['GET', '/', 'builtin index'],
  ])('%s %s is %s where a route is exactly /health', (method, path, expected) => {
    expect(answer([makeRoute({ path: '/health' })], method, path)).toBe(expected)
  })

  it('say which methods they take', () => {
    expect(answer([], 'POST', '/health')).toBe('405 GET HEAD')
  })

  it('stay on hosts whose routes do not have them', () => {
    const routes = [makeRoute({ host: 'a.example', path: '/health' })]
    expect(answer(routes, 'GET', '/health', 'a.example')).toBe('/health')
    expect(answer(routes, 'GET', '/health', 'b.example')).toBe('builtin health')
  })
})

describe('encoded slashes', () => {
  const open = makeRoute({ id: 'open', path: '/m/{id}', methods: ['GET'], encodedSlash: true })
  const closed = makeRoute({ id: 'closed', path: '/*', methods: ['GET', 'POST'] })

  it.each([
    ['GET', '/m/a%2Fb', 'open'],
    ['POST', '/m/a%2Fb', '405 GET HEAD'],
    ['GET', '/n/a%2Fb', 'malformed_request'],
    ['GET', '/n/a', 'closed'],
  ])('%s %s is answered by %s', (method, path, expected) => {
    expect(answer([open, closed], method, path)).toBe(expected)
  })

  it('are not refused where there is no route anyway', () => {
    expect(answer([open], 'GET', '/n/a%2Fb')).toBe('no_route')
  })
})
