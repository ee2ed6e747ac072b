/** A vitest reporter that writes what `npm test` counts: vitest's own JSON has no reasons of skips. */
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'

/** Environment variable with the path of the file to write. */
export const summaryVariable = 'SLUICE_TEST_SUMMARY'

/**
 * @typedef {object} Summary
 * @property {number} passed
 * @property {string[]} failed names of tests, hooks and files that failed
 * @property {{ name: string, reason: string }[]} skipped
 */

/** @implements {Pick<import('vitest/node').Reporter, 'onTestRunEnd'>} */
export default class SummaryReporter {
  /**
   * @param {readonly import('vitest/node').TestModule[]} modules
   * @param {readonly { message: string }[]} unhandled errors that belong to no test
   */
  onTestRunEnd(modules, unhandled) {
    const path = process.env[summaryVariable]
    if (path === undefined) return
    writeFileSync(path, JSON.stringify(summarise(modules, unhandled)))
  }
}

/**
 * @param {readonly import('vitest/node').TestModule[]} modules
 * @param {readonly { message: string }[]} unhandled
 * @returns {Summary}
 */
function summarise(modules, unhandled) {
  /** @type {Summary} */
  const summary = { passed: 0, failed: [], skipped: [] }
  for (const module of modules) {
    const file = relative(process.cwd(), module.moduleId)
    if (module.errors().length > 0) summary.failed.push(`${file} (the file)`)
    else if (!['passed', 'failed', 'skipped'].includes(module.state())) {
      summary.failed.push(`${file} (the file did not finish)`)
    }
    for (const suite of module.children.allSuites()) {
      if (suite.errors().length > 0) summary.failed.push(`${file} > ${suite.fullName} (its hooks)`)
    }
    for (const test of module.children.allTests()) addTest(summary, file, test)
  }
  for (const { message } of unhandled) summary.failed.push(`outside any test: ${message}`)
  return summary
}

/**
 * @param {Summary} summary
 * @param {string} file
 * @param {import('vitest/node').TestCase} test
 */
function addTest(summary, file, test) {
  const name = `${file} > ${test.fullName}`
  const result = test.result()
  if (result.state === 'passed') summary.passed += 1
  else if (result.state === 'skipped')
    summary.skipped.push({ name, reason: result.note ?? 'no reason given' })
  else summary.failed.push(result.state === 'failed' ? name : `${name} (did not finish)`)
}
