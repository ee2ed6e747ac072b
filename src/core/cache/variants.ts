import { fingerprint, type CacheKey } from './cache-key.ts'
import type { StoredResponse, VariantIndex } from './entry.ts'
import type { CachePolicy } from './policy.ts'
import { sameSelection, selectingValues, wantedLanguage } from './vary.ts'

const setsMax = 4
const variantsMax = 64
const languagesMax = 32

/** Where a variant lies: under its index's generation, by a fingerprint of the values that choose it. */
function variantName(generation: string, selecting: readonly (readonly [string, string])[]): string {
  return `${generation}.${fingerprint(JSON.stringify(selecting))}`
}

/** Where an entry lies in the store; only a `CacheKey` leads there. */
export function slotName(key: CacheKey, part: string | null): string {
  return part === null ? key : `${key}/${part}`
}

/** Names under which a request's variant may lie, the likeliest first. */
export function candidateVariants(
  index: VariantIndex,
  request: Headers,
  policy: CachePolicy,
): readonly string[] {
  const names = index.sets
    .map((set) => variantName(index.generation, selectingValues(set, request, policy)))
    .filter((name) => index.variants.includes(name))
  const language = policy.languageVary ? wantedLanguage(request.get('accept-language')) : null
  const byLanguage = language === null ? undefined : own(index.languages, language)
  if (byLanguage !== undefined && !names.includes(byLanguage)) names.push(byLanguage)
  return names
}

/** Whether a stored variant answers a request; the values are compared in full, the name is only a fingerprint. */
export function isVariantFor(entry: StoredResponse, request: Headers, policy: CachePolicy): boolean {
  const names = entry.selecting.map(([name]) => name)
  const wanted = selectingValues(names, request, policy)
  if (sameSelection(entry.selecting, wanted)) return true
  return policy.languageVary && isInWantedLanguage(entry, wanted, request)
}

function isInWantedLanguage(
  entry: StoredResponse,
  wanted: readonly (readonly [string, string])[],
  request: Headers,
): boolean {
  const language = languageOf(entry)
  if (language === null || language !== wantedLanguage(request.get('accept-language'))) return false
  return entry.selecting.every(([name, value], at) => name === 'accept-language' || value === wanted[at]?.[1])
}

/** The one language of a response that varies by language. */
function languageOf(entry: StoredResponse): string | null {
  if (!entry.selecting.some(([name]) => name === 'accept-language')) return null
  const [, language] = entry.fields.find(([name]) => name === 'content-language') ?? []
  return language !== undefined && /^[\w-]{1,40}$/.test(language) ? language.toLowerCase() : null
}

/** An index that leads to one more variant; past 64 variants it starts anew and the old ones are out of reach. */
export function withVariant(
  index: VariantIndex | null,
  entry: StoredResponse,
  freshGeneration: string,
): { readonly index: VariantIndex; readonly name: string } {
  const names = entry.selecting.map(([name]) => name)
  const full = index !== null && index.variants.length >= variantsMax
  const base = index === null || full ? emptyIndex(freshGeneration) : index
  const name = variantName(base.generation, entry.selecting)
  const others = base.sets.filter((set) => set.join() !== names.join())
  const language = languageOf(entry)
  return {
    name,
    index: {
      ...base,
      sets: [names, ...others].slice(0, setsMax),
      variants: [...base.variants.filter((each) => each !== name), name],
      languages: language === null ? base.languages : limited({ ...base.languages, [language]: name }),
    },
  }
}

/** Whether an index leads to the entry already, so that it need not be written again. */
export function leadsTo(index: VariantIndex, name: string, names: readonly string[]): boolean {
  return index.variants.includes(name) && index.sets[0]?.join() === names.join()
}

function emptyIndex(generation: string): VariantIndex {
  return { kind: 'variants', generation, sets: [], variants: [], languages: {} }
}

function limited(languages: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(languages).slice(-languagesMax))
}

function own(record: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}
