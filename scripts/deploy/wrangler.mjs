/** Calls of wrangler. What is secret goes in by standard input and is in no argument, variable or output. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodePath, toolEnvironment } from '../install.mjs'
import { wranglerPath } from '../start/bundle.mjs'

/** @typedef {{ status: number, stdout: string, stderr: string }} Result */

/**
 * Runs wrangler to its end. `SLUICE_WRANGLER` names another program in its place.
 * @param {string} root
 * @param {readonly string[]} args
 * @param {{ input?: string, show?: boolean, variables?: Record<string, string> }} [how] `show`: its output also goes
 * to the terminal
 * @returns {Promise<Result>}
 */
function wrangler(root, args, { input = '', show = false, variables = {} } = {}) {
  const other = process.env['SLUICE_WRANGLER']
  const [program, before] = other ? [other, []] : [nodePath(root), [wranglerPath(root)]]
  // The operator's token is for the gateway, not for tools.
  const { SLUICE_OPERATOR_TOKEN: _token, ...env } = { ...toolEnvironment(root), ...variables }
  const child = spawn(program, [...before, ...args], { cwd: root, env, stdio: 'pipe' })
  const result = { status: 1, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    result.stdout += text
    if (show) process.stdout.write(text)
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    result.stderr += text
    if (show) process.stderr.write(text)
  })
  // It may end without reading.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ ...result, status: status ?? 1 }))
  })
}

/**
 * Builds the bundle and checks the configuration of one environment.
 * @param {string} root
 * @param {string} env
 * @throws {Error} when wrangler fails or warns
 */
export async function dryRun(root, env) {
  await inTemporaryFolder(async (folder) => {
    const args = ['deploy', '--dry-run', '--outdir', folder, ...of(env)]
    const { status, stdout, stderr } = await wrangler(root, args)
    if (status === 0 && !/WARNING/.test(stdout + stderr)) return
    throw new Error(`wrangler deploy --dry-run is not content:\n${stdout}${stderr}`.trimEnd())
  })
}

/**
 * Names of the secrets the Worker has.
 * @param {string} root
 * @param {string} env
 * @returns {Promise<string[]>} empty when there is no such Worker yet
 */
export async function listSecrets(root, env) {
  const { status, stdout, stderr } = await wrangler(root, ['secret', 'list', ...of(env)])
  if (status !== 0) {
    if (/Worker "[^"]*"[^\n]* not found/.test(stdout + stderr)) return []
    throw new Error(
      `wrangler secret list failed; npx wrangler login, or CLOUDFLARE_API_TOKEN, lets it in:\n${stdout}${stderr}`.trimEnd(),
    )
  }
  const list = JSON.parse(stdout.slice(stdout.indexOf('[')))
  return list.map((/** @type {{ name: string }} */ { name }) => name)
}

/**
 * Sets a secret; makes the Worker when there is none.
 * @param {string} root
 * @param {string} env
 * @param {string} name
 * @param {string} value
 */
export async function putSecret(root, env, name, value) {
  const { status, stdout, stderr } = await wrangler(root, ['secret', 'put', name, ...of(env)], {
    input: value,
  })
  if (status !== 0) throw new Error(`wrangler secret put ${name} failed:\n${stdout}${stderr}`.trimEnd())
}

/**
 * Deploys, with wrangler's output on the terminal.
 * @param {string} root
 * @param {string} env
 * @returns {Promise<string | null>} where the Worker answers; null when wrangler does not say
 */
export function deploy(root, env) {
  return inTemporaryFolder(async (folder) => {
    const report = join(folder, 'report.ndjson')
    const variables = { WRANGLER_OUTPUT_FILE_PATH: report }
    const { status } = await wrangler(root, ['deploy', ...of(env)], { show: true, variables })
    if (status !== 0) throw new Error('wrangler deploy failed, see above.')
    return addressIn(readFileSync(report, 'utf8'))
  })
}

/**
 * @template T
 * @param {(folder: string) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function inTemporaryFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-deploy-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * The first address among the targets of a deployment, as wrangler's output file lists them: a workers.dev URL, a
 * custom domain, or a route without wildcards in its host.
 * @param {string} report one JSON object a line
 */
function addressIn(report) {
  for (const line of report.split('\n').filter((text) => text !== '')) {
    const entry = JSON.parse(line)
    if (entry.type !== 'deploy') continue
    for (const target of entry.targets ?? []) {
      const host = /^(?:https:\/\/)?([a-z0-9.-]+\.[a-z]+)(?:[/ ]|$)/i.exec(target)?.[1]
      if (host !== undefined) return `https://${host}`
    }
  }
  return null
}

/** @param {string} env */
function of(env) {
  return ['--env', env]
}
