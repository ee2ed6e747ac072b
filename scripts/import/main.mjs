/** Makes the keys of a glm-proxy in a gateway. */
import { readFileSync } from 'node:fs'
import { createAccount, createKey } from '../start/admin.mjs'
import { planImport } from './plan.mjs'

const carriedOver = `What clients have to know:
- Every key is new. Clients send it as before, as Authorization: Bearer or x-api-key; as ?api_key only where the route's
  keyQuery says so.
- A model is a limit here, not an override: a request that names another one is refused, unless the route has an alias
  or an override for it.
- Five hours roll: tokens come back as they get five hours old, not all at once. Streams count.
- Windows, times of last use and totals are not carried over.`

/**
 * @param {import('./options.mjs').ImportOptions} options
 * @param {string | undefined} token the operator's
 * @throws {Error} when a file cannot be read or the gateway refuses
 */
export async function importKeys({ file, gateway, name, region, account, skip, dryRun }, token) {
  const { keys, leftOut, notes } = planImport(readJson(file), Date.now())
  for (const sentence of [...leftOut, ...notes]) say(sentence)
  const wanted = keys.slice(skip)
  if (dryRun) {
    for (const key of wanted) process.stdout.write(`${JSON.stringify({ name: key.name, ...key.wish })}\n`)
    return say(`${wanted.length} keys would be made.`)
  }
  if (wanted.length === 0) return say('There is no key to make, so no account is made.')
  if (!token) throw new Error('The operator’s token is missing: put it in SLUICE_OPERATOR_TOKEN.')
  const admin = { url: new URL(gateway), token }
  const id = account ?? (await createAccount(admin, { name, region }))
  say(`Account ${id} at ${admin.url.origin}. The new keys, shown this once:`)
  await makeKeys(admin, { account: id, keys: wanted, skip })
  say(carriedOver)
}

/**
 * @param {import('../start/admin.mjs').Admin} admin
 * @param {{ account: string, keys: readonly import('./plan.mjs').PlannedKey[], skip: number }} work
 */
async function makeKeys(admin, { account, keys, skip }) {
  for (const [at, { old, name, wish }] of keys.entries()) {
    try {
      const { key } = await createKey(admin, account, name, wish)
      process.stdout.write(`${name}\t${old}\t${key}\n`)
    } catch (error) {
      const done = skip + at
      const how = `To go on: the same again with --account ${account} --skip ${done}.`
      throw new Error(`${/** @type {Error} */ (error).message}\n${done} keys are made. ${how}`, {
        cause: error,
      })
    }
  }
}

/** @param {string} file */
function readJson(file) {
  const text = readFileSync(file, 'utf8')
  try {
    return /** @type {unknown} */ (JSON.parse(text))
  } catch {
    throw new Error(`${file} holds no JSON.`)
  }
}

/** @param {string} sentence */
function say(sentence) {
  process.stderr.write(`${sentence}\n`)
}
