import { expect, it } from 'vitest'
import page from '../../docs/records.md?raw'

const { default: endings } = await import('../../src/core/stream/ending.ts?raw')
const { default: ports } = await import('../../src/ports.ts?raw')
const { default: record } = await import('../../src/core/record.ts?raw')

/** First cells of the table under this head, code marks taken off. */
function namesInTable(head: RegExp): readonly string[] {
  const [table = ''] = page.slice(page.search(head)).replace(/^.*\n/, '').split('\n\n')
  return [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name)
}

const fields = [...record.matchAll(/^ {2}readonly (\w+):/gm)].map(([, name = '']) => name)

it('the page on records lists every field in its order, and no other', () => {
  expect(fields).toContain('ending')
  expect(namesInTable(/^\| field /m)).toEqual(fields)
})

it('the record that the page shows has exactly these fields', () => {
  const example = /```json\n(.*?)```/s.exec(page)?.[1] ?? ''
  expect(Object.keys(JSON.parse(example) as object)).toEqual(fields)
})

it('the page on records lists every ending', () => {
  const known = [...endings.matchAll(/^ {2}\| '(\w+)'/gm)].map(([, name = '']) => name)
  expect(known).toContain('complete')
  expect(namesInTable(/^\| `ending` +\| meaning/m)).toEqual(known)
})

it('the page on records names every operation that can be waited for', () => {
  const operations = [...(/type Operation = (.*)/.exec(ports)?.[1] ?? '').matchAll(/'(\w+)'/g)]
  const row = page.split('\n').find((line) => line.startsWith('| `waits`')) ?? ''
  expect(operations.length).toBeGreaterThan(0)
  for (const [, name = ''] of operations) expect(row).toContain(`\`${name}\``)
})

it('the page on records lists every member of usage, and its example has them', async () => {
  const { default: usage } = await import('../../src/core/llm/usage.ts?raw')
  const [declared = ''] = /interface Usage \{[^]*?^\}/m.exec(usage) ?? []
  const members = [...declared.matchAll(/^ {2}readonly (\w+):/gm)].map(([, name = '']) => name)
  expect(members).toContain('inputTokens')
  expect(namesInTable(/^\| `usage` +\| meaning/m)).toEqual(members)
  const example = JSON.parse(/```json\n(.*?)```/s.exec(page)?.[1] ?? '') as { usage: object }
  expect(Object.keys(example.usage)).toEqual(members)
})
