import { compileConfig } from '../../src/core/config/compile.ts'
import { parseConfig, type ParsedConfig } from '../../src/core/config/parse.ts'
import type { ConfigProblem, HeaderEdits, Route, Target } from '../../src/core/config/types.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { matchRoute } from '../../src/core/route/route-index.ts'
import { bendDocument, plantSecret } from './config-changes.ts'
import { documents } from './config-documents.ts'
import type { Draw } from './draw.ts'
import { hold, same, type FuzzTarget } from './target.ts'

interface ConfigInput {
  /** The document as JSON text, so that a `__proto__` in it is a name like any other. */
  readonly text: string
  /** Secrets planted in it. */
  readonly planted: readonly string[]
  readonly changed: boolean
}

function make(draw: Draw): ConfigInput {
  const document: unknown = JSON.parse(JSON.stringify(draw.pick(documents)))
  const holder = { document }
  const changes = Array.from({ length: draw.below(4) }, () => bendDocument(draw, holder))
  const planted = draw.rarely(3) ? plantSecret(draw, holder) : []
  const changed = changes.length > 0 || planted.length > 0
  return { text: JSON.stringify(holder.document ?? null), planted, changed }
}

const subject = { parseConfig, compileConfig }

const prototypeNames = Object.getOwnPropertyNames(Object.prototype).length

function checkPrototypes(): void {
  const empty: Record<string, unknown> = {}
  hold(empty['polluted'] === undefined, 'no object gets a property from a document')
  hold(
    Object.getOwnPropertyNames(Object.prototype).length === prototypeNames,
    'Object.prototype is left alone',
  )
}

function checkProblems(problems: readonly ConfigProblem[], planted: readonly string[]): void {
  hold(problems.length > 0, 'a refused document has problems')
  for (const problem of problems) {
    const { path, expected, found } = problem
    hold(
      path.startsWith('$') && expected !== '' && found !== '',
      'a problem says where, what and what else',
      problem,
    )
    hold(path.length + expected.length + found.length < 2_500, 'a problem is short', problem)
    const text = JSON.stringify(problem)
    const leaked = planted.find((secret) => text.includes(secret))
    hold(leaked === undefined, 'no problem shows a secret', problem, leaked)
  }
}

function checkEdits({ remove, set }: HeaderEdits): void {
  for (const name of [...remove, ...Object.keys(set)]) checkHeaderName(name)
  const headers = new Headers()
  for (const [name, value] of Object.entries(set)) headers.set(name, value)
  hold(same([...headers.keys()].toSorted(), Object.keys(set).toSorted()), 'what a route sets can be set', set)
}

const untouchable =
  /^(connection|keep-alive|proxy-auth.*|proxy-connection|te|trailer|transfer-encoding|upgrade|http2-settings|host|content-length|x-sluice-.*)$/

function checkHeaderName(name: string): void {
  hold(name === name.toLowerCase(), 'a header name is in lower case', name)
  hold(!untouchable.test(name.replaceAll(/[_.]/g, '-')), 'no rule speaks of the connection', name)
}

function checkTarget({ origin, basePath, secret, timeouts }: Target): void {
  const url = new URL(`${origin}${basePath}/x?a`)
  hold(url.origin === origin && /^https?:$/.test(url.protocol), 'an origin is one', origin)
  hold(url.pathname === `${basePath}/x`, 'a base path is what URL makes of it', basePath, url.pathname)
  const { firstByteMs, idleMs, totalMs } = timeouts
  const whole = [firstByteMs, idleMs, totalMs].every(
    (ms) => Number.isInteger(ms) && ms > 0 && ms <= 86_400_000,
  )
  hold(whole && firstByteMs <= totalMs, 'times are times', timeouts)
  if (secret === null) return
  checkHeaderName(secret.header)
  hold(!/^SLUICE_/i.test(secret.secret), 'no upstream gets a secret of the gateway', secret)
  new Headers().set(secret.header, `${secret.prefix}value`)
}

function checkRoute(route: Route): void {
  const { path, auth, keySources, keyQuery, cors, bodyBytesMax, upstream } = route
  hold(!/^\/_sluice(\/|$)/.test(path), 'no route takes the reserved prefix', path)
  hold(auth === 'none' || keySources.length > 0 || keyQuery !== null, 'a key has a place', route)
  hold(Number.isInteger(bodyBytesMax) && bodyBytesMax > 0, 'a body has a limit', bodyBytesMax)
  const open = cors?.credentials === true && JSON.stringify(cors).includes('"*"')
  hold(!open, 'credentials go to named origins only', cors)
  hold(upstream.targets.length > 0, 'a route leads somewhere', route)
  checkEdits(route.requestHeaders)
  checkEdits(route.responseHeaders)
  for (const target of upstream.targets) checkTarget(target)
}

/** Every route takes what its own pattern describes, or a more specific one does. */
function checkReachable(config: ParsedConfig, tested: typeof subject): void {
  const snapshot = tested.compileConfig(config, 1)
  hold(Object.isFrozen(snapshot) && Object.isFrozen(snapshot.routes), 'a snapshot is frozen')
  for (const { host, path, methods, upstream } of snapshot.routes) {
    hold(Object.isFrozen(upstream.targets[0]), 'a snapshot is frozen all the way down')
    const target = {
      scheme: 'https',
      host: host === '*' ? 'any.test' : host.replace('*', 'sub'),
      path: path.replace(/\*$/, 'r/s').replaceAll(/\{\w+\}/g, 'p'),
      query: '',
      encodedSlash: false,
    } as const
    const match = matchRoute(snapshot.index, target, methods[0] ?? 'PROPFIND')
    hold(
      !isRefusal(match) && match.kind === 'route',
      'a route is reached by what it describes',
      target,
      match,
    )
  }
}

function checkAccepted(document: unknown, config: ParsedConfig, tested: typeof subject): void {
  const { routes } = document as { readonly routes: readonly unknown[] }
  hold(config.routes.length === routes.length, 'every route counts', config.routes.length, routes.length)
  const ids = config.routes.map(({ id }) => id)
  hold(new Set(ids).size === ids.length, 'ids are different', ids)
  for (const route of config.routes) checkRoute(route)
  checkReachable(config, tested)
  const again = tested.parseConfig(JSON.parse(JSON.stringify(document)))
  hold(same(again, config), 'a turn through JSON changes nothing')
  const turned = tested.parseConfig(reversed(document))
  hold(same(turned, config), 'the order of names means nothing', turned)
}

function reversed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((each) => reversed(each))
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, child]) => [name, reversed(child)]),
  )
}

function check(input: ConfigInput, tested: typeof subject): readonly string[] {
  const document: unknown = JSON.parse(input.text)
  const parsed = tested.parseConfig(document)
  checkPrototypes()
  hold(JSON.stringify(document) === input.text, 'a document is read and not written')
  hold('problems' in parsed !== 'routes' in parsed, 'either problems or a configuration', Object.keys(parsed))
  if ('problems' in parsed) {
    hold(input.changed, 'a good document is taken', parsed.problems)
    checkProblems(parsed.problems, input.planted)
    return ['refused']
  }
  checkAccepted(document, parsed, tested)
  return [input.changed ? 'accepted_changed' : 'accepted']
}

/** Parsing and compiling of configuration documents. */
export const config: FuzzTarget<ConfigInput, typeof subject> = {
  name: 'config',
  bytesMax: 200,
  kinds: ['refused', 'accepted', 'accepted_changed'],
  subject,
  make,
  check,
}
