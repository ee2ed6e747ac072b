/** The first account of a gateway that has just been deployed. */
import { AdminError, createAccount, createKey } from '../start/admin.mjs'

/** A new Worker, its secrets and its host name take a while to be everywhere. */
const patienceMs = 60_000
const pauseMs = 1000

/**
 * Makes an account and prints its key, once.
 * @param {object} facts
 * @param {string | null} facts.url where the gateway answers
 * @param {string | null} facts.token the operator's
 * @param {boolean} facts.mayBeShown
 * @param {import('./options.mjs').DeployOptions} facts.options
 * @throws {Error} when the gateway does not make one
 */
export async function makeFirstAccount({ url, token, mayBeShown, options }) {
  const later = `npm run deploy -- ${options.env === '' ? '' : `--env ${options.env} `}--account NAME`
  if (!mayBeShown) return console.log(`No account is made in CI; make one from your machine: ${later}`)
  if (url === null) {
    return console.log(
      'The Worker has no address yet, so no account was made. Give it a route or a domain in wrangler.toml, then: ' +
        `${later} --url https://…`,
    )
  }
  if (token === null) {
    const sentence = `An account takes the operator's token: put it in SLUICE_OPERATOR_TOKEN, then ${later}.`
    if (options.account !== null) throw new Error(sentence)
    return console.log(sentence)
  }
  const admin = { url: new URL(url), token }
  const { account: name, region } = options
  const account = await patiently(() => createAccount(admin, { name: name ?? 'first', region }))
  const made = await patiently(() => createKey(admin, account, 'first'))
  console.log(
    `Account ${account} at ${url}\nIts key, shown this once:\n\n  ${made.key}\n\nTry it: curl ${url}/health`,
  )
}

/**
 * @template T
 * @param {() => Promise<T>} attempt
 * @returns {Promise<T>}
 */
async function patiently(attempt) {
  const untilMs = Date.now() + patienceMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!mayPass(error) || Date.now() > untilMs) throw error
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
}

/**
 * Whether time may mend it: nothing answers, the Worker before this one, or one without its secrets yet.
 * @param {unknown} error
 */
function mayPass(error) {
  return error instanceof AdminError && (error.status === 0 || error.status === 404 || error.status >= 500)
}
