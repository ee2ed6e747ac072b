/** The program behind `npm run deploy`, for a Node that imports TypeScript. */
import { fileURLToPath } from 'node:url'
import { regions } from '../../src/core/key/account.ts'
import { readConfiguration, secretNames } from '../start/configuration.mjs'
import { makeSecrets } from '../start/state.mjs'
import { makeFirstAccount } from './first-account.mjs'
import { environments, parseDeployOptions } from './options.mjs'
import { deploy, dryRun, listSecrets, putSecret } from './wrangler.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Nothing secret belongs in the log of a machine that others read. */
const secretsMayBeShown = !process.env['CI']

try {
  await main()
} catch (error) {
  process.stderr.write(`${/** @type {Error} */ (error).message}\n`)
  process.exitCode = 1
}

async function main() {
  const options = parseDeployOptions(process.argv.slice(2))
  if ('problem' in options) throw new Error(options.problem)
  if (!regions.some((region) => region === options.region)) {
    throw new Error(`--region is one of ${regions.join(', ')}, not "${options.region}".`)
  }
  const upstreamSecrets = secretNames(readConfiguration(root))
  if (options.dryRun) return rehearse(options, upstreamSecrets)

  const present = await listSecrets(root, options.env)
  const { made, operatorToken } = await setMissing(options.env, present)
  tellMissing(
    options.env,
    upstreamSecrets.filter((name) => !present.includes(name)),
  )
  const deployedUrl = await deploy(root, options.env)

  const wanted = options.account !== null || made.includes('SLUICE_KEY_RING')
  if (!wanted) return
  await makeFirstAccount({
    url: options.url ?? deployedUrl,
    token: operatorToken,
    mayBeShown: secretsMayBeShown,
    options,
  })
}

/**
 * All that needs no Cloudflare account.
 * @param {import('./options.mjs').DeployOptions} options
 * @param {readonly string[]} upstreamSecrets
 */
async function rehearse({ env }, upstreamSecrets) {
  console.log('sluice.config.json: usable')
  for (const name of env === '' ? environments : [env]) {
    await dryRun(root, name)
    console.log(`wrangler.toml, ${name === '' ? 'top level' : name}: builds, without a warning`)
  }
  const all = [...Object.keys(makeSecrets()), ...upstreamSecrets]
  console.log(`Secrets the Worker needs: ${all.join(', ')}`)
  console.log('Not tried: the upload, setting secrets, and making an account. They need Cloudflare.')
}

/**
 * @param {string} env
 * @param {readonly string[]} present names of secrets the Worker has
 * @returns {Promise<{ made: string[], operatorToken: string | null }>} the token, where this program knows it
 */
async function setMissing(env, present) {
  const given = process.env['SLUICE_OPERATOR_TOKEN'] || null
  const secrets = makeSecrets()
  if (given !== null) secrets.SLUICE_OPERATOR_TOKEN = given
  /** @type {string[]} */
  const made = []
  for (const [name, value] of Object.entries(secrets)) {
    if (present.includes(name)) continue
    await putSecret(root, env, name, value)
    made.push(name)
    console.log(`Made the secret ${name}.`)
  }
  const isNew = made.includes('SLUICE_OPERATOR_TOKEN') && given === null
  if (isNew) tellOperatorToken(secrets.SLUICE_OPERATOR_TOKEN)
  return { made, operatorToken: given ?? (isNew ? secrets.SLUICE_OPERATOR_TOKEN : null) }
}

/**
 * Told before anything else can fail: nobody can read it later.
 * @param {string} token
 */
function tellOperatorToken(token) {
  console.log(
    secretsMayBeShown
      ? `The operator's token, shown this once; keep it where you keep passwords:\n\n  ${token}\n`
      : "The operator's token is not shown in CI: set your own with wrangler secret put SLUICE_OPERATOR_TOKEN.",
  )
}

/**
 * @param {string} env
 * @param {readonly string[]} names
 */
function tellMissing(env, names) {
  const flag = env === '' ? '' : ` --env ${env}`
  for (const name of names) {
    console.log(`No secret ${name} yet, its upstream will refuse: npx wrangler secret put ${name}${flag}`)
  }
}
