/** The command line of `npm run deploy`. */
import { parseArgs } from 'node:util'
import { usageProblem } from '../start/options.mjs'

/** Environments of `wrangler.toml`; the empty name is the base. */
export const environments = /** @type {const} */ (['', 'staging', 'production'])

export const help = `Usage: npm run deploy -- [options]

Makes the secrets that are missing, deploys, and on the first deployment makes an account and prints its key.

  --env NAME        staging or production; without it, the Worker of wrangler.toml's top level
  --account NAME    make an account of this name also when it is not the first deployment
  --region NAME     where the account's Ledger is put, a location hint such as weur; default enam
  --url URL         where the gateway answers, if wrangler cannot say
  --dry-run         build and check everything that needs no Cloudflare account
  --help            print this

SLUICE_OPERATOR_TOKEN in the environment becomes the operator's token where none is set yet, and is the one used to make
an account. Where CI is set in the environment, nothing secret is printed and no account is made.`

/**
 * @typedef {object} DeployOptions
 * @property {string} env
 * @property {string | null} account
 * @property {string} region
 * @property {string | null} url
 * @property {boolean} dryRun
 * @property {boolean} help
 */

/**
 * @param {readonly string[]} argv without node and script
 * @returns {DeployOptions | { problem: string }} the problem is one sentence
 */
export function parseDeployOptions(argv) {
  try {
    const values = readValues(argv)
    const { env, url = null, account = null, region } = values
    if (!environments.some((name) => name === env)) {
      return { problem: `--env is staging or production, not "${env}".` }
    }
    if (url !== null && !/^https?:\/\/[^/]+\/?$/.test(url)) {
      return {
        problem: `--url is where the gateway answers, for example https://api.example.com, not "${url}".`,
      }
    }
    return { env, account, region, url, dryRun: values['dry-run'], help: values.help }
  } catch (error) {
    return { problem: usageProblem(error, 'npm run deploy') }
  }
}

/** @param {readonly string[]} argv */
function readValues(argv) {
  return parseArgs({
    args: [...argv],
    options: {
      env: { type: 'string', default: '' },
      account: { type: 'string' },
      region: { type: 'string', default: 'enam' },
      url: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values
}
