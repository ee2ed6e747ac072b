import type { Builtin, Route } from '../config/types.ts'
import type { Outcome } from '../outcome.ts'
import type { CanonicalTarget } from './canonical-target.ts'
import { allowedMethods, chooseEntry, type MethodChoice } from './method-choice.ts'
import {
  buildHostTable,
  type HostTable,
  type RouteEntry,
  type RouteLeaf,
  type TrieNode,
} from './route-trie.ts'

/** Routes in the order in which they are looked for. Built once; looking up costs the same for 1 and 10,000 routes. */
export interface RouteIndex {
  /** By host name. */
  readonly exact: ReadonlyMap<string, HostTable>
  /** By what follows `*.`. */
  readonly suffixes: ReadonlyMap<string, HostTable>
  readonly anyHost: HostTable
  readonly builtins: ReadonlyMap<string, Builtin>
}

/** What answers a request. Parameters and rest stand percent-encoded, as they are in the canonical path. */
export type RouteMatch = ConfiguredMatch | { readonly kind: 'builtin'; readonly builtin: Builtin }

export interface ConfiguredMatch {
  readonly kind: 'route'
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
  /** What `*` stands for; empty when the pattern has none. */
  readonly rest: string
}

interface Search extends MethodChoice {
  readonly path: string
  /** Segments that parameters stand for, in order. */
  readonly captured: string[]
}

const gatewayPaths: ReadonlyMap<string, Builtin> = new Map([
  ['/health', 'health'],
  ['/', 'index'],
  ['/stats', 'stats'],
  ['/v1/usage', 'usage'],
])
const noParams: Readonly<Record<string, string>> = Object.freeze({})

/**
 * Puts routes in order for `matchRoute`. Their hosts and paths are valid patterns, no two alike in host, path shape
 * and method.
 *
 * @param builtins what the gateway answers itself with GET and HEAD, by path
 */
export function buildRouteIndex(routes: readonly Route[], builtins = gatewayPaths): RouteIndex {
  const tables = [...Map.groupBy(routes, (route) => route.host)].map(
    ([host, ofHost]) => [host, buildHostTable(ofHost)] as const,
  )
  const wildcards = tables.filter(([host]) => host.startsWith('*.'))
  return {
    exact: new Map(tables.filter(([host]) => !host.startsWith('*'))),
    suffixes: new Map(wildcards.map(([host, table]) => [host.slice(2), table])),
    anyHost: tables.find(([host]) => host === '*')?.[1] ?? buildHostTable([]),
    builtins,
  }
}

/**
 * Finds what answers a request. Of all routes that have the host and the path and take the method, the first in this
 * order: exact host, longest wildcard host, any host; then segment by segment literal, parameter, `*`; then the route
 * that names the method before the one for any method. HEAD is taken by routes for GET. A builtin answers its path
 * unless a route of a matching host has exactly that path.
 *
 * For a CORS preflight pass the method it announces: a route with `cors` takes the preflight of what it takes.
 *
 * @param method upper case
 * @returns refusals `no_route`; `method_not_allowed` when routes have the path and none takes the method;
 * `malformed_request` when only routes without `encodedSlash` have a path that holds `%2F`
 */
export function matchRoute(index: RouteIndex, target: CanonicalTarget, method: string): Outcome<RouteMatch> {
  const tables = tablesOf(index, target.host)
  const search: Search = {
    path: target.path,
    method,
    encodedSlash: target.encodedSlash,
    captured: [],
    allowed: [],
    slashRefused: false,
  }
  const builtin = index.builtins.get(target.path)
  if (builtin !== undefined && !tables.some((table) => table.literals.has(target.path))) {
    if (method === 'GET' || method === 'HEAD') return { kind: 'builtin', builtin }
    search.allowed.push('GET', 'HEAD')
  }
  for (const table of tables) {
    const found = matchTable(table, search)
    if (found !== null) return found
  }
  return refuse(search)
}

function tablesOf(index: RouteIndex, host: string): readonly HostTable[] {
  if (index.exact.size === 0 && index.suffixes.size === 0) return [index.anyHost]
  const name = hostName(host)
  const tables: HostTable[] = []
  const exact = index.exact.get(name)
  if (exact !== undefined) tables.push(exact)
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const table = index.suffixes.get(name.slice(dot + 1))
    if (table !== undefined) tables.push(table)
  }
  tables.push(index.anyHost)
  return tables
}

function hostName(host: string): string {
  const portAt = host.indexOf(':', host.lastIndexOf(']') + 1)
  return portAt === -1 ? host : host.slice(0, portAt)
}

function matchTable(table: HostTable, search: Search): ConfiguredMatch | null {
  const leaf = table.literals.get(search.path)
  const entry = leaf === undefined ? null : chooseEntry(leaf, search)
  if (entry !== null) return { kind: 'route', route: entry.route, params: noParams, rest: '' }
  return descend(search, table.root, 1)
}

/** Tries the more specific branch first and comes back when nothing in it takes the method. */
function descend(search: Search, node: TrieNode, at: number): ConfiguredMatch | null {
  const { path, captured } = search
  if (at > path.length) return take(search, node.leaf, '')
  const slash = path.indexOf('/', at)
  const end = slash === -1 ? path.length : slash
  const segment = path.slice(at, end)
  const literal = node.literals.get(segment)
  const byLiteral = literal === undefined ? null : descend(search, literal, end + 1)
  if (byLiteral !== null) return byLiteral
  if (node.parameter !== null && segment !== '') {
    captured.push(segment)
    const byParameter = descend(search, node.parameter, end + 1)
    if (byParameter !== null) return byParameter
    captured.pop()
  }
  return node.rest === null ? null : take(search, node.rest, path.slice(at))
}

function take(search: Search, leaf: RouteLeaf | null, rest: string): ConfiguredMatch | null {
  const entry = leaf === null ? null : chooseEntry(leaf, search)
  if (entry === null) return null
  return { kind: 'route', route: entry.route, params: paramsOf(entry, search.captured), rest }
}

function paramsOf(entry: RouteEntry, captured: readonly string[]): Readonly<Record<string, string>> {
  if (entry.names.length === 0) return noParams
  return Object.fromEntries(entry.names.map((name, at) => [name, captured[at] ?? '']))
}

function refuse(search: Search): Outcome<never> {
  if (search.allowed.length > 0) return { refused: 'method_not_allowed', allow: allowedMethods(search) }
  if (!search.slashRefused) return { refused: 'no_route' }
  return {
    refused: 'malformed_request',
    detail: 'This route takes no encoded slash (`%2F`) in its path; send the path without it.',
  }
}
