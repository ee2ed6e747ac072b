import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nodePath, toolEnvironment } from '../../scripts/install.mjs'
import { wranglerPath } from '../../scripts/start/bundle.mjs'
import { root } from './static-sources.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-bundle-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** @returns SHA-256 of each module of a bundle built anew */
function build(name: string): Readonly<Record<string, string>> {
  const out = join(folder, name)
  const args = [wranglerPath(root), 'deploy', '--dry-run', '--outdir', out, '--env', '']
  const { status, stdout, stderr } = spawnSync(nodePath(root), args, {
    cwd: root,
    env: toolEnvironment(root),
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${stdout}${stderr}`)
  const modules = readdirSync(out).filter((file) => file.endsWith('.js'))
  const hash = (file: string) =>
    createHash('sha256')
      .update(readFileSync(join(out, file)))
      .digest('hex')
  return Object.fromEntries(modules.map((file) => [file, hash(file)]))
}

describe('C62: the bundle', () => {
  let first: Readonly<Record<string, string>> = {}
  beforeAll(() => {
    first = build('first')
  }, 60_000)

  test('is the same to the byte when it is built again', { timeout: 60_000 }, () => {
    expect(first).toHaveProperty('index.js')
    expect(build('second')).toEqual(first)
  })

  test('names no path of the machine it was built on', () => {
    for (const file of Object.keys(first)) {
      expect(readFileSync(join(folder, 'first', file), 'utf8')).not.toContain(root)
    }
  })
})
