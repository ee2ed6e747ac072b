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

/** A Worker given as the text of one ES module, on a workerd of its own. */
async function startPlainWorker(text: string, bindings: readonly CapnpValue[] = []): Promise<PlainWorker> {
  const settings = readWorkerSettings(`${projectFolder}wrangler.toml`)
  const workerd = await startWorkerd({
    config: () =>
      capnpConfig({
        services: [{ name: 'main', worker: { ...workerOf(settings, moduleName), bindings } }, outbound],
        sockets: [socket('http', 'main')],
      }),
    files: { [moduleName]: { text } },
    sockets: ['http'],
  })
  return { ...workerd, url: `http://127.0.0.1:${workerd.ports['http']}` }
}
