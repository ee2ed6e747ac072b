import { patternProblem } from '../route/path-pattern.ts'
import { closestName } from './closest-name.ts'
import { cachePolicy, llmCachePolicy } from './parse-cache.ts'
import { defaultBodyBytesMax, defaultKeySources, defaultResend, defaultRoute } from './defaults.ts'
import { describeName, describeValue } from './describe-value.ts'
import { corsPolicy } from './parse-cors.ts'
import { routeLimits } from './parse-limits.ts'
import { parseHeaders } from './parse-headers.ts'
import { parseResend } from './parse-resend.ts'
import { parseStreams } from './parse-streams.ts'
import { parseModels } from './parse-models.ts'
import { dialectName, milliseconds } from './parse-target.ts'
import type { ParsedUpstream } from './parse-upstream.ts'
import {
  type Fields,
  isEmptyList,
  note,
  optional,
  optionalOrNull,
  type Place,
  readFields,
  type Reader,
} from './place.ts'
import { flag, integerBetween, oneOf, setOf, textThat } from './readers.ts'
import type { Route } from './types.ts'

const matchFields = ['id', 'host', 'path', 'methods', 'upstream', 'rewrite', 'encodedSlash']
const policyFields = [
  'auth',
  'keySources',
  'keyQuery',
  'dialect',
  'bodyBytesMax',
  'bodyMs',
  'headers',
  'cors',
  'resend',
  'limits',
]
const llmFields = ['models', 'streams', 'opaqueBodies']
const cacheFields = ['cache', 'llmCache']
const routeFields = [...matchFields, ...policyFields, ...llmFields, 'websocket', ...cacheFields]
const bodyBytesLimit = 5_368_709_120
const methodsMax = 20

const routeId = textThat('an id of at most 64 letters, digits, `.`, `_` and `-`', (text) =>
  /^[A-Za-z0-9][\w.-]{0,63}$/.test(text),
)

const hostPattern = textThat(
  'a host name in lower case and without a port, `*.` and a host name, or `*`',
  (text) => text === '*' || (text.length <= 255 && hostForm.test(text)),
)
const hostForm = /^(?:(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])$/

const methodName = textThat(
  'a method in upper case, neither CONNECT nor TRACE',
  (text) => /^[A-Z][A-Z-]{0,19}$/.test(text) && text !== 'CONNECT' && text !== 'TRACE',
)

const queryName = textThat(
  'the name of a query parameter: at most 64 letters, digits, `.`, `_` and `-`',
  (text) => /^[\w.-]{1,64}$/.test(text),
)

/** A path pattern, or a rewrite template, which is written like one. */
const pathPattern: Reader<string> = (place) => {
  const { value } = place
  const expected = 'a path of literal segments and `{name}` ones, with at most a `*` as the last segment'
  if (typeof value !== 'string') {
    note(place, expected)
    return undefined
  }
  const problem = patternProblem(value)
  if (problem === null) return value
  note(place, expected, `${describeValue(value, place.secretive)}: ${problem}`)
  return undefined
}

/** A route whose own fields are read; null when it has no good id, path or upstream to go on with. */
export function parseRoute(place: Place, upstreams: ReadonlyMap<string, ParsedUpstream>): Route | null {
  const field = readFields(place, routeFields)
  if (field === undefined) return null
  const id = routeId(field('id'))
  const path = pathPattern(field('path'))
  const target = findUpstream(field('upstream'), upstreams)
  const dialect = optional(field('dialect'), dialectName, target?.dialect ?? 'http')
  const headers = parseHeaders(field('headers'))
  const policies = {
    ...keyPolicy(field),
    dialect,
    bodyBytesMax: optional(
      field('bodyBytesMax'),
      integerBetween(1, bodyBytesLimit),
      defaultBodyBytesMax[dialect],
    ),
    bodyMs: optional(field('bodyMs'), milliseconds, defaultRoute.bodyMs),
    requestHeaders: headers.request,
    responseHeaders: headers.response,
    cors: optionalOrNull(field('cors'), corsPolicy),
    limits: optional(field('limits'), routeLimits, []),
    websocket: optional(field('websocket'), flag, defaultRoute.websocket),
    encodedSlash: optional(field('encodedSlash'), flag, defaultRoute.encodedSlash),
    models: parseModels(field('models')),
    streams: parseStreams(field('streams')),
    resend: parseResend(field('resend'), defaultResend[dialect]),
    opaqueBodies: optional(field('opaqueBodies'), oneOf('refuse', 'pass'), defaultRoute.opaqueBodies),
    cache: optionalOrNull(field('cache'), cachePolicy),
    llmCache: optionalOrNull(field('llmCache'), llmCachePolicy),
  }
  const where = {
    host: optional(field('host'), hostPattern, defaultRoute.host),
    methods: optional(field('methods'), setOf(methodName, methodsMax), []),
    rewrite: optionalOrNull(field('rewrite'), pathPattern),
  }
  if (id === undefined || path === undefined || target === null) return null
  return { id, path, upstream: target.upstream, ...where, ...policies }
}

function keyPolicy(field: Fields): Pick<Route, 'auth' | 'keySources' | 'keyQuery'> {
  const policy = {
    auth: optional(field('auth'), oneOf('required', 'optional', 'none'), defaultRoute.auth),
    keySources: optional(
      field('keySources'),
      setOf(oneOf('authorization', 'x-api-key'), 2),
      defaultKeySources,
    ),
    keyQuery: optionalOrNull(field('keyQuery'), queryName),
  }
  if (policy.auth !== 'none' && isEmptyList(field('keySources')) && policy.keyQuery === null) {
    note(field('keySources'), 'a place for the key, since `auth` is not "none"')
  }
  return policy
}

function findUpstream(place: Place, upstreams: ReadonlyMap<string, ParsedUpstream>): ParsedUpstream | null {
  const name = place.value
  const found = typeof name === 'string' ? upstreams.get(name) : undefined
  if (found !== undefined) return found
  const meant = typeof name === 'string' ? closestName(name, upstreams.keys()) : null
  note(
    place,
    meant === null
      ? 'the name of an upstream'
      : `the name of an upstream; did you mean \`${describeName(meant)}\`?`,
  )
  return null
}
