import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { targets } from '../fuzz/targets.ts'

const folder = new URL('../fuzz/', import.meta.url)

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, folder), 'utf8'))
}

function crashesOf(target: string): readonly string[] {
  const names = readdirSync(new URL('crashes/', folder), { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.startsWith(`${target}/`) && name.endsWith('.json'))
}

describe.each(targets)('$name', (target) => {
  const crashes = crashesOf(target.name)

  test.runIf(crashes.length > 0).each(crashes)('holds for what once failed: %s', (name) => {
    const { input } = readJson(`crashes/${name}`) as { readonly input: unknown }
    expect(() => target.check(input)).not.toThrow()
  })

  test('holds for the inputs that reach the most code', { timeout: 30_000 }, () => {
    const corpus = readJson(`corpus/${target.name}.json`) as readonly string[]
    expect(corpus.length).toBeGreaterThan(10)
    for (const text of corpus) {
      const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
      expect(() => target.check(target.inputOf(bytes)), text).not.toThrow()
    }
  })
})

test('every kept failure belongs to a target', () => {
  const known = targets.map(({ name }) => name)
  for (const name of readdirSync(new URL('crashes/', folder))) expect(known).toContain(name)
})
