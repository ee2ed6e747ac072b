/** The program behind `npm start`, for a Node that imports TypeScript. */
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startMock } from '../../bench/mock/server.ts'
import { offline } from '../install.mjs'
import { banner } from './banner.mjs'
import { buildWhenStale } from './bundle.mjs'
import { pointUpstreams, readConfiguration } from './configuration.mjs'
import { demoKey } from './demo.mjs'
import { parseStartOptions } from './options.mjs'
import { whenOrphaned } from './orphan.mjs'
import { upstreamSecrets } from './secrets.mjs'
import { localSecrets, resetState } from './state.mjs'

/** How long stopping may take. */
const stopMs = 5000

const root = fileURLToPath(new URL('../..', import.meta.url))

/** @type {(() => Promise<void>)[]} in the order in which they were started */
const running = []

/** @type {Promise<void> | null} */
let stopping = null

listenForSignals()
// The launcher, npm, or whoever read the log, is gone without a signal.
process.on('disconnect', stop)
whenOrphaned(stop)
process.stdout.on('error', stop)

try {
  await start()
} catch (error) {
  process.stderr.write(`${/** @type {Error} */ (error).message}\n`)
  process.exitCode = 1
  await stop()
}

async function start() {
  const options = parseStartOptions(process.argv.slice(2))
  if ('problem' in options) throw new Error(options.problem)
  const folder = resolve(root, options.state)
  if (options.reset) resetState(folder)
  const document = readConfiguration(root)
  const built = buildWhenStale(root)
  if (built === 'built') console.log('Bundled the Worker.')

  const mock = await startMock({ port: 0 })
  running.push(() => mock.close())
  const pointed = pointUpstreams(document, mock.url, options.upstreams)
  const { secrets, missing } = upstreamSecrets(root, pointed.upstreams)
  const own = localSecrets(folder)

  Object.assign(process.env, offline, { WRANGLER_LOG: 'warn' }, own)
  // Wrangler reads its settings when it is imported.
  const { startWorker } = await import('./worker.mjs')
  const worker = await startWorker(root, {
    port: options.port,
    stateFolder: join(folder, 'state'),
    secrets: { ...secrets, ...own },
    configuration: pointed.document,
    log: (line, level) => (level === 'error' ? process.stderr : process.stdout).write(`${line}\n`),
  })
  running.push(worker.close)
  listenForSignals()
  const key = await demoKey(folder, worker.url, own.SLUICE_OPERATOR_TOKEN)
  const { upstreams } = pointed
  process.stdout.write(banner({ url: worker.url, folder, mockUrl: mock.url, upstreams, missing, key }))
}

/** Miniflare, once it is there, would end the process before it is stopped: its listeners go. */
function listenForSignals() {
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.removeAllListeners(signal)
    process.on(signal, stop)
  }
}

/** Stops what was started, the newest first. */
function stop() {
  setTimeout(() => process.exit(1), stopMs).unref()
  stopping ??= (async () => {
    for (const close of running.toReversed()) await close()
    process.exit()
  })()
  return stopping
}
