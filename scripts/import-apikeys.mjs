/** `node scripts/import-apikeys.mjs FILE --gateway URL`: makes the keys of a glm-proxy here; see docs/limits.md. */
import { importKeys } from './import/main.mjs'
import { help, parseImportOptions } from './import/options.mjs'

const options = parseImportOptions(process.argv.slice(2))
if ('problem' in options) {
  process.stderr.write(`${options.problem}\n`)
  process.exit(2)
}
if (options.help) {
  process.stdout.write(`${help}\n`)
  process.exit()
}
try {
  await importKeys(options, process.env['SLUICE_OPERATOR_TOKEN'])
} catch (error) {
  process.stderr.write(`${/** @type {Error} */ (error).message}\n`)
  process.exitCode = 1
}
