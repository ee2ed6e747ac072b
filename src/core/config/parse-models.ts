import { note, optional, optionalOrNull, type Place, readEntries, readFields, type Reader } from './place.ts'
import { setOf, textThat } from './readers.ts'
import type { ModelPolicy } from './types.ts'

const aliasesMax = 1_000
const modelForm = /^[!-~]{1,256}$/

const rulesMax = 1_000
const ruleForm = /^[!-)+-~]{0,255}(?:[!-)+-~]|\*)$/

const modelName = textThat('a model name: 1 to 256 visible ASCII characters', (text) => modelForm.test(text))

/** A route's names for models; without any, models keep the names clients give them. */
export function parseModels(place: Place): ModelPolicy {
  const known = ['aliases', 'override', 'allow', 'deny']
  const field = place.value === undefined ? undefined : readFields(place, known)
  if (field === undefined) return { aliases: {}, override: null, allow: null, deny: [] }
  return {
    aliases: optional(field('aliases'), modelMap, {}),
    override: optionalOrNull(field('override'), modelName),
    allow: optionalOrNull(field('allow'), modelNames),
    deny: optional(field('deny'), modelNames, []),
  }
}

const modelNames = setOf(
  textThat('a model name of visible ASCII characters, `*` only at its end', (text) => ruleForm.test(text)),
  rulesMax,
)

/** Models by other names for them. */
export const modelMap: Reader<Readonly<Record<string, string>>> = (place) => {
  const entries = readEntries(place)
  if (entries === undefined) return undefined
  if (entries.size > aliasesMax) note(place, `at most ${aliasesMax} aliases`, String(entries.size))
  const aliases: [string, string][] = []
  for (const [alias, child] of entries) {
    if (!modelForm.test(alias)) note(child, 'an alias of 1 to 256 visible ASCII characters', 'another name')
    const model = modelName(child)
    if (model !== undefined) aliases.push([alias, model])
  }
  return Object.fromEntries(aliases)
}
