import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limitsNamed } from '../../src/core/config/parse-limits.ts'
import { problemList } from '../../src/core/config/problem-list.ts'
import { leaseMsOf } from '../../src/core/limit/counter/lease-terms.ts'
import { limitFieldNames, limitForm } from '../../src/core/limit/kinds/limit-form.ts'
import { limitKind } from '../../src/core/limit/kinds/kinds.ts'
import { isLimitSpec } from '../../src/core/limit/read-spec.ts'
import { limitKindNames, type LimitSpec } from '../../src/core/limit/spec.ts'
import admin from '../../docs/openapi-admin.json' with { type: 'json' }
import page from '../../docs/limits.md?raw'
import schema from '../../docs/sluice.schema.json' with { type: 'json' }

type Json = Readonly<Record<string, unknown>>

const kinds = limitKindNames.map(limitKind)

function read(value: unknown, prefix: '' | 'account-' = '') {
  const problems = problemList()
  const limits = limitsNamed(prefix)({ value, path: '$', secretive: false, problems })
  return { limits: limits ?? [], problems: problems.all() }
}

/** Limits of any kind, as they are after reading. */
const specs: fc.Arbitrary<LimitSpec> = fc.constantFrom(...kinds).chain(({ name: kind, fields, defaults }) =>
  fc.record({
    name: fc.stringMatching(/^[A-Za-z0-9][\w.-]{0,39}$/),
    kind: fc.constant(kind),
    max: fc.integer({ min: fields.max.least, max: fields.max.most }),
    periodMs:
      fields.periodSeconds === null
        ? fc.constant(null)
        : fc.integer({ min: 1, max: fields.periodSeconds.most }).map((seconds) => seconds * 1000),
    burst: fields.burst === null ? fc.constant(null) : fc.integer({ min: 1, max: fields.burst.most }),
    calendar: fields.calendar ? fc.constantFrom('day' as const, 'month' as const) : fc.constant(null),
    durability: fields.durability
      ? fc.constantFrom('default' as const, 'strict' as const)
      : fc.constant(defaults.durability),
    onFailure: fc.constantFrom('closed' as const, 'open' as const, 'coast' as const),
    reserve: fields.reserve
      ? fc.constantFrom('auto' as const, 'p90' as const, 'max' as const, 'slices' as const)
      : fc.constant(defaults.reserve),
  }),
)

/** The JSON schema of a kind, as its descriptor has it. */
function schemaOf(kind: (typeof kinds)[number]) {
  const { fields, defaults } = kind
  const one: Readonly<Record<string, Json>> = {
    kind: { const: kind.name },
    max: { type: 'integer', minimum: fields.max.least, maximum: fields.max.most },
    maxUsd: { type: 'number', minimum: fields.max.least / 1e6, maximum: fields.max.most / 1e6 },
    periodSeconds: {
      type: 'integer',
      minimum: fields.periodSeconds?.least,
      maximum: fields.periodSeconds?.most,
      ...(fields.periodSeconds?.fallback == null ? {} : { default: fields.periodSeconds.fallback }),
    },
    burst: { type: 'integer', minimum: fields.burst?.least, maximum: fields.burst?.most },
    calendar: { enum: ['day', 'month'] },
    durability: { enum: ['default', 'strict'], default: defaults.durability },
    onFailure: { enum: ['closed', 'open', 'coast'], default: defaults.onFailure },
    reserve: { enum: ['auto', 'p90', 'max', 'slices'], default: defaults.reserve },
  }
  const names = limitFieldNames(kind)
  return {
    description: kind.contract,
    type: 'object',
    required: [
      'kind',
      fields.max.field,
      ...(fields.periodSeconds !== null && fields.periodSeconds.fallback === null ? ['periodSeconds'] : []),
      ...(fields.calendar ? ['calendar'] : []),
    ],
    additionalProperties: false,
    properties: Object.fromEntries(names.map((name) => [name, one[name] ?? { $ref: expect.any(String) }])),
  }
}

function rowsUnder(head: string): readonly (readonly string[])[] {
  const [table = ''] = page.slice(page.indexOf(head)).split('\n\n')
  const rows = table.split('\n').filter((line) => line.startsWith('| `'))
  return rows.map((line) =>
    line
      .slice(1, -1)
      .split(' | ')
      .map((cell) => cell.trim()),
  )
}

const budget = (maxUsd: number) => read([{ kind: 'money-budget', maxUsd, calendar: 'month' }])

