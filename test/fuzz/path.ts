import { getPath } from 'hono/utils/url'
import { isRefusal } from '../../src/core/outcome.ts'
import type { Route, Target } from '../../src/core/config/types.ts'
import { canonicalTarget, type CanonicalTarget } from '../../src/core/route/canonical-target.ts'
import { clientLocation } from '../../src/core/route/client-location.ts'
import { upstreamPath } from '../../src/core/route/rewrite.ts'
import { buildRouteIndex, matchRoute, type ConfiguredMatch } from '../../src/core/route/route-index.ts'
import { routeWith, targetWith } from '../support/routes.ts'
import type { Draw } from './draw.ts'
import { hold, same, type FuzzTarget } from './target.ts'

interface PathInput {
  readonly scheme: string
  readonly authority: string
  readonly hostHeader: string | null
  readonly path: string
  readonly query: string
  readonly method: string
  /** Indices into `shapes`. */
  readonly routes: readonly number[]
  readonly location: string
}

interface Shape {
  readonly path: string
  readonly rewrite: string | null
  readonly basePath: string
  readonly encodedSlash: boolean
}

const shapes: readonly Shape[] = [
  { path: '/*', rewrite: null, basePath: '', encodedSlash: false },
  { path: '/v1/*', rewrite: null, basePath: '/base', encodedSlash: false },
  { path: '/v1/models/{id}', rewrite: '/m/{id}', basePath: '', encodedSlash: true },
  { path: '/files/{id}/*', rewrite: '/{id}/*', basePath: '/a/b', encodedSlash: true },
  { path: '/http/*', rewrite: '/*', basePath: '/base', encodedSlash: true },
  { path: '/a/', rewrite: '/b', basePath: '', encodedSlash: false },
  { path: '/x/*', rewrite: '/y', basePath: '', encodedSlash: false },
  { path: '/{a}/{b}', rewrite: '/{b}/{a}', basePath: '', encodedSlash: true },
  { path: '/v1/chat', rewrite: null, basePath: '', encodedSlash: false },
]

const origin = 'https://up.test'
const routesOf = shapes.map(({ basePath, ...changes }, at) =>
  routeWith({ id: `r${at}`, ...changes }, targetWith({ origin, basePath })),
)

const hosts = ['gw', 'gw:8080', 'GW.Example.', '127.0.0.1:8787', '[::1]', 'xn--mnchen-3ya.example', '0x7f.1']
const hostAttacks = [
  'gw/public?',
  'a@b',
  'gw#',
  'gw\\',
  '',
  'gw, evil',
  'gw:99999',
  'gw%2e',
  '..',
  'gw ',
  '*',
]
const segments = [
  'v1',
  'models',
  'files',
  'http',
  'a',
  'x',
  'chat',
  '_sluice',
  'admin',
  'V1',
  'v1admin',
  '42',
]
const pathAttacks = [
  '/',
  '//',
  '..',
  '.',
  '%2e%2E',
  '.%2e',
  '%2f',
  '%2F',
  '%5c',
  '\\',
  '%252e%252e',
  '%25',
  '%',
  '%2',
  '..;',
  '..;a=b',
  ';x',
  '%3b',
  '%00',
  '%c0%ae',
  '%ef%bc%8e',
  '%E2%80%A5',
  '%5Fsluice',
  '_%73luice',
  '%7e',
  '%c3%a9',
  '%0d%0aX:y',
  '?',
  '#',
  '@evil.test',
  ':80',
  '{id}',
  '*',
  '|',
  ' ',
  '...',
]
const queries = [
  '',
  '?',
  '?a=1',
  '?a=../..',
  '?x=%2e%2e/',
  '?a#b',
  '?é',
  '?a b',
  '??',
  '?key=%00',
  '?a=/_sluice',
]
const methods = ['GET', 'POST', 'HEAD', 'OPTIONS', 'TRACE', 'CONNECT', 'get', 'PROPFIND']
const locations = [
  '//evil.test',
  '/\\evil.test',
  'https:evil.test',
  '/.//evil.test',
  '/..//evil.test',
  '',
  '?q',
  'a/b',
]
const locationStarts = [
  '',
  origin,
  'https://UP.TEST:443',
  'https:',
  '//up.test',
  'https://other.test',
  'http://up.test',
]

