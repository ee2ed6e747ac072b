import { describe, expect, test } from 'vitest'
import { placeOf, readSources, root } from './static-sources.ts'

// The check in JavaScript, not the one in a program of its own for each platform.
process.env['RECHECK_BACKEND'] = 'pure'
const { checkSync } = await import('recheck')

interface Expression {
  readonly place: string
  readonly pattern: string
  readonly flags: string
}

const sources = readSources()

const literals: readonly Expression[] = sources.flatMap((source) =>
  source.nodes.flatMap((node): readonly Expression[] => {
    const regex = node.type === 'Literal' ? node['regex'] : undefined
    if (typeof regex !== 'object' || regex === null) return []
    return [{ place: placeOf(source, node), ...(regex as { pattern: string; flags: string }) }]
  }),
)

/** Those that modules put together from texts when they are loaded. */
async function composedOf(path: string): Promise<readonly Expression[]> {
  const composed: Expression[] = []
  const genuine = globalThis.RegExp
  globalThis.RegExp = new Proxy(genuine, {
    construct(_, [pattern, flags]: [string, string?]) {
      composed.push({ place: path, pattern, flags: flags ?? '' })
      return new genuine(pattern, flags)
    },
  })
  try {
    await import(`${root}${path}`)
  } finally {
    globalThis.RegExp = genuine
  }
  return composed
}

const composing = sources.filter(({ text }) => text.includes('new RegExp('))
const composed = (await Promise.all(composing.map(({ path }) => composedOf(path)))).flat()
const expressions = [
  ...new Map([...literals, ...composed].map((each) => [`${each.pattern}/${each.flags}`, each])).values(),
]

const searching = {
  checker: 'fuzz',
  timeout: 20_000,
  maxIteration: 10,
  maxInitialGenerationSize: 100,
  maxGenerationSize: 30,
  maxGeneStringSize: 1_000,
  maxRecallStringSize: 50_000,
} as const

/** What recheck says: the automaton proves, and where that takes too long, a search for a slow input stands in. */
function judge({ pattern, flags }: Omit<Expression, 'place'>): string {
  const proved = checkSync(pattern, flags, { checker: 'automaton', timeout: 1_000 })
  const said = proved.status === 'unknown' ? checkSync(pattern, flags, searching) : proved
  return said.status === 'vulnerable' ? `${said.complexity.summary}: ${said.attack.pattern}` : said.status
}

describe('C27: every regular expression of the gateway takes a time that grows evenly with its input', () => {
  test('those that stand there and those put together are found', () => {
    expect(literals.length).toBeGreaterThan(50)
    const calls = composing.map(({ text }) => text.split('new RegExp(').length - 1)
    expect(composed).toHaveLength(calls.reduce((sum, count) => sum + count, 0))
  })

  test.each(expressions)('$place /$pattern/$flags', { timeout: 30_000 }, (expression) => {
    expect(judge(expression)).toBe('safe')
  })

  test.each(['(a+)+b', String.raw`\s+$`, '=+$'])('/%s/ would be noticed', { timeout: 30_000 }, (pattern) => {
    expect(judge({ pattern, flags: '' })).toMatch(/polynomial|exponential/)
  })
})
