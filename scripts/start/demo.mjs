/** The demo account of a local gateway. */
import { createAccount, createKey, keyIsActive } from './admin.mjs'
import { keepDemo, readDemo } from './state.mjs'

/**
 * The key of the last start where it still lets in, else that of a new account, made as everyone's is.
 * @param {string} folder
 * @param {URL} url of the gateway
 * @param {string} token the operator's
 * @returns {Promise<string>}
 */
export async function demoKey(folder, url, token) {
  const admin = { url, token }
  const kept = readDemo(folder)
  if (kept !== null && (await keyIsActive(admin, kept))) return kept.key
  const demo = await createKey(admin, await createAccount(admin, { name: 'demo', region: 'weur' }), 'demo')
  keepDemo(folder, demo)
  return demo.key
}