/** A path of one of the templates, hostile in none, one or many of its pieces. */
function makePath(draw: Draw, templates: readonly string[]): string {
  const hostile = draw.below(4)
  const word = () => {
    if (hostile === 0 || !draw.rarely(hostile === 3 ? 2 : 5)) return draw.pick(segments)
    return draw.rarely(5) ? draw.text(4) : draw.pick(pathAttacks)
  }
  const piece = () => word() + (draw.rarely(6) ? word() : '')
  const pieces = () => draw.many(5, piece).join(hostile === 3 && draw.rarely(3) ? '' : '/')
  const template = draw.pick(templates)
  return template.replaceAll(/\{\w+\}|\*/g, (found) => (found === '*' ? pieces() : piece()))
}

const pathTemplates = ['/*', ...shapes.map((shape) => shape.path), '/_sluice/*', '/']
const locationTemplates = shapes.map(({ basePath, rewrite, path }) => basePath + (rewrite ?? path))

function make(draw: Draw): PathInput {
  const authority = draw.rarely(8) ? draw.pick(hostAttacks) + draw.text(3) : draw.pick(hosts)
  const location = draw.rarely(3)
    ? draw.pick(locations) + draw.text(3)
    : draw.pick(locationStarts) + makePath(draw, locationTemplates)
  return {
    scheme: draw.rarely(16) ? draw.pick(['ftp', 'HTTP', 'javascript', '']) : draw.pick(['http', 'https']),
    authority,
    hostHeader: draw.rarely(6) ? draw.pick([null, ...hosts, ...hostAttacks]) : authority,
    path: draw.rarely(20) ? draw.text(12) : makePath(draw, pathTemplates),
    query: draw.pick(queries) + (draw.rarely(10) ? draw.text(4) : ''),
    method: draw.pick(methods),
    routes: [...new Set([0, ...draw.many(6, () => draw.below(shapes.length))])].slice(draw.below(2)),
    location,
  }
}

const subject = { canonicalTarget, matchRoute, upstreamPath, clientLocation }

/** Every reading of a path that a server behind or beside the gateway might make of it. */
function readings(path: string): string[] {
  const all = [path]
  for (let turn = 0; turn < 3; turn++) {
    try {
      all.push(decodeURIComponent(all.at(-1) ?? ''))
    } catch {
      break
    }
  }
  return all
}

function hasControl(text: string): boolean {
  return Array.from(text).some((character) => character < ' ' || character === '\u007f')
}

function inside(text: string): boolean {
  return text === '/_sluice' || text.startsWith('/_sluice/')
}

function checkSpelling(target: CanonicalTarget, input: PathInput, tested: typeof subject): void {
  const { path, host, scheme, query } = target
  const again = tested.canonicalTarget(`${scheme}://${host}${path}${query}`, host)
  hold(same(again, target), 'the canonical target is its own canonical form', target, again)
  const url = new URL(`${scheme}://${host}${path}${query}`)
  hold(url.pathname === path, 'the path is what the URL Standard makes of it', path, url.pathname)
  hold(url.host === host && url.hash === '' && url.username === '', 'the host is what URL makes of it', host)
  hold(/^\/[!-~]*$/.test(path), 'the path is visible ASCII', path)
  for (const reading of readings(path)) {
    const parts = reading.split(/[/\\]/)
    const dots = parts.find((part) => /^\.{1,2}(;.*)?$/s.test(part))
    hold(dots === undefined, 'no reading has a dot segment', path, reading)
    hold(
      !hasControl(reading) && !reading.includes('\\'),
      'no reading has a backslash or control character',
      path,
    )
    const first = parts[1]?.split(';')[0]
    const under = path === '/_sluice' || /^\/_sluice[/;%]/.test(path)
    hold(first !== '_sluice' || under, 'the reserved prefix has one spelling', path, reading)
  }
  const routed = getPath(new Request(url.href))
  hold(inside(routed) === inside(path), 'the router of the control plane sees the same prefix', path, routed)
  const { hostHeader, authority } = input
  if (hostHeader === null) return
  const named = [hostHeader, authority].map((name) =>
    new URL(`${scheme}://${name}`).host.replace(/\.(?=$|:)/, ''),
  )
  hold(named[0] === named[1], 'the Host header and the URL name one host', ...named)
}

/** The matcher of the documentation, written from its table. */
function takes(pattern: string, path: string): boolean {
  const wanted = pattern.slice(1).split('/')
  const given = path.slice(1).split('/')
  if (wanted.at(-1) !== '*' && wanted.length !== given.length) return false
  if (given.length < wanted.length) return false
  return wanted.every(
    (text, at) => text === '*' || (text.startsWith('{') ? given[at] !== '' : text === given[at]),
  )
}

