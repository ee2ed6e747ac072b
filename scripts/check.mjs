/**
 * `npm run check`: format, lint, types, dead code, tests, in this order; stops at the first that fails.
 * `--all` goes on after a failure, `--no-tests` leaves the tests out.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installMissing, nodePath, toolEnvironment } from './install.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const linted = ['src', 'test', 'bench', 'scripts', 'vitest.config.ts']

/** Programs are files of `node_modules`, run by the Node that runs TypeScript. */
const steps = [
  { name: 'format', run: ['oxfmt/bin/oxfmt', '--check'] },
  { name: 'lint', run: ['oxlint/bin/oxlint', '--deny-warnings', ...linted] },
  { name: 'types', run: ['typescript/bin/tsc', '-p', 'tsconfig.json'] },
  { name: 'types of Node programs', run: ['typescript/bin/tsc', '-p', 'tsconfig.node.json'] },
  { name: 'dead code', run: ['knip/bin/knip.js'] },
  { name: 'tests', run: ['../scripts/test.mjs'] },
]

const options = new Set(process.argv.slice(2))
const unknown = [...options].filter((option) => option !== '--all' && option !== '--no-tests')
if (unknown.length > 0) {
  process.stderr.write(`npm run check takes --all and --no-tests, not ${unknown.join(' ')}.\n`)
  process.exit(2)
}

try {
  installMissing(root)
  process.exitCode = runSteps() ? 0 : 1
} catch (error) {
  process.stderr.write(`${/** @type {Error} */ (error).message}\n`)
  process.exitCode = 1
}

/** @returns {boolean} whether all that ran passed */
function runSteps() {
  let passed = true
  for (const step of steps) {
    if (step.name === 'tests' && options.has('--no-tests')) continue
    if (!passed && !options.has('--all')) break
    if (!runStep(step)) passed = false
  }
  return passed
}

/** @param {{ name: string, run: readonly string[] }} step */
function runStep({ name, run: [program = '', ...args] }) {
  const startedMs = performance.now()
  process.stdout.write(`\n${name}\n`)
  const { status } = spawnSync(nodePath(root), [join(root, 'node_modules', program), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: toolEnvironment(root),
  })
  // The closing line of the tests stays the last one.
  if (name === 'tests') return status === 0
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  process.stdout.write(`${name}: ${status === 0 ? 'passed' : 'FAILED'} in ${seconds} s\n`)
  return status === 0
}
