/** The command line of `npm start`. */
import { parseArgs } from 'node:util'

export const help = `Usage: npm start -- [options]

Runs the gateway on this machine, with a mock of the upstreams beside it.

  --port N               port of the gateway, default 8787; 0 takes any free one
  --upstream URL         put the gateway in front of a real API: all upstreams go there
  --upstream NAME=URL    only the upstream of that name; may be given several times.
                         A path in URL takes the place of the base path
  --state FOLDER         where local state is kept, default .sluice
  --reset                forget local state first: accounts, keys, secrets
  --help                 print this`

/**
 * @typedef {object} StartOptions
 * @property {number} port
 * @property {Readonly<Record<string, string>>} upstreams URL by name of upstream; `*` stands for all others
 * @property {string} state folder
 * @property {boolean} reset
 * @property {boolean} help
 */

/**
 * @param {readonly string[]} argv without node and script
 * @returns {StartOptions | { problem: string }} the problem is one sentence
 */
export function parseStartOptions(argv) {
  try {
    const { port, upstream, state, reset, help: wanted } = readValues(argv)
    return { port: readPort(port), upstreams: readUpstreams(upstream), state, reset, help: wanted }
  } catch (error) {
    return { problem: /** @type {Error} */ (error).message }
  }
}

/** @param {readonly string[]} argv */
function readValues(argv) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        port: { type: 'string', default: '8787' },
        upstream: { type: 'string', multiple: true, default: [] },
        state: { type: 'string', default: '.sluice' },
        reset: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new Error(usageProblem(error, 'npm start'), { cause: error })
  }
}

/**
 * What `parseArgs` says of an argument, as one sentence.
 * @param {unknown} error
 * @param {string} command
 */
export function usageProblem(error, command) {
  const [sentence = ''] = /** @type {Error} */ (error).message.split(/\. |\n/)
  return `${sentence.replace(/\.$/, '')}: see ${command} -- --help.`
}

/** @param {string} text */
function readPort(text) {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN
  if (port >= 0 && port <= 65_535) return port
  throw new Error(`--port takes a whole number from 0 to 65535, not "${text}".`)
}

/** @param {readonly string[]} texts */
function readUpstreams(texts) {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name = '*', url = ''] = /^(?:([\w-]+)=)?(.*)$/s.exec(text) ?? []
      if (isHttpUrl(url)) return [name, url]
      throw new Error(`--upstream takes an http or https URL, or NAME=URL, not "${text}".`)
    }),
  )
}

/** @param {string} text */
function isHttpUrl(text) {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.search === '' && url.hash === ''
}
