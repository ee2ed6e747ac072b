/** The Worker in Miniflare, with the bindings that `wrangler.toml` declares. */
import { join } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from 'wrangler'
import { readBundle } from './bundle.mjs'

/**
 * @typedef {object} WorkerSettings
 * @property {number} port 0 takes any free one
 * @property {string} stateFolder where the bindings keep their data
 * @property {Record<string, string>} secrets by name of the binding
 * @property {import('./configuration.mjs').ConfigDocument} configuration what the Worker gets as `SLUICE_CONFIG`
 * @property {(line: string, level: string) => void} log takes what the Worker writes to its console
 */

/**
 * Starts the bundle in `dist/` on 127.0.0.1.
 * @param {string} root
 * @param {WorkerSettings} settings
 * @returns {Promise<{ url: URL, close: () => Promise<void> }>}
 */
export async function startWorker(root, settings) {
  const path = join(root, 'wrangler.toml')
  const { name } = unstable_readConfig({ config: path })
  const { workerOptions } = unstable_getMiniflareWorkerOptions(path)
  const worker = {
    ...workerOptions,
    name: name ?? 'worker',
    modules: readBundle(join(root, 'dist')),
    modulesRoot: join(root, 'dist'),
    bindings: /** @type {Record<string, import('miniflare').Json>} */ ({
      .../** @type {object} */ (workerOptions['bindings']),
      ...settings.secrets,
      SLUICE_CONFIG: settings.configuration,
    }),
  }
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: settings.port,
      cf: false,
      logRequests: false,
      telemetry: { enabled: false },
      log: new Log(LogLevel.WARN),
      handleStructuredLogs: ({ level, message }) => settings.log(message, level),
      resourcePersistencePath: settings.stateFolder,
      workers: [worker],
    }),
  )
  return { url: await miniflare.ready, close: () => miniflare.dispose() }
}
