import type { Draw } from './draw.ts'

interface Node {
  readonly parent: Record<string, unknown>
  readonly name: string
}

/** Everything in a document that may be changed, the document itself included; lists count as objects with indices. */
function nodesOf(parent: Record<string, unknown>, found: Node[] = []): readonly Node[] {
  for (const [name, child] of Object.entries(parent)) {
    found.push({ parent, name })
    if (typeof child === 'object' && child !== null) nodesOf(child as Record<string, unknown>, found)
  }
  return found
}

const hostileValues: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  '',
  [],
  {},
  [[]],
  'x'.repeat(5_000),
  '\u0000',
  'a\r\nb: c',
  '\ud800',
  '../../etc',
  '/_sluice/v1',
  '/%5fsluice/x',
  '/{__proto__}/*',
  '/{constructor}',
  'http://169.254.169.254/latest',
  'https://a@b.example',
  'https://x.example/a/../b',
  'https://x.example\\@evil.example',
  'javascript:alert(1)',
  'https://[::1]:99999',
  'SLUICE_KEY_RING',
  'constructor',
  '__proto__',
  'toString',
  '*',
  '*.*',
  'TRACE',
  { polluted: true },
  { ['constructor']: { prototype: { polluted: true } } },
]
/** What is right in some place. */
const fittingValues: readonly unknown[] = [
  1,
  100,
  0.5,
  true,
  false,
  null,
  'http',
  'openai',
  'anthropic',
  'none',
  'llm',
  '*',
  '*.a.example',
  'x-b',
  'GET',
  '/v2/{id}/*',
  '/v2/x',
  '/',
  'https://z.example/b',
  'https://[::1]:8080',
  [],
  {},
  { secret: 'OTHER_KEY', header: 'x_other' },
  { 'x-c': 'd' },
]
const hostileNames = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '',
  'rotues',
  'Targets',
  'targts',
  '\ud83c\udf89',
  'a\nb',
  'x'.repeat(300),
  'x-sluice-a',
  'transfer_encoding',
]
const fragments = [
  '/',
  '..',
  '%2e',
  '%2F',
  '*',
  '{',
  '}',
  '{id}',
  '\n',
  '\u0000',
  '@',
  '?',
  '#',
  ' ',
  '\u212a',
  '_',
]

/** Letters and digits that any log scanner would take for a credential. */
const longSecret = 'q7Xk2mPz9LrT4vWs8NbY3cHd6JfG'
const shortSecret = 'hunter2q7Xk'

/** Puts a name into an object as `JSON.parse` does, so that `__proto__` is one like others. */
function put(parent: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(parent, name, { value, writable: true, enumerable: true, configurable: true })
}

/** Changes a document in one place. */
export function bendDocument(draw: Draw, holder: Record<string, unknown>): void {
  changePlace(draw, holder, draw.pick([replace, insert, remove, bendText, copy]))
}

/** Puts a secret where people put one by mistake, and gives what no problem may show then. */
export function plantSecret(draw: Draw, holder: Record<string, unknown>): readonly string[] {
  changePlace(draw, holder, plant)
  return [longSecret, shortSecret]
}

function changePlace(
  draw: Draw,
  holder: Record<string, unknown>,
  change: (draw: Draw, place: Change) => void,
): void {
  const nodes = nodesOf(holder)
  if (nodes.length === 0) return
  const { parent, name } = draw.pick(nodes)
  change(draw, { parent, name, value: parent[name] })
}

interface Change extends Node {
  readonly value: unknown
}

function replace(draw: Draw, { parent, name }: Change): void {
  const values = draw.pick([fittingValues, hostileValues])
  put(parent, name, draw.rarely(6) ? draw.text(6) : structuredClone(draw.pick(values)))
}

function insert(draw: Draw, { value }: Change): void {
  if (typeof value !== 'object' || value === null) return
  const added = structuredClone(draw.pick(hostileValues))
  if (Array.isArray(value)) value.push(added)
  else put(value as Record<string, unknown>, draw.pick(hostileNames), added)
}

function remove(_: Draw, { parent, name }: Change): void {
  if (Array.isArray(parent)) parent.splice(Number(name), 1)
  else delete parent[name]
}

function bendText(draw: Draw, { parent, name, value }: Change): void {
  if (typeof value !== 'string') return
  const at = draw.below(value.length + 1)
  put(parent, name, value.slice(0, at) + draw.pick(fragments) + value.slice(at + draw.below(3)))
}

/** The same again beside it: in a list, or under a name that is nearly the same. */
function copy(draw: Draw, { parent, name, value }: Change): void {
  const again: unknown = structuredClone(value)
  if (Array.isArray(parent)) parent.push(again)
  else put(parent, name + draw.pick(['', 's', '2', '_']), again)
}

function plant(draw: Draw, { parent, name, value }: Change): void {
  const text = draw.pick([
    longSecret,
    `sk-${longSecret}`,
    `/v1/${longSecret}`,
    `/_sluice/${longSecret}`,
    `https://x.example/${longSecret}`,
    `{${longSecret}}`,
    `/{${longSecret}}`,
    `/%61${longSecret}`,
    `sk-${shortSecret}`,
    `Bearer ${shortSecret}`,
    `Authorization: Bearer ${shortSecret}`,
    `https://user:${shortSecret}@x.example/`,
    `https://user:@${shortSecret}@x.example/`,
    `https://user:/${shortSecret}@x.example/`,
    `https://x.example/?key=${shortSecret}`,
  ])
  const object = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!object || draw.rarely(3)) {
    put(parent, name, text)
    return
  }
  const field = draw.pick(['token', 'password', 'apiKey', 'x-api-key', longSecret])
  if (field === longSecret) put(value as Record<string, unknown>, field, 1)
  else put(value as Record<string, unknown>, field, draw.rarely(2) ? shortSecret : { inner: [shortSecret] })
}
