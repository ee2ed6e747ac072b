import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { root, runScript } from './run-script.ts'

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** Runs `npm test` over a project that has these tests alone. */
async function test(
  files: Readonly<Record<string, string>>,
  variables: Readonly<Record<string, string>> = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-tests-'))
  folders.push(folder)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'vitest.config.mjs'), 'export default {}')
  mkdirSync(join(folder, 'test'))
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(
      join(folder, 'test', `${name}.test.mjs`),
      `import { beforeAll, describe, it } from 'vitest'\n${text}`,
    )
  }
  const args = ['--root', folder, '--config', join(folder, 'vitest.config.mjs')]
  const { code, output } = await runScript('test.mjs', args, { SLUICE_NO_SKIP: undefined, ...variables })
    .ended
  return { code, output, last: output.trimEnd().split('\n').at(-1) }
}

const good = `it('holds', () => {})`
const bad = `it('breaks', () => { throw new Error('broken') })`
const skip = `it('needs more', (test) => test.skip('there is no more'))`

describe('npm test', { timeout: 30_000 }, () => {
  it.each([
    ['passes', { a: good }, 0, '1 passed, 0 failed'],
    ['counts over files', { a: `${good};${bad}`, b: good }, 1, '2 passed, 1 failed'],
    ['counts skips', { a: `${good};${skip}; it.todo('later')` }, 0, '1 passed, 0 failed, 2 skipped'],
    ['counts a file that does not load', { a: good, b: `import './absent.mjs'` }, 1, '1 passed, 1 failed'],
    ['counts a file without tests', { a: good, b: '' }, 1, '1 passed, 1 failed'],
    [
      'counts hooks',
      { a: `${good}; describe('x', () => { beforeAll(() => { throw new Error('no') }); ${good} })` },
      1,
      '1 passed, 1 failed, 1 skipped',
    ],
    [
      'counts errors outside tests',
      {
        a: `${good}; setTimeout(() => { throw new Error('late') }); it('waits', () => new Promise((done) => setTimeout(done, 50)))`,
      },
      1,
      '2 passed, 1 failed',
    ],
    ['fails when nothing ran', {}, 1, '0 passed, 1 failed'],
    [
      'fails when a process dies',
      { a: good, b: 'process.kill(process.pid, "SIGKILL")' },
      1,
      '1 passed, 2 failed',
    ],
  ])('%s, and ends with the one closing line', async (_name, files, code, closing) => {
    const run = await test(files)
    expect(run.last).toBe(closing)
    expect(run.code).toBe(code)
    expect(run.output.match(/^\d+ passed, \d+ failed/gm)).toHaveLength(1)
  })

  it('names each skip with its reason', async () => {
    expect((await test({ a: `${good};${skip}` })).output).toMatch(
      /^skipped: .*needs more \(there is no more\)$/m,
    )
  })

  it('takes a skip for a failure where none is allowed', async () => {
    const run = await test({ a: `${good};${skip}` }, { SLUICE_NO_SKIP: '1' })
    expect(run.last).toBe('1 passed, 1 failed')
    expect(run.code).toBe(1)
    expect(run.output).toMatch(/^failed: .*needs more \(there is no more\)$/m)
  })
})
