import { checkRoutes, type PlacedRoute } from './check-routes.ts'
import { parseGateway } from './parse-gateway.ts'
import { parsePrices } from './parse-prices.ts'
import { parseRoute } from './parse-route.ts'
import { parseUpstreams, type ParsedUpstream } from './parse-upstream.ts'
import { note, type Place, readElements, readFields } from './place.ts'
import { problemList } from './problem-list.ts'
import type { Prices } from '../llm/cost.ts'
import type { ConfigProblem, GatewaySettings, Route } from './types.ts'

/** A document that says everything it must, with its defaults put in. */
export interface ParsedConfig {
  readonly settings: GatewaySettings
  readonly routes: readonly Route[]
  readonly prices: Prices
}

/** A document that is not usable, and everything that is wrong with it. */
export interface InvalidConfig {
  readonly problems: readonly ConfigProblem[]
}

const routesMax = 20_000

/**
 * Reads a configuration document (see docs/configuration.md) from parsed JSON. Nothing of it is used unless all of it
 * is good. Never throws.
 *
 * @returns the configuration, or all its problems at once, each with its JSON path, what is expected there and what
 * was found, never a secret
 */
export function parseConfig(value: unknown): ParsedConfig | InvalidConfig {
  const problems = problemList()
  const config = parseDocument({ value, path: '$', secretive: false, problems })
  const found = problems.all()
  return found.length > 0 ? { problems: found } : config
}

function parseDocument(place: Place): ParsedConfig {
  const field = readFields(place, ['$schema', 'version', 'gateway', 'upstreams', 'routes', 'prices'])
  if (field === undefined)
    return { settings: parseGateway({ ...place, value: undefined }), routes: [], prices: {} }
  const schema = field('$schema')
  if (schema.value !== undefined && typeof schema.value !== 'string') note(schema, 'a string')
  if (field('version').value !== 1) note(field('version'), '1, the version of the format')
  const settings = parseGateway(field('gateway'))
  const routes = parseRoutes(field('routes'), parseUpstreams(field('upstreams')))
  checkRoutes(routes)
  return { settings, routes: routes.map(({ route }) => route), prices: parsePrices(field('prices')) }
}

function parseRoutes(place: Place, upstreams: ReadonlyMap<string, ParsedUpstream>): readonly PlacedRoute[] {
  const places = readElements(place, routesMax) ?? []
  return places.flatMap((each) => {
    const route = parseRoute(each, upstreams)
    return route === null ? [] : [{ route, place: each }]
  })
}
