/** `npm start`: the gateway on this machine with a mock of the upstreams beside it. */
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { installMissing } from './install.mjs'
import { launch } from './start/launch.mjs'
import { help, parseStartOptions } from './start/options.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

const options = parseStartOptions(process.argv.slice(2))
if ('problem' in options) fail(options.problem, 2)
if (options.help) {
  console.log(help)
  process.exit()
}
if (!(await portIsFree(options.port))) {
  fail(
    `Port ${options.port} is taken: stop what runs there, or choose another with npm start -- --port N.`,
    1,
  )
}
try {
  installMissing(root)
  await launch(root, new URL('./start/main.mjs', import.meta.url))
} catch (error) {
  fail(/** @type {Error} */ (error).message, 1)
}

/**
 * @param {string} sentence
 * @param {number} code
 * @returns {never}
 */
function fail(sentence, code) {
  process.stderr.write(`${sentence}\n`)
  process.exit(code)
}

/** @param {number} port 0 is always free */
function portIsFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
