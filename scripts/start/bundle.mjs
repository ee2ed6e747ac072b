/** The bundle in `dist/`, made by wrangler as a deployment makes it. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { nodePath, toolEnvironment } from '../install.mjs'

/** What the bundle is made of. */
const sources = ['src', 'wrangler.toml', 'sluice.config.json', 'package-lock.json']

/**
 * Makes `dist/` again when something it is made of is newer.
 * @param {string} root
 * @returns {'fresh' | 'built'}
 * @throws {Error} with wrangler's output when it cannot be built
 */
export function buildWhenStale(root) {
  const entry = join(root, 'dist', 'index.js')
  const builtAtMs = existsSync(entry) ? statSync(entry).mtimeMs : 0
  if (sources.every((name) => newestMs(join(root, name)) < builtAtMs)) return 'fresh'
  const { status, stdout, stderr } = spawnSync(
    nodePath(root),
    [wranglerPath(root), 'deploy', '--dry-run', '--outdir', 'dist', '--env', ''],
    { cwd: root, env: toolEnvironment(root), encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`The Worker cannot be built.\n${stdout}${stderr}`.trimEnd())
  return 'built'
}

/** @typedef {{ type: 'ESModule' | 'Text' | 'Data' | 'CompiledWasm', path: string, contents: string | Uint8Array<ArrayBuffer> }} BundledModule */

/**
 * The modules of the bundle, the entry first.
 * @param {string} folder
 * @returns {BundledModule[]}
 */
export function readBundle(folder) {
  const names = readdirSync(folder).filter((name) => moduleType(name) !== null)
  const ordered = ['index.js', ...names.filter((name) => name !== 'index.js')]
  return ordered.map((name) => {
    const path = join(folder, name)
    const type = moduleType(name) ?? 'Data'
    const contents = type === 'ESModule' || type === 'Text' ? readFileSync(path, 'utf8') : bytesOf(path)
    return { type, path, contents }
  })
}

/**
 * Where wrangler's program is; it wants the Node of `nodePath`, so it is not called by its name.
 * @param {string} root
 */
export function wranglerPath(root) {
  return join(root, 'node_modules', 'wrangler', 'bin', 'wrangler.js')
}

/**
 * The kinds of module wrangler puts beside a bundle (its default rules); null for what is no module.
 * @param {string} name
 * @returns {BundledModule['type'] | null}
 */
function moduleType(name) {
  if (name === 'README.md') return null
  switch (extname(name)) {
    case '.js':
    case '.mjs':
      return 'ESModule'
    case '.txt':
    case '.html':
    case '.sql':
      return 'Text'
    case '.bin':
      return 'Data'
    case '.wasm':
      return 'CompiledWasm'
    default:
      return null
  }
}

/** @param {string} path */
function bytesOf(path) {
  return new Uint8Array(readFileSync(path))
}

/**
 * The newest change of a file, or of a folder and all in it; a deleted file shows in its folder.
 * @param {string} path
 * @returns {number} milliseconds; `Infinity` when it is not there
 */
function newestMs(path) {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return Infinity
  if (!stats.isDirectory()) return stats.mtimeMs
  return readdirSync(path).reduce(
    (newest, name) => Math.max(newest, newestMs(join(path, name))),
    stats.mtimeMs,
  )
}
