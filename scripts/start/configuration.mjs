/** `sluice.config.json` for scripts: checked by the gateway's own parser, and pointed at other origins. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseConfig } from '../../src/core/config/parse.ts'

/**
 * What the scripts read and change of a checked document.
 * @typedef {object} ConfigDocument
 * @property {Record<string, unknown>} [gateway]
 * @property {Record<string, { targets: { origin: string, secret?: { secret: string } | null }[] }>} upstreams
 */

/**
 * @typedef {object} PointedUpstream
 * @property {string} name
 * @property {string | null} url where it was sent; null for the mock
 * @property {string[]} secrets names of the secrets its targets carry
 */

/**
 * Reads and checks `sluice.config.json`.
 * @param {string} root
 * @returns {ConfigDocument}
 * @throws {Error} with every problem on a line of its own
 */
export function readConfiguration(root) {
  const name = 'sluice.config.json'
  const text = readFileSync(join(root, name), 'utf8')
  try {
    return checked(JSON.parse(text), name)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new Error(`${name} is not JSON: ${error.message}.`, { cause: error })
  }
}

/**
 * @param {unknown} document
 * @param {string} name
 * @returns {ConfigDocument}
 */
function checked(document, name) {
  const parsed = parseConfig(document)
  if (!('problems' in parsed)) return /** @type {ConfigDocument} */ (document)
  const lines = parsed.problems.map(
    ({ path, expected, found }) => `  ${path}: expected ${expected}; found ${found}`,
  )
  throw new Error([`${name} cannot be used:`, ...lines].join('\n'))
}

/**
 * Every target's origin becomes that of the mock, or of what the command line says for its upstream. The path before
 * the requests' own stays, unless the given URL has one.
 * @param {ConfigDocument} document
 * @param {string} mockUrl
 * @param {Readonly<Record<string, string>>} given URL by name of upstream; `*` stands for those not named
 * @returns {{ document: ConfigDocument, upstreams: PointedUpstream[] }}
 * @throws {Error} with a sentence when that is no usable configuration
 */
export function pointUpstreams(document, mockUrl, given) {
  const copy = structuredClone(document)
  const names = Object.keys(copy.upstreams)
  const unknown = Object.keys(given).find((name) => name !== '*' && !names.includes(name))
  if (unknown !== undefined) {
    throw new Error(`--upstream names "${unknown}"; the configuration has ${names.join(', ')}.`)
  }
  const upstreams = Object.entries(copy.upstreams).map(([name, { targets }]) => {
    const url = given[name] ?? given['*'] ?? null
    for (const target of targets) target.origin = movedOrigin(target.origin, url ?? mockUrl)
    return { name, url, secrets: secretsOf(targets) }
  })
  // Locally there is no Cloudflare to say what a client's address is.
  copy.gateway = { ...copy.gateway, clientAddress: 'none' }
  return { document: checked(copy, 'The configuration with --upstream'), upstreams }
}

/**
 * Names of the Worker secrets that a configuration's targets carry.
 * @param {ConfigDocument} document
 * @returns {string[]}
 */
export function secretNames(document) {
  return secretsOf(Object.values(document.upstreams).flatMap(({ targets }) => targets))
}

/** @param {readonly { secret?: { secret: string } | null }[]} targets */
function secretsOf(targets) {
  return [...new Set(targets.flatMap(({ secret }) => (secret ? [secret.secret] : [])))]
}

/**
 * @param {string} origin
 * @param {string} url
 */
function movedOrigin(origin, url) {
  const to = new URL(url)
  const path = to.pathname === '/' ? new URL(origin).pathname : to.pathname
  return `${to.origin}${path.replace(/\/$/, '')}`
}