describe('a limit', () => {
  test('that is written and read again is the same limit', () => {
    fc.assert(
      fc.property(specs, (spec) => {
        const { limits, problems } = read([JSON.parse(JSON.stringify(limitForm(spec)))])
        expect(problems).toEqual([])
        expect(limits).toEqual([spec])
      }),
    )
  })

  test('that is read can be stored: a record with it is read again', () => {
    fc.assert(fc.property(specs, (spec) => isLimitSpec(JSON.parse(JSON.stringify(spec)))))
  })

  test.each(kinds)('of kind $name has the name of its kind, and of whose it is, and its defaults', (kind) => {
    const needed = { max: 5, maxUsd: 5, periodSeconds: 10, calendar: 'day' }
    const names = limitFieldNames(kind)
    const form = Object.fromEntries(Object.entries(needed).filter(([name]) => names.includes(name)))
    const written = [{ kind: kind.name, ...form }]
    expect(read(written).limits).toMatchObject([{ name: kind.name, ...kind.defaults }])
    expect(read(written, 'account-').limits).toMatchObject([{ name: `account-${kind.name}` }])
  })

  test('of money is counted in whole micro-dollars, read from the decimals', () => {
    expect(budget(0.0375).limits).toMatchObject([{ max: 37_500 }])
    expect(budget(4.35).limits).toMatchObject([{ max: 4_350_000 }])
    expect(budget(1e-7).problems).toMatchObject([{ path: '$[0].maxUsd' }])
  })

  test('with several things wrong has all of them told, each by its place', () => {
    const { problems } = read([{ kind: 'token-window', max: -1, brust: 2 }, { kind: 'x' }])
    expect(problems.map(({ path }) => path)).toEqual([
      '$[0].brust',
      '$[0].max',
      '$[0].periodSeconds',
      '$[1].kind',
    ])
  })
})

describe('the descriptors', () => {
  test.each(kinds)('$name: one sentence, a lease, and what it can be taken with', (kind) => {
    expect(kind.contract).toMatch(/^[A-Z][^\n]*[^.]\.$/)
    expect(limitKind(kind.name)).toBe(kind)
    const tokens = kind.counts === 'tokens' || kind.counts === 'micro-dollars'
    expect(kind.fields.reserve).toBe(tokens)
    expect(kind.afterCoast).toBe(tokens ? 'closed' : 'open')
    expect(kind.taken === 'reservation').toBe(tokens || kind.name === 'concurrent-streams')
  })

  test('leases are as short as the terms of leases have them', () => {
    const rate: LimitSpec = {
      name: 'a',
      kind: 'request-rate',
      max: 100,
      periodMs: 10_000,
      burst: 10,
      calendar: null,
      durability: 'default',
      onFailure: 'coast',
      reserve: 'auto',
    }
    expect(limitKind('request-rate').leaseMs(rate)).toBe(250)
    const hour: LimitSpec = { ...rate, kind: 'token-window', periodMs: 3_600_000, burst: null }
    expect(limitKind('token-window').leaseMs(hour)).toBe(leaseMsOf(hour))
    expect(limitKind('concurrent-streams').leaseMs(rate)).toBe(60_000)
  })
})

describe('what is written of kinds of limit', () => {
  test('the page on limits has the contract of each, and how it fails', () => {
    const told = kinds.map(({ name, counts, contract }) => [`\`${name}\``, counts, contract])
    expect(rowsUnder('| kind                  | counts')).toEqual(told)
    const policies = rowsUnder('| kind                  | lease').map((row) => row.toSpliced(1, 1))
    expect(policies).toEqual(
      kinds.map(({ name, fields, defaults, afterCoast }) => [
        `\`${name}\``,
        fields.durability ? `\`${defaults.durability}\`` : 'always exact',
        `\`${defaults.onFailure}\``,
        afterCoast,
      ]),
    )
  })

  test('the schema of the configuration has each, as it is read, with `per`', () => {
    const defs = schema.$defs as unknown as Readonly<Record<string, { readonly properties: Json }>>
    for (const kind of kinds) {
      const { per, ...properties } = defs[kind.name]?.properties ?? {}
      expect({ ...defs[kind.name], properties }, kind.name).toEqual(schemaOf(kind))
      expect(per).toEqual({ enum: ['key', 'account'], default: 'key' })
    }
    expect(schema.$defs.limit.anyOf).toEqual(limitKindNames.map((name) => ({ $ref: `#/$defs/${name}` })))
  })

  test('the page on the admin API has each, as it is read', () => {
    const schemas = admin.components.schemas as unknown as Readonly<Record<string, Json>>
    const names = kinds.map(({ name }) =>
      name.replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    )
    for (const [at, kind] of kinds.entries()) expect(schemas[names[at] ?? '']).toEqual(schemaOf(kind))
    const all = names.map((name) => ({ $ref: `#/components/schemas/${name}` }))
    expect(admin.components.schemas.Limit.anyOf).toEqual(all)
  })
})
