/** `npm run fuzz -- [TARGET...] [options]`: hostile inputs for the pure parsers; see docs/fuzzing.md. */
import { fileURLToPath } from 'node:url'
import { help, parseFuzzOptions } from './fuzz/options.mjs'
import { installMissing } from './install.mjs'
import { launch } from './start/launch.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

const options = parseFuzzOptions(process.argv.slice(2))
if ('problem' in options) {
  process.stderr.write(`${options.problem}\n`)
  process.exit(2)
}
if (options.help) {
  console.log(help)
  process.exit()
}
try {
  installMissing(root)
  await launch(root, new URL('./fuzz/main.mjs', import.meta.url))
} catch (error) {
  process.stderr.write(`${/** @type {Error} */ (error).message}\n`)
  process.exitCode = 1
}
