/** `node scripts/conformance.mjs`: the public suite for HTTP caches; the program itself is bench/conformance/main.ts. */
import { fileURLToPath } from 'node:url'
import { installMissing } from './install.mjs'
import { launch } from './start/launch.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

try {
  installMissing(root)
  await launch(root, new URL('../bench/conformance/main.ts', import.meta.url))
} catch (error) {
  process.stderr.write(`${/** @type {Error} */ (error).message}\n`)
  process.exitCode = 1
}
