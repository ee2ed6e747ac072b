import type { Route } from '../config/types.ts'
import type { RouteEntry, RouteLeaf } from './route-trie.ts'

/** What a search of the index asks for, and what it met on its way without taking it. */
export interface MethodChoice {
  readonly method: string
  readonly encodedSlash: boolean
  /** Methods of the routes that have the path; some may stand there twice. */
  readonly allowed: string[]
  /** Whether a route has the path and does not take encoded slashes. */
  slashRefused: boolean
}

/** Methods that a route has to name to get them; the Fetch standard refuses to send either. */
const neverImplied = new Set(['CONNECT', 'TRACE'])
const anyMethod = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * The route of a leaf that takes the request: the one that names the method, for HEAD the one that names GET, then
 * the one for any method. Routes without `encodedSlash` are passed over for paths that hold `%2F`.
 */
export function chooseEntry(leaf: RouteLeaf, choice: MethodChoice): RouteEntry | null {
  const named = admissible(leaf.byMethod.get(choice.method), choice)
  if (named !== null) return named
  const asGet = choice.method === 'HEAD' ? admissible(leaf.byMethod.get('GET'), choice) : null
  if (asGet !== null) return asGet
  const any = neverImplied.has(choice.method) ? null : admissible(leaf.any ?? undefined, choice)
  if (any !== null) return any
  noteRefused(leaf, choice)
  return null
}

/** The Allow header's methods: the usual ones in their usual order, then the others. */
export function allowedMethods(choice: MethodChoice): readonly string[] {
  const allowed = new Set(choice.allowed)
  if (allowed.has('GET')) allowed.add('HEAD')
  const others = [...allowed].filter((method) => !anyMethod.includes(method))
  return [...anyMethod.filter((method) => allowed.has(method)), ...others.toSorted()]
}

function admissible(entry: RouteEntry | undefined, choice: MethodChoice): RouteEntry | null {
  if (entry === undefined) return null
  return !choice.encodedSlash || entry.route.encodedSlash ? entry : null
}

function noteRefused(leaf: RouteLeaf, choice: MethodChoice): void {
  const entries = [...leaf.byMethod.values(), ...(leaf.any === null ? [] : [leaf.any])]
  for (const entry of entries) {
    if (admissible(entry, choice) === null) choice.slashRefused = true
    else choice.allowed.push(...methodsOf(entry.route))
  }
}

function methodsOf({ methods, cors }: Route): readonly string[] {
  const named = methods.length === 0 ? anyMethod : methods
  return cors === null ? named : [...named, 'OPTIONS']
}
