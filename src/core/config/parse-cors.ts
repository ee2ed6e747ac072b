import { defaultCors } from './defaults.ts'
import { isEmptyList, note, optional, type Place, readFields, type Reader } from './place.ts'
import { flag, integerBetween, setOf, textThat } from './readers.ts'
import type { CorsPolicy } from './types.ts'

const originsMax = 1_000
const headersMax = 100
const dayS = 86_400
const corsFields = ['origins', 'allowHeaders', 'exposeHeaders', 'credentials', 'maxAgeSeconds']

const webOrigin = textThat(
  'an origin as browsers send it (`https://app.example.com`, lower case, nothing after it) or `*`',
  (text) => text === '*' || isWebOrigin(text),
)

const namedHeader: Reader<string> = (place) => headerToken(place)?.toLowerCase()

const headerToken = textThat('a header name or `*`', (text) => /^[\w!#$%&'*+.^`|~-]{1,128}$/.test(text))

/** Cross-origin rules of a route. With credentials nothing may be `*` (Fetch standard, CORS protocol). */
export const corsPolicy: Reader<CorsPolicy> = (place) => {
  const field = readFields(place, corsFields)
  if (field === undefined) return undefined
  const policy: CorsPolicy = {
    origins: setOf(webOrigin, originsMax)(field('origins')) ?? [],
    allowHeaders: optional(field('allowHeaders'), setOf(namedHeader, headersMax), defaultCors.allowHeaders),
    exposeHeaders: optional(
      field('exposeHeaders'),
      setOf(namedHeader, headersMax),
      defaultCors.exposeHeaders,
    ),
    credentials: optional(field('credentials'), flag, defaultCors.credentials),
    maxAgeSeconds: optional(field('maxAgeSeconds'), integerBetween(0, dayS), defaultCors.maxAgeSeconds),
  }
  if (isEmptyList(field('origins'))) note(field('origins'), 'at least one origin')
  if (policy.credentials) noteWildcards(policy, field)
  return policy
}

function noteWildcards(policy: CorsPolicy, field: (name: string) => Place): void {
  for (const name of ['origins', 'allowHeaders', 'exposeHeaders'] as const) {
    if (policy[name].includes('*')) note(field(name), 'no `*`, since `credentials` is true', '`*`')
  }
}

function isWebOrigin(text: string): boolean {
  return text.length <= 512 && URL.canParse(text) && new URL(text).origin === text
}
