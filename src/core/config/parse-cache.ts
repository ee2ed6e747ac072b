import type { LlmCachePolicy } from '../cache/llm-policy.ts'
import type { CachePolicy } from '../cache/policy.ts'
import { cacheProfiles, defaultLlmCache } from './defaults.ts'
import { optional, readFields, type Reader } from './place.ts'
import { flag, integerBetween, oneOf, setOf, textThat } from './readers.ts'

const weekMs = 604_800_000
const cacheBytesLimit = 536_870_912
const llmBytesLimit = 8_388_608
const ignoredMax = 32

const versionText = textThat('at most 64 letters, digits, `.`, `_` and `-`', (text) =>
  /^[\w.-]{0,64}$/.test(text),
)
const memberName = textThat('the name of a member of a request body', (text) => /^[\w.-]{1,64}$/.test(text))

/** How a route caches answers to GET; a profile with what differs from it. */
export const cachePolicy: Reader<CachePolicy> = (place) => {
  const field = readFields(place, Object.keys(cacheProfiles.safe))
  if (field === undefined) return undefined
  const profile = optional(field('profile'), oneOf('safe', 'full'), 'safe')
  const preset = cacheProfiles[profile]
  const switched = (name: 'setCookies' | 'heuristics' | 'looseVary' | 'languageVary' | 'loosePartial') =>
    optional(field(name), flag, preset[name])
  const { staleOnDisconnectMs, errorMs, bytesMax } = preset
  return {
    profile,
    scope: optional(field('scope'), oneOf('account', 'public'), preset.scope),
    authorized: optional(field('authorized'), oneOf('rfc', 'account'), preset.authorized),
    setCookies: switched('setCookies'),
    heuristics: switched('heuristics'),
    looseVary: switched('looseVary'),
    languageVary: switched('languageVary'),
    loosePartial: switched('loosePartial'),
    clientDirectives: optional(field('clientDirectives'), flag, preset.clientDirectives),
    staleOnDisconnectMs: optional(
      field('staleOnDisconnectMs'),
      integerBetween(0, weekMs),
      staleOnDisconnectMs,
    ),
    errorMs: optional(field('errorMs'), integerBetween(0, weekMs), errorMs),
    bytesMax: optional(field('bytesMax'), integerBetween(1, cacheBytesLimit), bytesMax),
    version: optional(field('version'), versionText, preset.version),
  }
}

/** How a route caches the answers of models. */
export const llmCachePolicy: Reader<LlmCachePolicy> = (place) => {
  const field = readFields(place, Object.keys(defaultLlmCache))
  if (field === undefined) return undefined
  return {
    scope: optional(field('scope'), oneOf('key', 'account', 'public'), defaultLlmCache.scope),
    ttlMs: optional(field('ttlMs'), integerBetween(1_000, weekMs), defaultLlmCache.ttlMs),
    ignore: optional(field('ignore'), setOf(memberName, ignoredMax), defaultLlmCache.ignore),
    sampled: optional(field('sampled'), flag, defaultLlmCache.sampled),
    bytesMax: optional(field('bytesMax'), integerBetween(1, llmBytesLimit), defaultLlmCache.bytesMax),
    version: optional(field('version'), versionText, defaultLlmCache.version),
  }
}
