import { regions, type NewAccount, type PageRequest, type Region } from '../core/key/account.ts'
import { isIdentifier } from '../core/key/key-text.ts'
import type { InputProblem } from './api.ts'
import { describe, finish, problem, readFields, shorten, type Parsed, type Reading } from './reading.ts'

const nameLengthMax = 100
const pageItemsMax = 1_000
const pageItemsDefault = 100
const limitPattern = /^[1-9][0-9]{0,3}$/

/** Reads the body that makes an account: `name` and `region`. */
export function parseNewAccount(body: unknown): Parsed<NewAccount> {
  const read = readFields(body, ['name', 'region'])
  const name = readName(read)
  const region = regions.find((known) => known === read.fields.get('region'))
  if (region === undefined)
    problem(read, '$.region', `one of ${regions.join(', ')}`, read.fields.get('region'))
  return finish(read, { name, region: region as Region })
}

/** The name of an account or a key. */
export function readName(read: Reading): string {
  const name = read.fields.get('name')
  if (isName(name)) return name
  problem(read, '$.name', `a text of 1 to ${nameLengthMax} characters without control characters`, name)
  return ''
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

function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > nameLengthMax || value.trim() === '') return false
  return value.isWellFormed() && !/\p{Cc}/u.test(value)
}
