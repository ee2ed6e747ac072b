import { capnpConfig, embed, type CapnpValue } from './capnp.ts'
import { projectFolder } from './bundle.ts'
import { workerModule } from './worker-module.ts'
import { startWorkerd, type WorkerdProcess } from './workerd-process.ts'
import { readWorkerSettings, type WorkerSettings } from './wrangler-settings.ts'

export interface PlainWorker extends Pick<WorkerdProcess, 'pid' | 'log' | 'memory' | 'cpuNs' | 'close'> {
  /** `http://127.0.0.1:PORT`, without a slash at its end. */
  readonly url: string
}

const moduleName = 'worker.js'
const cacheModule = 'cache.js'

/** A socket on 127.0.0.1 in front of a service; without a port, a free one. */
export function socket(name: string, service: CapnpValue, port = 0): CapnpValue {
  return { name, address: `127.0.0.1:${port}`, http: {}, service }
}

/** The way out: this machine and the internet alike. */
export const outbound: CapnpValue = {
  name: 'internet',
  network: { allow: ['public', 'private'], tlsOptions: { trustBrowserCas: true } },
}

/** A Worker of one module that runs under the project's compatibility settings. */
export function workerOf(settings: WorkerSettings, module: string): { readonly [field: string]: CapnpValue } {
  return {
    modules: [{ name: module, esModule: embed(module) }],
    compatibilityDate: settings.compatibilityDate,
    compatibilityFlags: settings.compatibilityFlags,
  }
}

/**
 * The pass-through Worker on a workerd of its own, with the compatibility settings of wrangler.toml.
 * @param upstreamUrl origin to which path and query are appended
 */
export async function startPassthrough(upstreamUrl: string): Promise<PlainWorker> {
  const text = await workerModule(new URL('passthrough-worker.ts', import.meta.url))
  return startPlainWorker(text, [{ name: 'UPSTREAM', text: upstreamUrl }])
}

/**
 * A Worker that caches with `caches.default.match` and nothing else, on a workerd of its own with the same cache behind it.
 * @param upstreamUrl origin to which path and query are appended
 */
export async function startBareMatch(upstreamUrl: string): Promise<PlainWorker> {
  const text = await workerModule(new URL('bare-match-worker.ts', import.meta.url))
  const cache = await workerModule(new URL('cache-service.ts', import.meta.url))
  return startPlainWorker(text, [{ name: 'UPSTREAM', text: upstreamUrl }], cache)
}

/** A Worker given as the text of one ES module, on a workerd of its own; with the text of another one as its cache. */
async function startPlainWorker(
  text: string,
  bindings: readonly CapnpValue[] = [],
  cache: string | null = null,
): Promise<PlainWorker> {
  const settings = readWorkerSettings(`${projectFolder}wrangler.toml`)
  const workerd = await startWorkerd({
    config: () =>
      capnpConfig({
        services: [
          {
            name: 'main',
            worker: {
              ...workerOf(settings, moduleName),
              bindings,
              ...(cache !== null && { cacheApiOutbound: 'cache' }),
            },
          },
          ...(cache === null ? [] : [{ name: 'cache', worker: workerOf(settings, cacheModule) }]),
          outbound,
        ],
        sockets: [socket('http', 'main')],
      }),
    files: { [moduleName]: { text }, ...(cache !== null && { [cacheModule]: { text: cache } }) },
    sockets: ['http'],
  })
  return { ...workerd, url: `http://127.0.0.1:${workerd.ports['http']}` }
}
