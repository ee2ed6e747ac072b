import { describe, expect, it } from 'vitest'
import page from '../../docs/security.md?raw'

const sources = import.meta.glob<string>('../**/*.test.ts', { query: '?raw', import: 'default', eager: true })

/** The cases that have to be held. */
const required =
  'C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C14 C15 C16 C17 C20 C21 C22 C23 C24 C25 C26 C27 C28 C29 ' +
  'C31 C32 C34 C35 C38 C39 C40 C41 C42 C43 C44 C45 C46 C47 C50 C51 C52 C53 C54 C55 C56 C57 C58 C59 C60 C62 C63 C64'

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
    expect(names).toEqual(expect.arrayContaining(required.split(' ')))
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
