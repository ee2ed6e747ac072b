/** What the other scripts need before they can run: the locked npm packages and a Node that runs TypeScript. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The first Node whose `node file.ts` needs no flag. */
const nodeNeeded = /** @type {const} */ ([22, 18])

/**
 * Installs the locked packages when the ones in `node_modules` are missing or are others. A second call does nothing.
 * @param {string} root folder that holds `package-lock.json`
 * @throws {Error} with one sentence when `npm ci` fails
 */
export function installMissing(root) {
  if (packagesMatchLock(root) && nodeIsThere(root)) return
  process.stderr.write('Installing npm packages (first run, or the lockfile has changed)\n')
  const windows = process.platform === 'win32'
  const { status } = spawnSync('npm', ['ci'], {
    cwd: root,
    // Standard output belongs to the script that asked.
    stdio: ['ignore', 2, 2],
    shell: windows,
    env: { ...process.env, PATH: pathWithout(process.env['PATH'] ?? '', binFolder(root)) },
  })
  if (status !== 0) throw new Error('npm ci failed, see above: nothing was started.')
  if (!nodeIsThere(root)) {
    throw new Error(
      'npm did not run the install script of the package `node`. Run `npm rebuild node --ignore-scripts=false`, ' +
        `or use Node ${nodeNeeded.join('.')} or later.`,
    )
  }
}

/**
 * True when `node_modules` holds what the lockfile asks for, by npm's own record of what it put there.
 * @param {string} root
 */
export function packagesMatchLock(root) {
  const wanted = readPackages(join(root, 'package-lock.json'))
  const found = readPackages(join(root, 'node_modules', '.package-lock.json'))
  if (wanted === null || found === null) return false
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true
    const installed = found[path]
    // Packages of other platforms are in the lockfile and not on the disk.
    if (installed === undefined) return entry.optional === true
    return installed.version === entry.version && installed.integrity === entry.integrity
  })
}

/**
 * The Node to run TypeScript with: this one where it is new enough, else the one among the packages.
 * @param {string} root
 */
export function nodePath(root) {
  if (hostIsNewEnough()) return process.execPath
  return join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
}

/** True when the running Node can import TypeScript. */
export function hostIsNewEnough() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return major > nodeNeeded[0] || (major === nodeNeeded[0] && minor >= nodeNeeded[1])
}

/**
 * The environment for the tools among the packages: they find the right Node and each other, and stay offline.
 * @param {string} root
 * @returns {NodeJS.ProcessEnv}
 */
export function toolEnvironment(root) {
  return {
    ...process.env,
    PATH: `${binFolder(root)}${delimiter}${process.env['PATH'] ?? ''}`,
    ...offline,
  }
}

/** Keeps wrangler and Miniflare from asking the network for anything of their own. */
export const offline = {
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  DO_NOT_TRACK: '1',
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_WRITE_LOGS: 'false',
}

/**
 * @param {string} path
 * @returns {Record<string, { version?: string, integrity?: string, optional?: boolean }> | null}
 */
function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? null
  } catch {
    return null
  }
}

/** @param {string} root */
function nodeIsThere(root) {
  return existsSync(nodePath(root))
}

/** @param {string} root */
function binFolder(root) {
  return join(root, 'node_modules', '.bin')
}

/**
 * `npm ci` deletes `node_modules`, so npm must not run on a Node that lives there.
 * @param {string} path
 * @param {string} folder
 */
function pathWithout(path, folder) {
  return path
    .split(delimiter)
    .filter((entry) => entry !== folder)
    .join(delimiter)
}
