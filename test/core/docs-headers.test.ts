import { describe, expect, it } from 'vitest'
import { dialectOf } from '../../src/core/dialect/dialect.ts'
import { hopByHop } from '../../src/core/http/hop-by-hop.ts'
import page from '../../docs/headers.md?raw'

const { default: requestRules } = await import('../../src/core/http/request-headers.ts?raw')
const { default: responseRules } = await import('../../src/core/http/response-headers.ts?raw')

/** Header names in code marks between two texts of the page. */
function namesBetween(from: string, to: string): readonly string[] {
  const start = page.indexOf(from)
  const end = page.indexOf(to, start + from.length)
  expect(
    [start, end].every((at) => at >= 0),
    `${from} ... ${to}`,
  ).toBe(true)
  return [...page.slice(start, end).matchAll(/`([a-z0-9-]+)`/g)].map(([, name = '']) => name)
}

/** The members of a set of names as the source writes it. */
function setIn(source: string, name: string): readonly string[] {
  const [, members = ''] = new RegExp(`const ${name}\\b[^\\[]*\\[(.*?)\\]`, 's').exec(source) ?? []
  return [...members.matchAll(/'([^']+)'/g)].map(([, member = '']) => member)
}

/** The beginnings that a pattern such as `/^(a-|b-)/` takes. */
function prefixesIn(source: string, name: string): readonly string[] {
  const [, alternatives = ''] = new RegExp(`const ${name} = /\\^\\((.*?)\\)/`).exec(source) ?? []
  return alternatives.split('|')
}

describe('the page on headers lists exactly', () => {
  it.each([
    ['headers of the connection', '**Of the connection** (RFC', '**About where', [...hopByHop]],
    ['what only the gateway says', '**About where', '; and all', setIn(requestRules, 'aboutThePath')],
    [
      'beginnings of such names',
      'and all that begin with `x-f',
      'The runtime',
      prefixesIn(requestRules, 'aboutThePathPrefix'),
    ],
    ['credentials', '**Credentials**', '\n\n', setIn(requestRules, 'credentials')],
    ['what providers do not see', '**On LLM routes**', '\n\n', [...dialectOf('openai').headers.requestDrop]],
    ["the upstream's edge", "**Of the upstream's edge**", '; and all', setIn(responseRules, 'aboutItsEdge')],
    ['its own ids', "The upstream's `x-request-id`", 'comes back', setIn(responseRules, 'requestIds')],
  ])('%s', (_what, from, to, expected) => {
    expect(expected.length).toBeGreaterThan(0)
    expect(namesBetween(from, to).toSorted()).toEqual(expected.toSorted())
  })

  it.each([
    [
      'openai',
      '^(ratelimit(-policy)?$|x-ratelimit-|openai-(organization|project)$)',
      ['ratelimit', 'ratelimit-policy', 'x-ratelimit-', 'openai-organization', 'openai-project'],
    ],
    [
      'anthropic',
      '^(ratelimit(-policy)?$|anthropic-(ratelimit-|organization-id$))',
      ['ratelimit', 'ratelimit-policy', 'anthropic-ratelimit-', 'anthropic-organization-id'],
    ],
  ] as const)('the account headers of %s', (name, rule, names) => {
    const { accountHeader } = dialectOf(name).headers
    const said = namesBetween('**Of the account**', 'The account is shared')
    expect(accountHeader?.source).toBe(rule)
    expect(said.filter((header) => accountHeader?.test(header))).toEqual(names)
  })

  it('the same rules for both LLM dialects', () => {
    expect(dialectOf('anthropic').headers.requestDrop).toEqual(dialectOf('openai').headers.requestDrop)
    expect(dialectOf('http').headers.requestDrop.size).toBe(0)
  })
})
