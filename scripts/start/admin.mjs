/** A client of the admin API, as much of it as the scripts use. */

/** An answer that is not what was asked for; `status` 0 when there was none. */
export class AdminError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message)
    this.name = 'AdminError'
    this.status = status
  }
}

/**
 * @typedef {object} Admin
 * @property {URL} url of the gateway
 * @property {string} token the operator's
 */

/**
 * Makes an account.
 * @param {Admin} admin
 * @param {{ name: string, region: string }} account
 * @returns {Promise<string>} its id
 * @throws {AdminError}
 */
export async function createAccount(admin, account) {
  return textIn(await ask(admin, 'POST', 'accounts', account), 'id')
}

/**
 * Makes a key.
 * @param {Admin} admin
 * @param {string} account
 * @param {string} name
 * @param {object} [wish] what else is said of it: its scopes, models, limits, expiry
 * @returns {Promise<{ account: string, keyId: string, key: string }>} the gateway shows the key this once
 * @throws {AdminError}
 */
export async function createKey(admin, account, name, wish = {}) {
  const issued = await ask(admin, 'POST', `accounts/${account}/keys`, { ...wish, name })
  return { account, keyId: textIn(issued, 'id'), key: textIn(issued, 'key') }
}

/**
 * Whether the gateway knows a key and lets it in.
 * @param {Admin} admin
 * @param {{ account: string, keyId: string }} key
 * @throws {AdminError} unless the answer is yes or no
 */
export async function keyIsActive(admin, { account, keyId }) {
  try {
    const key = await ask(admin, 'GET', `accounts/${account}/keys/${keyId}`)
    return textIn(key, 'state') === 'active'
  } catch (error) {
    if (error instanceof AdminError && error.status >= 400 && error.status < 500) return false
    throw error
  }
}

/**
 * @param {Admin} admin
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<unknown>}
 */
async function ask({ url, token }, method, path, body) {
  const what = `${method} ${new URL(`/_sluice/v1/${path}`, url).href}`
  const res = await fetch(new URL(`/_sluice/v1/${path}`, url), {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
    redirect: 'manual',
    signal: AbortSignal.timeout(15_000),
  }).catch((/** @type {Error} */ error) => {
    throw new AdminError(0, `${what}: ${error.message}.`)
  })
  const text = await res.text()
  if (!res.ok) throw new AdminError(res.status, `${what} answered ${res.status}: ${text.slice(0, 500)}`)
  return JSON.parse(text)
}

/**
 * @param {unknown} value
 * @param {string} name
 */
function textIn(value, name) {
  const text = /** @type {Record<string, unknown> | null} */ (value)?.[name]
  if (typeof text !== 'string') throw new AdminError(0, `The admin API's answer has no "${name}".`)
  return text
}
