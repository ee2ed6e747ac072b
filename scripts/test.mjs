/**
 * `npm test`: everything, with one closing line `N passed, N failed[, N skipped]`. Further arguments go to vitest.
 * `SLUICE_NO_SKIP=1` counts each skip as a failure; `SSE_CORPUS` names a folder of recorded streams to replay.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installMissing, nodePath, toolEnvironment } from './install.mjs'
import { buildWhenStale } from './start/bundle.mjs'
import { summaryVariable } from './test/summary-reporter.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))
const summaryPath = join(folder, 'summary.json')

/** @type {import('./test/summary-reporter.mjs').Summary} */
const nothing = { passed: 0, failed: ['the run ended early'], skipped: [] }

/** @type {string[]} */
const before = []
let exitCode = 1
try {
  installMissing(root)
  build()
  exitCode = await runVitest(process.argv.slice(2))
} catch (error) {
  before.push(/** @type {Error} */ (error).message)
}
process.exitCode = close(readSummary(), exitCode)
rmSync(folder, { recursive: true, force: true })

/** The tests that need no bundle still run when it cannot be built. */
function build() {
  try {
    buildWhenStale(root)
  } catch (error) {
    before.push(/** @type {Error} */ (error).message)
  }
}

/**
 * @param {readonly string[]} args
 * @returns {Promise<number>} exit code
 */
function runVitest(args) {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const reporter = join(root, 'scripts', 'test', 'summary-reporter.mjs')
  const child = spawn(
    nodePath(root),
    [vitest, 'run', '--reporter=default', `--reporter=${reporter}`, ...args],
    { cwd: root, stdio: 'inherit', env: { ...toolEnvironment(root), [summaryVariable]: summaryPath } },
  )
  /** @param {NodeJS.Signals} signal */
  const forward = (signal) => child.kill(signal)
  process.on('SIGINT', forward)
  process.on('SIGTERM', forward)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

/** @returns {import('./test/summary-reporter.mjs').Summary | null} */
function readSummary() {
  try {
    return JSON.parse(readFileSync(summaryPath, 'utf8'))
  } catch {
    return null
  }
}

/**
 * Prints what did not pass and the closing line.
 * @param {import('./test/summary-reporter.mjs').Summary | null} summary
 * @param {number} code of vitest
 * @returns {number} exit code
 */
function close(summary, code) {
  const { passed, failed, skipped } = summary ?? nothing
  const failures = [...before, ...failed]
  const reasons = skipped.map(({ name, reason }) => `${name} (${reason})`)
  const noSkip = process.env['SLUICE_NO_SKIP'] === '1'
  if (noSkip) failures.push(...reasons.map((name) => `skipped, which is not allowed here: ${name}`))
  if (failures.length === 0) failures.push(...hiddenFailures(passed, code))
  for (const name of failures) console.log(`failed: ${name}`)
  if (!noSkip) for (const name of reasons) console.log(`skipped: ${name}`)
  const skippedPart = noSkip || reasons.length === 0 ? '' : `, ${reasons.length} skipped`
  console.log(`${passed} passed, ${failures.length} failed${skippedPart}`)
  return failures.length === 0 ? 0 : 1
}

/**
 * What is wrong although no test failed.
 * @param {number} passed
 * @param {number} code
 */
function hiddenFailures(passed, code) {
  if (passed === 0) return ['nothing ran']
  return code === 0 ? [] : ['vitest itself, see above']
}
