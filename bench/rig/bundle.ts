import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { buildWhenStale } from '../../scripts/start/bundle.mjs'

/** The Worker as it would be deployed. */
export interface Bundle {
  readonly path: string
  /** SHA-256 of the file, lower-case hex: what a published figure was measured on. */
  readonly sha256: string
  readonly bytes: number
  /** Size after gzip at its highest level. */
  readonly gzipBytes: number
}

export const projectFolder: string = fileURLToPath(new URL('../../', import.meta.url))

const lockPath = join(projectFolder, '.wrangler', 'rig-build.lock')
const lockTimeMs = 60_000

/**
 * The project's bundle in dist/; built first when it is missing or older than what it is made of.
 * @throws {Error} with the build's own words when it fails
 */
export async function currentBundle(): Promise<Bundle> {
  // Test files that run side by side must not build into one folder at once.
  mkdirSync(dirname(lockPath), { recursive: true })
  while (!tryLock()) await wait(50)
  try {
    buildWhenStale(projectFolder)
  } finally {
    rmSync(lockPath, { recursive: true, force: true })
  }
  return describeBundle(join(projectFolder, 'dist', 'index.js'))
}

/** Size and hash of a built Worker. */
export function describeBundle(path: string): Bundle {
  const bytes = readFileSync(path)
  return {
    path,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
    gzipBytes: gzipSync(bytes, { level: 9 }).length,
  }
}

function tryLock(): boolean {
  const lockedMs = statSync(lockPath, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
  if (Date.now() - lockedMs > lockTimeMs) rmSync(lockPath, { recursive: true, force: true })
  try {
    mkdirSync(lockPath)
    return true
  } catch {
    return false
  }
}
