import { limitsNamed } from '../core/config/parse-limits.ts'
import { problemList } from '../core/config/problem-list.ts'
import type { ModelRules } from '../core/config/types.ts'
import type { KeyChange, NewKey } from '../core/key/key-record.ts'
import type { LimitSpec } from '../core/limit/spec.ts'
import { readName } from './input.ts'
import { finish, problem, readFields, type Parsed, type Reading } from './reading.ts'

const keyFields = ['name', 'scopes', 'models', 'limits', 'strict', 'expiresAtMs']
const scopesMax = 32
const scopePattern = /^[0-9a-z:._-]{1,64}$/
const modelsMax = 200
const modelPattern = /^[!-)+-~]{0,255}(?:[!-)+-~]|\*)$/
/** ECMA-262: the latest time a date can have. */
const timeMaxMs = 8.64e15

/** Reads the body that makes a key: `name`, and if wanted the other fields; `expiresAtMs` lies after `nowMs`. */
export function parseNewKey(body: unknown, nowMs: number): Parsed<NewKey> {
  const read = readFields(body, keyFields)
  return finish(read, {
    name: readName(read),
    scopes: readScopes(read),
    models: readModels(read),
    limits: readLimits(read, ''),
    strict: readStrict(read),
    expiresAtMs: readExpiry(read, nowMs),
  })
}

/** Reads the body that changes a key: any of the fields that make one; those left out stay. */
export function parseKeyChange(body: unknown, nowMs: number): Parsed<KeyChange> {
  const read = readFields(body, keyFields)
  const { fields } = read
  return finish(read, {
    ...(fields.has('name') ? { name: readName(read) } : {}),
    ...(fields.has('scopes') ? { scopes: readScopes(read) } : {}),
    ...(fields.has('models') ? { models: readModels(read) } : {}),
    ...(fields.has('limits') ? { limits: readLimits(read, '') } : {}),
    ...(fields.has('strict') ? { strict: readStrict(read) } : {}),
    ...(fields.has('expiresAtMs') ? { expiresAtMs: readExpiry(read, nowMs) } : {}),
  })
}

/** Reads the body that sets an account's limits: `limits`, all of them. */
export function parseAccountLimits(body: unknown): Parsed<readonly LimitSpec[]> {
  const read = readFields(body, ['limits'])
  if (read.problems.length === 0 && !read.fields.has('limits')) {
    problem(read, '$.limits', 'a list of limits', undefined)
  }
  return finish(read, readLimits(read, 'account-'))
}

/** Limits as the configuration writes them; none where nothing is said. */
function readLimits(read: Reading, prefix: '' | 'account-'): readonly LimitSpec[] {
  const value = read.fields.get('limits') ?? []
  const problems = problemList()
  const limits = limitsNamed(prefix)({ value, path: '$.limits', secretive: false, problems })
  read.problems.push(...problems.all())
  return limits ?? []
}

function readScopes(read: Reading): readonly string[] {
  const scopes = read.fields.get('scopes') ?? []
  if (isScopes(scopes)) return scopes
  problem(read, '$.scopes', `at most ${scopesMax} different texts of 1 to 64 of [0-9a-z:._-]`, scopes)
  return []
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

function readStrict(read: Reading): boolean {
  const strict = read.fields.get('strict') ?? false
  if (typeof strict === 'boolean') return strict
  problem(read, '$.strict', 'true or false', strict)
  return false
}

function readExpiry(read: Reading, nowMs: number): number | null {
  const expiresAtMs = read.fields.get('expiresAtMs') ?? null
  if (expiresAtMs === null || isTimeAfter(expiresAtMs, nowMs)) return expiresAtMs
  problem(read, '$.expiresAtMs', 'milliseconds since the epoch, in the future, or null', expiresAtMs)
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

function isScopes(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length > scopesMax) return false
  const fit = value.every((scope) => typeof scope === 'string' && scopePattern.test(scope))
  return fit && new Set(value).size === value.length
}

function isTimeAfter(value: unknown, nowMs: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > nowMs && value <= timeMaxMs
}
