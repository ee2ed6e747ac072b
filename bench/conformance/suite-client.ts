/** `node suite-client.ts FOLDER BASE`: runs the suite's own client against a proxy; prints its results as JSON. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { RawResult } from './suite.ts'

interface Runner {
  runTests(groups: unknown, fetch: unknown, browser: boolean, base: string, chunk: number): Promise<void>
  getResults(): Readonly<Record<string, RawResult>>
}

const testsAtOnce = 25
const [folder = '', base = ''] = process.argv.slice(2)
const load = (path: string): Promise<unknown> => import(pathToFileURL(join(folder, path)).href)

/** The client that the suite was written for, where it came with it. */
function suiteFetch(): unknown {
  try {
    return createRequire(join(folder, 'cli.mjs'))('node-fetch')
  } catch {
    return globalThis.fetch
  }
}

// What the suite itself has to say goes to standard error: standard output is for the results.
console.log = console.error
const runner = (await load('client/runner.mjs')) as Runner
const { default: groups } = (await load('tests/index.mjs')) as {
  default: readonly { tests: { id: string }[] }[]
}
const only = process.env['ONLY']
const ids = only?.split(',')
const chosen = groups.map(({ tests }) => ({
  tests: ids === undefined ? tests : tests.filter(({ id }) => ids.includes(id)),
}))
await runner.runTests(chosen, suiteFetch(), false, base, testsAtOnce)
process.stdout.write(JSON.stringify(runner.getResults()))
process.exit()
