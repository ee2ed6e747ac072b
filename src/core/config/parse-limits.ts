import type { KindFields, LimitKind } from '../limit/kinds/kind.ts'
import { limitFieldNames } from '../limit/kinds/limit-form.ts'
import { limitKind } from '../limit/kinds/kinds.ts'
import { limitKindNames, type LimitSpec, type RouteLimit } from '../limit/spec.ts'
import { inMillionths } from './decimals.ts'
import { type Fields, note, optional, type Place, readElements, readFields, type Reader } from './place.ts'
import { integerBetween, oneOf, textThat } from './readers.ts'

/** Most limits of one key, account or route. */
const limitsMax = 16

/** What stands before a kind's name where a limit has no name of its own, so that limits of one request differ. */
type NamePrefix = '' | 'account-' | 'route-'

const nameExpected = 'a name of at most 40 letters, digits, `.`, `_` and `-`'
const limitName = textThat(nameExpected, (text) => /^[A-Za-z0-9][\w.-]{0,39}$/.test(text))
const kindName = oneOf(...limitKindNames)
const millionth = 1_000_000

/** The limits of a key, or with `account-` of an account, as configuration and admin API write them. */
export function limitsNamed(prefix: NamePrefix): Reader<readonly LimitSpec[]> {
  return (place) => {
    const read = readElements(place, limitsMax)?.flatMap((each) => readLimit(each, prefix, []) ?? [])
    if (read !== undefined) checkNames(read)
    return read?.map(({ spec }) => spec)
  }
}

/** The limits of a route, each counted for every key by itself or for an account as a whole. */
export const routeLimits: Reader<readonly RouteLimit[]> = (place) => {
  const read = readElements(place, limitsMax)?.flatMap((each) => readLimit(each, 'route-', ['per']) ?? [])
  if (read !== undefined) checkNames(read)
  return read?.map(({ field, spec }) => ({
    per: optional(field('per'), oneOf('key', 'account'), 'key'),
    spec,
  }))
}

interface ReadLimit {
  readonly field: Fields
  readonly spec: LimitSpec
}

function readLimit(place: Place, prefix: NamePrefix, others: readonly string[]): ReadLimit | undefined {
  const asked = kindIn(place.value)
  const field = readFields(place, [...limitFieldNames(asked), ...others])
  if (field === undefined) return undefined
  const name = optional(field('name'), limitName, `${prefix}${asked?.name ?? ''}`)
  if (asked === null) {
    kindName(field('kind'))
    return undefined
  }
  const max = readMax(asked.fields, field)
  const spec: LimitSpec = {
    name,
    kind: asked.name,
    max,
    periodMs: readPeriod(asked.fields, field),
    burst: readBurst(asked.fields, field, max),
    calendar: asked.fields.calendar ? (oneOf('day', 'month')(field('calendar')) ?? 'day') : null,
    durability: optional(field('durability'), oneOf('default', 'strict'), asked.defaults.durability),
    onFailure: optional(field('onFailure'), oneOf('closed', 'open', 'coast'), asked.defaults.onFailure),
    reserve: optional(field('reserve'), oneOf('auto', 'p90', 'max', 'slices'), asked.defaults.reserve),
  }
  return { field, spec }
}

function kindIn(value: unknown): LimitKind | null {
  const name = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : null
  const known = limitKindNames.find((kind) => kind === name)
  return known === undefined ? null : limitKind(known)
}

function readMax({ max }: KindFields, field: Fields): number {
  if (max.field === 'max') return integerBetween(max.least, max.most)(field('max')) ?? max.least
  const place = field('maxUsd')
  const micros = inMillionths(place.value)
  if (micros !== null && micros >= max.least && micros <= max.most) return micros
  note(place, `USD: ${max.least / millionth} to ${max.most / millionth} with at most six decimals`)
  return max.least
}

function readPeriod({ periodSeconds }: KindFields, field: Fields): number | null {
  if (periodSeconds === null) return null
  const { least, most, fallback } = periodSeconds
  const read = integerBetween(least, most)
  const place = field('periodSeconds')
  const seconds = fallback === null ? (read(place) ?? least) : optional(place, read, fallback)
  return seconds * 1000
}

function readBurst({ burst }: KindFields, field: Fields, max: number): number | null {
  return burst === null ? null : optional(field('burst'), integerBetween(burst.least, burst.most), max)
}

/** Clients are told of limits by name. */
function checkNames(limits: readonly ReadLimit[]): void {
  const seen = new Set<string>()
  for (const { field, spec } of limits) {
    if (seen.has(spec.name)) note(field('name'), 'a name that no limit before has', `\`${spec.name}\` again`)
    seen.add(spec.name)
  }
}
