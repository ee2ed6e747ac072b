import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { projectFolder } from '../rig/bundle.ts'

const packageName = 'http-cache-tests'
const packageVersion = '0.4.5'

/** The suite of http-tests/cache-tests on this machine. */
export interface Suite {
  readonly folder: string
  /** The package's version, or `checkout`. */
  readonly version: string
}

/** One group of tests as the suite lists them. */
export interface TestGroup {
  readonly id: string
  readonly tests: readonly SuiteTest[]
}

export interface SuiteTest {
  readonly id: string
  /** Required where it is left out. */
  readonly kind?: 'required' | 'optimal' | 'check'
  readonly browser_only?: boolean
  readonly depends_on?: readonly string[]
}

/** True, or what went wrong: a kind of error and its words. */
export type RawResult = true | readonly [kind: string, words: string]

/**
 * Finds the suite: the checkout that CACHE_TESTS names, else the npm package, which is installed into a folder of its
 * own first where it is missing. It is no dependency of the project.
 * @throws {Error} when it cannot be had
 */
export function findSuite(checkout: string | undefined): Suite {
  if (checkout !== undefined) {
    if (!existsSync(join(checkout, 'tests', 'index.mjs')))
      throw new Error(`CACHE_TESTS names ${checkout}, which holds no tests/index.mjs.`)
    return { folder: checkout, version: 'checkout' }
  }
  const home = join(projectFolder, '.sluice', 'conformance')
  const folder = join(home, 'node_modules', packageName)
  if (versionIn(folder) !== packageVersion) {
    mkdirSync(home, { recursive: true })
    const wanted = `${packageName}@${packageVersion}`
    const args = [
      'install',
      '--prefix',
      home,
      '--no-save',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      wanted,
    ]
    execFileSync('npm', args, { stdio: ['ignore', 2, 2] })
  }
  return { folder, version: packageVersion }
}

function versionIn(folder: string): string | null {
  const path = join(folder, 'package.json')
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version : null
}

async function load<T>(suite: Suite, path: string): Promise<T> {
  return (await import(pathToFileURL(join(suite.folder, path)).href)) as T
}

/** The suite's tests for proxies. */
export async function readTests(suite: Suite): Promise<readonly TestGroup[]> {
  const { default: groups } = await load<{ default: readonly TestGroup[] }>(suite, 'tests/index.mjs')
  return groups.map(({ id, tests }) => ({ id, tests: tests.filter((test) => test.browser_only !== true) }))
}

type Handler = (segments: string[], req: IncomingMessage, res: ServerResponse) => void

/** The suite's origin server, on 127.0.0.1 only; its own program listens on every address. */
export async function startOrigin(suite: Suite): Promise<{ readonly url: string; close(): void }> {
  const names = ['config', 'test', 'state']
  const handlers = new Map<string, Handler>()
  for (const name of names) {
    const loaded = await load<{ default: Handler }>(suite, `server/handle-${name}.mjs`)
    handlers.set(name, loaded.default)
  }
  const server = createServer((req, res) => {
    const [, dispatch = '', ...segments] = new URL(req.url ?? '/', 'http://localhost').pathname.split('/')
    const handler = handlers.get(dispatch)
    if (handler === undefined) res.writeHead(404).end()
    else handler(segments, req, res)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
