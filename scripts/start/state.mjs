/** What a local gateway keeps between starts: `secrets.json` and `demo.json` (mode 0600), and `state/`. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** @typedef {{ SLUICE_KEY_RING: string, SLUICE_OPERATOR_TOKEN: string }} GatewaySecrets */
/** @typedef {{ account: string, keyId: string, key: string }} Demo */

/**
 * Secrets for a gateway, at random: 256 bits each.
 * @returns {GatewaySecrets}
 */
export function makeSecrets() {
  return {
    SLUICE_KEY_RING: `a=${randomBytes(32).toString('base64url')}`,
    SLUICE_OPERATOR_TOKEN: randomBytes(32).toString('base64url'),
  }
}

/**
 * Forgets accounts, keys and secrets, and nothing else that may be in the folder.
 * @param {string} folder
 */
export function resetState(folder) {
  for (const name of ['secrets.json', 'demo.json', 'state']) {
    rmSync(join(folder, name), { recursive: true, force: true })
  }
}

/**
 * The secrets of the last start, or new ones.
 * @param {string} folder
 * @returns {GatewaySecrets}
 */
export function localSecrets(folder) {
  const kept = readJson(join(folder, 'secrets.json'))
  if (typeof kept?.['SLUICE_KEY_RING'] === 'string' && typeof kept['SLUICE_OPERATOR_TOKEN'] === 'string') {
    return { SLUICE_KEY_RING: kept['SLUICE_KEY_RING'], SLUICE_OPERATOR_TOKEN: kept['SLUICE_OPERATOR_TOKEN'] }
  }
  const secrets = makeSecrets()
  // A key is worth nothing under a ring that did not sign it.
  rmSync(join(folder, 'demo.json'), { force: true })
  writePrivate(folder, 'secrets.json', secrets)
  return secrets
}

/**
 * The demo account and key of the last start, or null.
 * @param {string} folder
 * @returns {Demo | null}
 */
export function readDemo(folder) {
  const kept = readJson(join(folder, 'demo.json'))
  if (typeof kept?.['account'] !== 'string') return null
  if (typeof kept['keyId'] !== 'string' || typeof kept['key'] !== 'string') return null
  return { account: kept['account'], keyId: kept['keyId'], key: kept['key'] }
}

/**
 * @param {string} folder
 * @param {Demo} demo
 */
export function keepDemo(folder, demo) {
  writePrivate(folder, 'demo.json', demo)
}

/**
 * @param {string} path
 * @returns {Record<string, unknown> | null} null for a file that is not there or holds no JSON object
 */
function readJson(path) {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8'))
    return typeof value === 'object' && value !== null ? value : null
  } catch {
    return null
  }
}

/**
 * @param {string} folder
 * @param {string} name
 * @param {object} value
 */
function writePrivate(folder, name, value) {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, name)
  // The mode counts for new files only.
  rmSync(path, { force: true })
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
}
