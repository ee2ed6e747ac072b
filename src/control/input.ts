import type { ModelRules } from '../core/config/types.ts'
import { regions, type NewAccount, type PageRequest, type Region } from '../core/key/account.ts'
import type { NewKey } from '../core/key/key-record.ts'
import { isIdentifier, keyPrefix } from '../core/key/key-text.ts'
import type { InputProblem } from './api.ts'

/** Input that is what it should be, or everything that is wrong with it. */
export type Parsed<T> = { readonly value: T } | { readonly problems: readonly InputProblem[] }

const nameLengthMax = 100
const scopesMax = 32
const pageItemsMax = 1_000
const pageItemsDefault = 100
const scopePattern = /^[0-9a-z:._-]{1,64}$/
const modelsMax = 200
const modelPattern = /^[!-)+-~]{0,255}(?:[!-)+-~]|\*)$/
const limitPattern = /^[1-9][0-9]{0,3}$/
/** ECMA-262: the latest time a date can have. */
const timeMaxMs = 8.64e15

/** Reads the body that makes an account: `name` and `region`. */
export function parseNewAccount(body: unknown): Parsed<NewAccount> {
  const read = readFields(body, ['name', 'region'])
  const name = readName(read)
  const region = regions.find((known) => known === read.fields.get('region'))
  if (region === undefined)
    problem(read, '$.region', `one of ${regions.join(', ')}`, read.fields.get('region'))
  return finish(read, { name, region: region as Region })
}

/** Reads the body that makes a key: `name`, and if wanted `scopes`, `models` and `expiresAtMs`, which lies after `nowMs`. */
export function parseNewKey(body: unknown, nowMs: number): Parsed<NewKey> {
  const read = readFields(body, ['name', 'scopes', 'models', 'expiresAtMs'])
  const name = readName(read)
  const scopes = read.fields.get('scopes') ?? []
  if (!isScopes(scopes)) {
    problem(read, '$.scopes', `at most ${scopesMax} different texts of 1 to 64 of [0-9a-z:._-]`, scopes)
  }
  const models = readModels(read)
  const expiresAtMs = read.fields.get('expiresAtMs') ?? null
  if (expiresAtMs !== null && !isTimeAfter(expiresAtMs, nowMs)) {
    problem(read, '$.expiresAtMs', 'milliseconds since the epoch, in the future, or null', expiresAtMs)
  }
  return finish(read, {
    name,
    scopes: scopes as string[],
    models,
    expiresAtMs: expiresAtMs as number | null,
  })
}

/** Reads `after` and `limit` of a list from the URL, which is not taken to be well formed. */
export function parsePage(url: string): Parsed<PageRequest> {
  const start = url.indexOf('?')
  const query = new URLSearchParams(start === -1 ? '' : url.slice(start))
  const problems: InputProblem[] = []
  const after = query.get('after')
  const limit = query.get('limit')
  if (after !== null && !isIdentifier(after)) {
    problems.push({ path: 'after', expected: 'the `next` of the page before', found: describe(after) })
  }
  if (limit !== null && !(limitPattern.test(limit) && Number(limit) <= pageItemsMax)) {
    problems.push({ path: 'limit', expected: `1 to ${pageItemsMax}`, found: describe(limit) })
  }
  for (const name of new Set(query.keys())) {
    if (name !== 'after' && name !== 'limit') {
      problems.push({ path: shorten(name), expected: 'only `after` and `limit`', found: 'another parameter' })
    }
  }
  if (problems.length > 0) return { problems }
  return { value: { after, itemsMax: limit === null ? pageItemsDefault : Number(limit) } }
}

interface Reading {
  readonly fields: ReadonlyMap<string, unknown>
  readonly problems: InputProblem[]
}

function readFields(body: unknown, allowed: readonly string[]): Reading {
  const problems: InputProblem[] = []
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    problems.push({ path: '$', expected: 'a JSON object', found: describe(body) })
    return { fields: new Map(), problems }
  }
  const fields = new Map<string, unknown>(Object.entries(body))
  for (const field of fields.keys()) {
    if (allowed.includes(field)) continue
    problems.push({
      path: `$.${shorten(field)}`,
      expected: `only ${allowed.join(', ')}`,
      found: 'another field',
    })
  }
  return { fields, problems }
}

function readName(read: Reading): string {
  const name = read.fields.get('name')
  if (isName(name)) return name
  problem(read, '$.name', `a text of 1 to ${nameLengthMax} characters without control characters`, name)
  return ''
}

/** `{"allow": [...], "deny": [...]}`, either of which may be left out; null leaves models to the route. */
function readModels(read: Reading): ModelRules | null {
  const models = read.fields.get('models') ?? null
  const rules = models === null ? null : modelRulesIn(models)
  if (rules !== 'wrong') return rules
  const expected = 'an object with `allow` and `deny`, lists of model names, `*` only at the end of a name'
  problem(read, '$.models', expected, models)
  return null
}

function modelRulesIn(value: unknown): ModelRules | 'wrong' {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'wrong'
  const { allow = null, deny = [], ...others } = value as Record<string, unknown>
  const good = (allow === null || isModelNames(allow)) && isModelNames(deny)
  return good && Object.keys(others).length === 0 ? { allow, deny } : 'wrong'
}

function isModelNames(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length > modelsMax) return false
  return value.every((name) => typeof name === 'string' && modelPattern.test(name))
}

function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > nameLengthMax || value.trim() === '') return false
  return value.isWellFormed() && !/\p{Cc}/u.test(value)
}

function isScopes(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length > scopesMax) return false
  const fit = value.every((scope) => typeof scope === 'string' && scopePattern.test(scope))
  return fit && new Set(value).size === value.length
}

function isTimeAfter(value: unknown, nowMs: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > nowMs && value <= timeMaxMs
}

function problem(read: Reading, path: string, expected: string, found: unknown): void {
  read.problems.push({ path, expected, found: describe(found) })
}

function finish<T>(read: Reading, value: T): Parsed<T> {
  return read.problems.length > 0 ? { problems: read.problems.slice(0, 20) } : { value }
}

/** What was found, in a few characters; a key that was put in the wrong place is not repeated. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = JSON.stringify(value) ?? 'nothing'
  return text.includes(keyPrefix) ? 'a text with a key in it' : shorten(text)
}

function shorten(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`
}
