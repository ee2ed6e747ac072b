/** The command line of `import-apikeys.mjs`. */
import { parseArgs } from 'node:util'
import { usageProblem } from '../start/options.mjs'

export const help = `Usage: node scripts/import-apikeys.mjs FILE --gateway URL [options]

Makes an account with the keys in the apikeys.json of a glm-proxy: a new key for each, with its name, model, expiry and
token limit per five hours. The new keys go to standard output, once.

  --gateway URL    where the gateway answers
  --name NAME      of the account to be made; default glm-proxy
  --region NAME    where the account's Ledger is put, a location hint such as weur; default enam
  --account ID     put the keys into this account, and make none
  --skip N         leave the first N keys out: those that an import that broke off has made
  --dry-run        say what would be made, and make nothing
  --help           print this

The operator's token is read from SLUICE_OPERATOR_TOKEN in the environment.`

/**
 * @typedef {object} ImportOptions
 * @property {string} file
 * @property {string} gateway
 * @property {string} name
 * @property {string} region
 * @property {string | null} account
 * @property {number} skip
 * @property {boolean} dryRun
 * @property {boolean} help
 */

/**
 * @param {readonly string[]} argv without node and script
 * @returns {ImportOptions | { problem: string }} the problem is one sentence
 */
export function parseImportOptions(argv) {
  try {
    const { values, positionals } = readArguments(argv)
    const { gateway = '', name, region, account = null, help: wantsHelp } = values
    const [file = ''] = positionals
    const dryRun = values['dry-run']
    const skip = Number(values.skip)
    const options = { file, gateway, name, region, account, skip, dryRun, help: wantsHelp }
    if (wantsHelp) return options
    if (positionals.length !== 1) return { problem: 'Name one file: the apikeys.json of a glm-proxy.' }
    if (!Number.isInteger(skip) || skip < 0)
      return { problem: `--skip is a number of keys, not "${values.skip}".` }
    if (!dryRun && !/^https?:\/\/[^/]+\/?$/.test(gateway)) {
      return {
        problem: `--gateway is where it answers, for example https://api.example.com, not "${gateway}".`,
      }
    }
    return options
  } catch (error) {
    return { problem: usageProblem(error, 'node scripts/import-apikeys.mjs') }
  }
}

/** @param {readonly string[]} argv */
function readArguments(argv) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      gateway: { type: 'string' },
      name: { type: 'string', default: 'glm-proxy' },
      region: { type: 'string', default: 'enam' },
      account: { type: 'string' },
      skip: { type: 'string', default: '0' },
      'dry-run': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
}