function fill(template: string, { params, rest }: ConfiguredMatch): string {
  return template.replaceAll(/\{(\w+)\}|\*$/g, (found, name: string) =>
    found === '*' ? rest : (params[name] ?? ''),
  )
}

function checkForwarding(target: CanonicalTarget, match: ConfiguredMatch, tested: typeof subject): void {
  const { route } = match
  const upstream = route.upstream.targets[0] as Target
  hold(takes(route.path, target.path), 'the route has the path', route.path, target.path)
  hold(
    fill(route.path, match) === target.path,
    'what was matched is the whole path',
    match.params,
    match.rest,
  )
  hold(
    route.encodedSlash || !/%2f/i.test(target.path),
    'an encoded slash needs a route that takes it',
    target.path,
  )
  const path = tested.upstreamPath(match, upstream)
  const expected = upstream.basePath + fill(route.rewrite ?? route.path, match)
  hold(path === expected, 'what was matched is what is forwarded', path, expected)
  const url = new URL(upstream.origin + path + target.query)
  hold(
    url.origin === upstream.origin && url.pathname === path,
    'the URL keeps target and path',
    url.href,
    path,
  )
  hold(`${path}/`.startsWith(`${upstream.basePath}/`), 'the path stays under the base path', path)
  const again = subject.canonicalTarget(upstream.origin + path, null)
  hold(!isRefusal(again) && again.path === path, 'the forwarded path is canonical', path, again)
}

function checkLocation(input: PathInput, route: Route, tested: typeof subject): string {
  const target = route.upstream.targets[0] as Target
  const requested = `${target.origin}${target.basePath}/dir/page`
  const shown = tested.clientLocation(input.location, requested, route, target)
  if (shown === null) return 'dropped'
  const meant = new URL(input.location, requested)
  const seen = new URL(shown, 'https://gw.test/some/page')
  if (meant.origin !== target.origin) {
    hold(seen.href === meant.href, 'a location on another origin stands', input.location, shown)
    return 'elsewhere'
  }
  hold(seen.origin === 'https://gw.test', 'an own location leads through the gateway', input.location, shown)
  hold(seen.search === meant.search && seen.hash === meant.hash, 'its query and fragment stand', shown)
  if (route.rewrite === null) return 'led'
  const again = subject.canonicalTarget(`https://gw.test${seen.pathname}`, null)
  const match = isRefusal(again) ? again : subject.matchRoute(buildRouteIndex([route]), again, 'POST')
  const found = isRefusal(match) || match.kind !== 'route' ? match : subject.upstreamPath(match, target)
  const wanted = subject.canonicalTarget(target.origin + meant.pathname, null)
  hold(
    !isRefusal(wanted) && found === wanted.path,
    'an own location leads where it says',
    input.location,
    shown,
    found,
  )
  return 'led'
}

function check(input: PathInput, tested: typeof subject): readonly string[] {
  const ofInput = input.routes.map((at) => routesOf[at]).filter((route) => route !== undefined)
  const led = ofInput.map((route) => checkLocation(input, route, tested))
  return [...led, checkRequest(input, ofInput, tested)]
}

function checkRequest(input: PathInput, routes: readonly Route[], tested: typeof subject): string {
  const { scheme, authority, hostHeader, path, query } = input
  const target = tested.canonicalTarget(`${scheme}://${authority}${path}${query}`, hostHeader)
  if (isRefusal(target)) {
    const plain = /^https?:gw$/.test(`${scheme}:${authority}`) && hostHeader === authority
    const harmless = plain && /^(\/[a-z0-9]+)*\/?$/.test(path) && /^(\?[a-z0-9=]*)?$/.test(query)
    hold(!harmless, 'a plain URL is taken', input)
    return 'refused'
  }
  checkSpelling(target, input, tested)
  const match = tested.matchRoute(buildRouteIndex(routes), target, input.method)
  if (isRefusal(match)) return match.refused
  if (match.kind === 'builtin') return 'builtin'
  checkForwarding(target, match, tested)
  return 'forwarded'
}

/** Canonical target, route index, rewrite and the way back of a Location. */
export const path: FuzzTarget<PathInput, typeof subject> = {
  name: 'path',
  bytesMax: 160,
  kinds: [
    'refused',
    'no_route',
    'method_not_allowed',
    'malformed_request',
    'builtin',
    'forwarded',
    'dropped',
    'led',
    'elsewhere',
  ],
  subject,
  make,
  check,
}
