import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAst } from 'vitest/node'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** A node of an ESTree, of any type. */
export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly [property: string]: unknown
}

/** A file of `src`, read and taken apart. */
export interface Source {
  /** For example `src/core/record.ts`. */
  readonly path: string
  readonly text: string
  readonly nodes: readonly SyntaxNode[]
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

function collect(value: unknown, found: SyntaxNode[]): void {
  if (Array.isArray(value)) for (const each of value) collect(each, found)
  if (!isNode(value)) return
  found.push(value)
  for (const child of Object.values(value)) collect(child, found)
}

/** All TypeScript files of `src`. */
export function readSources(): readonly Source[] {
  const names = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  return names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const text = readFileSync(join(root, 'src', name), 'utf8')
      const nodes: SyntaxNode[] = []
      collect(parseAst(text, { lang: 'ts' }), nodes)
      return { path: `src/${name.replaceAll('\\', '/')}`, text, nodes }
    })
}

/** Where a node stands, as `file:line`. */
export function placeOf({ path, text }: Source, { start }: SyntaxNode): string {
  return `${path}:${text.slice(0, start).split('\n').length}`
}
