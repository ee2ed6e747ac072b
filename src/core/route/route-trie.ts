import type { Route } from '../config/types.ts'
import { parameterNames, type PathPattern, splitPattern } from './path-pattern.ts'

/** A route where it stands in an index. */
export interface RouteEntry {
  readonly route: Route
  /** Names of the pattern's parameters, in order. */
  readonly names: readonly string[]
}

/** The routes of one host and one path pattern, by method. */
export interface RouteLeaf {
  readonly byMethod: ReadonlyMap<string, RouteEntry>
  /** The route that takes every method without a route of its own. */
  readonly any: RouteEntry | null
}

/** A place in the tree of patterns; each edge is one segment. */
export interface TrieNode {
  readonly literals: ReadonlyMap<string, TrieNode>
  readonly parameter: TrieNode | null
  /** Patterns that end here. */
  readonly leaf: RouteLeaf | null
  /** Patterns that go on with `*`. */
  readonly rest: RouteLeaf | null
}

/** All routes of one host pattern. */
export interface HostTable {
  /** Patterns with neither parameter nor `*`, by their whole path. */
  readonly literals: ReadonlyMap<string, RouteLeaf>
  /** The other patterns. */
  readonly root: TrieNode
}

interface LeafDraft {
  byMethod: Map<string, RouteEntry>
  any: RouteEntry | null
}

interface NodeDraft {
  literals: Map<string, NodeDraft>
  parameter: NodeDraft | null
  leaf: LeafDraft | null
  rest: LeafDraft | null
}

/** Puts routes of one host pattern in order. Their paths are valid patterns; of equal ones the last is kept. */
export function buildHostTable(routes: readonly Route[]): HostTable {
  const literals = new Map<string, LeafDraft>()
  const root = newNode()
  for (const route of routes) {
    const pattern = splitPattern(route.path)
    const names = parameterNames(pattern)
    const leaf = pattern.rest || names.length > 0 ? leafInTrie(root, pattern) : leafAt(literals, route.path)
    enter(leaf, { route, names })
  }
  return { literals, root }
}

function leafInTrie(root: NodeDraft, pattern: PathPattern): LeafDraft {
  let node = root
  for (const segment of pattern.segments) {
    node = segment.kind === 'literal' ? literalChild(node, segment.text) : (node.parameter ??= newNode())
  }
  return pattern.rest ? (node.rest ??= newLeaf()) : (node.leaf ??= newLeaf())
}

function literalChild(node: NodeDraft, text: string): NodeDraft {
  const child = node.literals.get(text) ?? newNode()
  node.literals.set(text, child)
  return child
}

function leafAt(literals: Map<string, LeafDraft>, path: string): LeafDraft {
  const leaf = literals.get(path) ?? newLeaf()
  literals.set(path, leaf)
  return leaf
}

function enter(leaf: LeafDraft, entry: RouteEntry): void {
  if (entry.route.methods.length === 0) leaf.any = entry
  for (const method of entry.route.methods) leaf.byMethod.set(method, entry)
}

function newNode(): NodeDraft {
  return { literals: new Map(), parameter: null, leaf: null, rest: null }
}

function newLeaf(): LeafDraft {
  return { byMethod: new Map(), any: null }
}
