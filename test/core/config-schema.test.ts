import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/core/config/parse.ts'
import bundled from '../../sluice.config.json' with { type: 'json' }
import schema from '../../docs/sluice.schema.json' with { type: 'json' }
import { badCases, goodCases } from './config-cases.ts'

type Schema = Readonly<Record<string, unknown>>
type Check = (limit: unknown, value: unknown, rule: Schema) => boolean

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const ofText = (value: unknown, holds: (text: string) => boolean) => typeof value !== 'string' || holds(value)
const ofNumber = (value: unknown, holds: (count: number) => boolean) =>
  typeof value !== 'number' || holds(value)
const ofList = (value: unknown, holds: (list: readonly unknown[]) => boolean) =>
  !Array.isArray(value) || holds(value)
const ofObject = (value: unknown, holds: (object: Record<string, unknown>) => boolean) =>
  !isObject(value) || holds(value)

function isOfType(type: unknown, value: unknown): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isObject(value)
  if (type === 'integer') return Number.isInteger(value)
  return typeof value === type
}

/** The keywords of JSON Schema 2020-12 that the schema uses; any other makes the test fail. */
const keywords: Readonly<Record<string, Check>> = {
  $ref: (ref, value) =>
    isValid((schema.$defs as Record<string, Schema>)[String(ref).slice(8)] ?? { no: 1 }, value),
  type: (types, value) => [types].flat().some((type) => isOfType(type, value)),
  const: (constant, value) => constant === value,
  enum: (words, value) => (words as readonly unknown[]).includes(value),
  anyOf: (rules, value) => (rules as readonly Schema[]).some((rule) => isValid(rule, value)),
  pattern: (pattern, value) => ofText(value, (text) => new RegExp(String(pattern), 'u').test(text)),
  maxLength: (most, value) => ofText(value, (text) => text.length <= Number(most)),
  minimum: (least, value) => ofNumber(value, (count) => count >= Number(least)),
  maximum: (most, value) => ofNumber(value, (count) => count <= Number(most)),
  minItems: (least, value) => ofList(value, (list) => list.length >= Number(least)),
  maxItems: (most, value) => ofList(value, (list) => list.length <= Number(most)),
  uniqueItems: (_, value) => ofList(value, (list) => new Set(list).size === list.length),
  items: (rule, value) => ofList(value, (list) => list.every((element) => isValid(rule as Schema, element))),
  required: (names, value) =>
    ofObject(value, (object) => (names as string[]).every((name) => name in object)),
  maxProperties: (most, value) => ofObject(value, (object) => Object.keys(object).length <= Number(most)),
  propertyNames: (rule, value) =>
    ofObject(value, (object) => Object.keys(object).every((name) => isValid(rule as Schema, name))),
  properties: (rules, value) =>
    ofObject(value, (object) =>
      Object.entries(rules as Record<string, Schema>).every(
        ([name, rule]) => !Object.hasOwn(object, name) || isValid(rule, object[name]),
      ),
    ),
  additionalProperties: (rule, value, { properties }) =>
    ofObject(value, (object) => {
      const others = Object.keys(object).filter((name) => !Object.hasOwn(properties ?? {}, name))
      return others.every((name) => rule !== false && isValid(rule as Schema, object[name]))
    }),
}
const annotations = new Set(['$schema', '$id', '$defs', 'title', 'description', 'default'])

function isValid(rule: Schema, value: unknown): boolean {
  return Object.entries(rule).every(([keyword, limit]) => {
    if (annotations.has(keyword)) return true
    const check = keywords[keyword]
    if (check === undefined) throw new Error(`the schema uses ${keyword}, which this test does not know`)
    return check(limit, value, rule)
  })
}

describe('the schema for editors', () => {
  it('and the parser take the bundled document', () => {
    expect(parseConfig(bundled)).not.toHaveProperty('problems')
    expect(isValid(schema, bundled)).toBe(true)
  })

  it.each(goodCases)('takes %s', (_, document) => {
    expect(isValid(schema, document)).toBe(true)
  })

  it.each(badCases)('sees what it can see of %s', (...[, document, , bySchema]) => {
    expect(isValid(schema, document)).toBe(!bySchema)
  })
})
