import type { CachePolicy } from './policy.ts'
import { splitList } from './split-list.ts'

/** Request fields that tell clients from one another; what depends on them is never kept. */
const personal: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'proxy-authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
])

/** More names than this in a Vary are taken for a mistake. */
const namesMax = 16

/**
 * The request fields that a response depends on (RFC 9110 §12.5.5), in lower case and in order, each once.
 * @returns null when it may not be kept: `*`, a field that tells clients from one another, something that is no name
 */
export function varyNames(vary: string | null): readonly string[] | null {
  if (vary === null) return []
  const names = new Set<string>()
  for (const part of vary.split(',')) {
    const name = part.trim().toLowerCase()
    if (name === '') continue
    if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name) || name === '*' || personal.has(name)) return null
    names.add(name)
  }
  return names.size > namesMax ? null : [...names].toSorted()
}

/** Fields whose values are lists of choices, where case and, by the specification, order mean nothing. */
const choices = /^accept(?:-|$)/

/** The request's values of the named fields, so written that requests a cache may take for equal have equal values. */
export function selectingValues(
  names: readonly string[],
  request: Headers,
  { looseVary }: Pick<CachePolicy, 'looseVary'>,
): readonly (readonly [string, string])[] {
  return names.map((name) => [name, normalised(name, request.get(name), looseVary)])
}

/** A field that is not there differs from one that is empty. */
function normalised(name: string, value: string | null, loose: boolean): string {
  if (value === null) return '-'
  const parts = splitList(value).map((part) =>
    part
      .split(';')
      .map((each) => each.trim())
      .join(';'),
  )
  if (!choices.test(name)) return `=${parts.join(',')}`
  const lower = parts.map((part) => part.toLowerCase())
  return `=${(loose ? lower.toSorted() : lower).join(',')}`
}

/** Whether two lists of selecting values say the same. */
export function sameSelection(
  one: readonly (readonly [string, string])[],
  other: readonly (readonly [string, string])[],
): boolean {
  return (
    one.length === other.length &&
    one.every(([name, value], at) => name === other[at]?.[0] && value === other[at][1])
  )
}

/**
 * The language a client wants most (RFC 9110 §12.5.4), in lower case.
 * @returns null when it names none, or several that it wants alike
 */
export function wantedLanguage(acceptLanguage: string | null): string | null {
  const wishes = (acceptLanguage ?? '').split(',').map(wishIn)
  const wanted = wishes.filter(({ language, q }) => language !== '' && language !== '*' && q > 0)
  const highest = Math.max(...wanted.map(({ q }) => q))
  const best = wanted.filter(({ q }) => q === highest)
  return best.length === 1 ? (best[0]?.language ?? null) : null
}

function wishIn(part: string): { readonly language: string; readonly q: number } {
  const [language = '', ...parameters] = part.split(';').map((each) => each.trim().toLowerCase())
  return { language, q: Number(parameters.find((each) => each.startsWith('q='))?.slice(2) ?? 1) }
}
