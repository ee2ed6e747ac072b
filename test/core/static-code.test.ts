import { expect, test } from 'vitest'
import { placeOf, readSources, type Source, type SyntaxNode } from './static-sources.ts'

const sources = readSources()

/** Names of values that must not be compared in a time that depends on where they differ. */
const secretName = /(?:^|[a-z])(?:secret|token|mac|hmac|sha256|digest|hash|signature|password|credential)s?$/i
const equality = new Set(['===', '!==', '==', '!='])

/** The name of what an expression reads: `x`, `a.x`, `a?.x`, `a['x']`; null for anything else. */
function nameOf(value: unknown): string | null {
  const node = value as SyntaxNode
  if (node.type === 'ChainExpression') return nameOf(node['expression'])
  if (node.type === 'Identifier' || node.type === 'PrivateIdentifier') return node['name'] as string
  if (node.type === 'MemberExpression') return nameOf(node['property'])
  return node.type === 'Literal' && typeof node['value'] === 'string' ? node['value'] : null
}

/** Comparing with a literal tells whether there is a value at all, or of which kind it is. */
function isFixed(value: unknown): boolean {
  const node = value as SyntaxNode
  if (node.type === 'Identifier') return node['name'] === 'undefined'
  return node.type === 'Literal' || (node.type === 'UnaryExpression' && node['operator'] === 'typeof')
}

function comparesSecrets(node: SyntaxNode): boolean {
  if (node.type !== 'BinaryExpression' || !equality.has(node['operator'] as string)) return false
  const sides = [node['left'], node['right']]
  if (sides.some((side) => isFixed(side))) return false
  return sides.some((side) => secretName.test(nameOf(side) ?? ''))
}

function placesOf(matches: (node: SyntaxNode, source: Source) => boolean): readonly string[] {
  return sources.flatMap((source) =>
    source.nodes.filter((node) => matches(node, source)).map((node) => placeOf(source, node)),
  )
}

test('the sources are read', () => {
  expect(sources.length).toBeGreaterThan(100)
  expect(placesOf((node) => node.type === 'BinaryExpression').length).toBeGreaterThan(100)
})

test('C62: no secret, hash or MAC is compared by === or !==', () => {
  const elsewhere = sources.filter(({ path }) => path !== 'src/core/key/constant-time.ts')
  const found = elsewhere.flatMap((source) =>
    source.nodes.filter((node) => comparesSecrets(node)).map((node) => placeOf(source, node)),
  )
  expect(found).toEqual([])
})

test.each([
  ['a.secret === b', true],
  ['presentedToken !== wanted', true],
  ['record?.hash == other.hash', true],
  ["row['sha256'] !== hash", true],
  ['secret === null', false],
  ["typeof secret === 'string'", false],
  ['secret === undefined', false],
  ['name === other', false],
  ['machine === other', false],
])('the rule on comparing judges `%s` rightly', async (text, forbidden) => {
  const { parseAst } = await import('vitest/node')
  const [statement] = parseAst(text).body
  const expression = (statement as unknown as { expression: SyntaxNode }).expression
  expect(comparesSecrets(expression)).toBe(forbidden)
})

test('C62: a request that fails never passes through to an origin', () => {
  expect(placesOf((node) => nameOf(node) === 'passThroughOnException')).toEqual([])
})

/** Whether a node stands inside a function, so that it is evaluated while requests are served. */
function inFunction({ nodes }: Source, { start }: SyntaxNode): boolean {
  return nodes.some((node) => {
    const body = /Function/.test(node.type) ? (node['body'] as SyntaxNode | null) : null
    return body !== null && body.start <= start && start < (body['end'] as number)
  })
}

test('C27: no regular expression is made of what a request or a configuration says', () => {
  const made = placesOf(
    (node, source) =>
      (node.type === 'CallExpression' || node.type === 'NewExpression') &&
      nameOf(node['callee']) === 'RegExp' &&
      inFunction(source, node),
  )
  expect(made).toEqual([])
})

test('no code is made from text', () => {
  const named = placesOf(
    ({ type, callee }) =>
      (type === 'CallExpression' || type === 'NewExpression') &&
      /^(eval|Function)$/.test(nameOf(callee) ?? ''),
  )
  expect(named).toEqual([])
})
