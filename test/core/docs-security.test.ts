import { describe, expect, it } from 'vitest'
import page from '../../docs/security.md?raw'

const sources = import.meta.glob<string>('../**/*.test.ts', { query: '?raw', import: 'default', eager: true })

/** The cases that have to be held. */
const required = [
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29],
  ...[34, 35, 55, 56, 59, 60, 62, 63, 64],
]

interface Row {
  readonly name: string
  readonly tests: readonly (readonly [file: string, title: string])[]
}

const rows: readonly Row[] = page
  .split('\n')
  .filter((line) => /^\| C\d+ /.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, name = '', , , tests = '']) => ({ name, tests: tests.split('<br>').map(testOf) }))
  .filter(({ tests }) => tests.some(([file]) => file !== ''))

/** `` `test/wire/x.test.ts` the title as it stands there `` */
function testOf(text: string): readonly [file: string, title: string] {
  const [, file = '', title = ''] = /^`(test\/[^`]+)` (.+)$/.exec(text) ?? []
  return [file, title]
}

describe('the page on security', () => {
  it('has a line for every case, once', () => {
    const names = rows.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(required.map((number) => `C${number}`)))
    expect(new Set(names).size).toBe(names.length)
  })

  it.each(rows.flatMap(({ name, tests }) => tests.map(([file, title]) => ({ name, file, title }))))(
    'names for $name a test that is there: $title',
    ({ file, title }) => {
      const source = sources[file.replace('test/core/', './').replace('test/', '../')]
      expect(source, file).toBeDefined()
      expect(title.length).toBeGreaterThan(6)
      expect(source?.replaceAll("\\'", "'")).toContain(title)
    },
  )
})
