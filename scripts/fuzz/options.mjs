/** The command line of `npm run fuzz`. */
import { parseArgs } from 'node:util'
import { usageProblem } from '../start/options.mjs'

const targetNames = /** @type {const} */ (['path', 'headers', 'config', 'key', 'event-stream'])

export const help = `Usage: npm run fuzz -- [TARGET...] [options]

Makes hostile inputs for the pure parsers and checks what has to hold for each. An input for which it does not is
shrunk and kept in test/fuzz/crashes, from where the ordinary tests replay it.

TARGET is one of ${targetNames.join(', ')}; without any, all of them in turn.

  --runs N       inputs for each target, default 100000
  --seconds S    time for each target at most; none by default, with --guided 120
  --seed X       seed of the random choices, to repeat a run; without it, a new one
  --guided       keeps inputs that reach new code and changes them further, until the time is up
  --keep         with --guided: keeps the smallest inputs that reach all code in test/fuzz/corpus
  --help         print this`

/**
 * @typedef {object} FuzzOptions
 * @property {readonly string[]} targets
 * @property {number} runs
 * @property {number | null} seconds
 * @property {number | null} seed
 * @property {boolean} guided
 * @property {boolean} keep
 * @property {boolean} help
 */

/**
 * @param {readonly string[]} argv without node and script
 * @returns {FuzzOptions | { problem: string }} the problem is one sentence
 */
export function parseFuzzOptions(argv) {
  try {
    const { values, positionals } = readValues(argv)
    const unknown = positionals.find((name) => !targetNames.some((known) => known === name))
    if (unknown !== undefined) {
      throw new Error(`There is no target "${unknown}": name some of ${targetNames.join(', ')}.`)
    }
    return {
      targets: positionals.length === 0 ? targetNames : positionals,
      runs: readNumber('runs', values.runs),
      seconds: values.seconds === undefined ? null : readNumber('seconds', values.seconds),
      seed: values.seed === undefined ? null : readNumber('seed', values.seed),
      guided: values.guided,
      keep: values.keep,
      help: values.help,
    }
  } catch (error) {
    return { problem: /** @type {Error} */ (error).message }
  }
}

/** @param {readonly string[]} argv */
function readValues(argv) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        runs: { type: 'string', default: '100000' },
        seconds: { type: 'string' },
        seed: { type: 'string' },
        guided: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new Error(usageProblem(error, 'npm run fuzz'), { cause: error })
  }
}

/**
 * @param {string} name
 * @param {string} text
 */
function readNumber(name, text) {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (number > 0) return number
  throw new Error(`--${name} takes a whole number from 1 to 999999999, not "${text}".`)
}
