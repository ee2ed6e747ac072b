/** What the targets of a local gateway present to their upstreams. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'

/** What the mock is shown where a real credential would stand. */
const placeholder = 'local-mock-credential'

/**
 * Reads the secrets that targets carry from the environment, then from `.dev.vars`.
 * @param {string} root
 * @param {readonly import('./configuration.mjs').PointedUpstream[]} upstreams
 * @returns {{ secrets: Record<string, string>, missing: { name: string, upstream: string }[] }} `missing`: a real
 * upstream will be called without its credential
 */
export function upstreamSecrets(root, upstreams) {
  const fromFile = readDevVars(join(root, '.dev.vars'))
  /** @type {Record<string, string>} */
  const secrets = {}
  const missing = []
  for (const { name: upstream, url, secrets: names } of upstreams) {
    for (const name of names) {
      const value = process.env[name] || fromFile[name] || (url === null ? placeholder : undefined)
      if (value === undefined) missing.push({ name, upstream })
      else secrets[name] = value
    }
  }
  return { secrets, missing }
}

/**
 * @param {string} path
 * @returns {NodeJS.Dict<string>}
 */
function readDevVars(path) {
  try {
    return parseEnv(readFileSync(path, 'utf8'))
  } catch {
    return {}
  }
}
