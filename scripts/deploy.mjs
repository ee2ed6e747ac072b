/** `npm run deploy`: the secrets that are missing, the Worker, and on the first deployment an account and its key. */
import { fileURLToPath } from 'node:url'
import { help, parseDeployOptions } from './deploy/options.mjs'
import { installMissing } from './install.mjs'
import { launch } from './start/launch.mjs'

const options = parseDeployOptions(process.argv.slice(2))
if ('problem' in options) {
  process.stderr.write(`${options.problem}\n`)
  process.exit(2)
}
if (options.help) {
  console.log(help)
  process.exit()
}
try {
  const root = fileURLToPath(new URL('..', import.meta.url))
  installMissing(root)
  await launch(root, new URL('./deploy/main.mjs', import.meta.url))
} catch (error) {
  process.stderr.write(`${/** @type {Error} */ (error).message}\n`)
  process.exitCode = 1
}
