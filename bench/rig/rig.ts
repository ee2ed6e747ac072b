import { join } from 'node:path'
import { cacheControl, type CacheControl } from './cache-control.ts'
import { capnpConfig, embed, type CapnpValue } from './capnp.ts'
import { currentBundle, describeBundle, projectFolder, type Bundle } from './bundle.ts'
import { durableControl, faultyShim, type DurableControl } from './faulty.ts'
import { kvControl, type KvControl } from './kv-control.ts'
import { outbound, socket, workerOf } from './plain-worker.ts'
import { workerModule } from './worker-module.ts'
import {
  startWorkerd,
  type WorkerdFile,
  type WorkerdOptions,
  type WorkerdProcess,
} from './workerd-process.ts'
import { readWorkerSettings, type WorkerSettings } from './wrangler-settings.ts'

export interface RigOptions {
  /** Path of a built Worker; without it, the project's own, built first when it is not up to date. */
  readonly bundle?: string
  /** Path of the wrangler.toml; without it, the project's own. */
  readonly config?: string
  /** Secrets and variables by name: a string becomes a text binding, null none, anything else a JSON binding. */
  readonly bindings?: Readonly<Record<string, unknown>>
  /** Existing folder where Durable Objects keep their data; without it, one that goes with the rig. */
  readonly durableFolder?: string
  /** Isolates of the gateway, each with an address of its own, in front of the same KV and Durable Objects; by default 1. */
  readonly isolates?: number
  /** Put the Durable Objects under `durableControl`; without it, the bundle runs as it was built. */
  readonly durableFaults?: boolean
  /** Port of the gateway; without it, a free one. */
  readonly port?: number
  readonly inspector?: boolean
  /** Write a structural trace (JSON lines) to this file. */
  readonly asyncTrace?: string
  /** Run on this processor only. */
  readonly cpu?: number
}

/** A gateway on bare workerd, bound to 127.0.0.1. */
export interface Rig extends Pick<WorkerdProcess, 'pid' | 'log' | 'memory' | 'cpuNs' | 'close'> {
  /** `http://127.0.0.1:PORT`, without a slash at its end. */
  readonly url: string
  /** Of each isolate; `url` is the first. */
  readonly urls: readonly string[]
  readonly bundle: Bundle
  /** The KV namespace, counted and steered; throws when wrangler.toml binds none. */
  readonly kvControl: KvControl
  /** The Cache API, counted and steered. */
  readonly cacheControl: CacheControl
  /** The Durable Objects, counted and steered; throws without `durableFaults`. */
  readonly durableControl: DurableControl
  /** `ws://` address of the inspector's protocol for the gateway; throws without `inspector`. */
  readonly inspectorUrl: string
  /** Resident memory in bytes. */
  rssBytes(): number
}

const bundleModule = 'bundle.js'
const mainModule = 'main.js'
const faultsModule = 'durable-faults.js'
const kvModule = 'kv-service.js'
const cacheModule = 'cache-service.js'
const ownDurableFolder = 'durable'
const diskService = 'durable-disk'
const mainService = 'main'

/**
 * Starts the built gateway on bare workerd with the settings of wrangler.toml, a KV namespace and its Durable Objects.
 * Upstreams on this machine are allowed.
 * @throws {Error} when the Worker does not build, a required secret is not among the bindings, or workerd does not start
 */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const settings = readWorkerSettings(options.config ?? `${projectFolder}wrangler.toml`)
  const bundle = options.bundle === undefined ? await currentBundle() : describeBundle(options.bundle)
  refuseWhatIsMissing(settings, options)
  const workerd = await startWorkerd({
    config: (folder) =>
      capnpConfig(configuration(settings, options, options.durableFolder ?? join(folder, ownDurableFolder))),
    files: await filesOf(settings, options, bundle),
    sockets: socketNames(settings, options),
    ...processOptions(options),
  })
  return rigOf(workerd, bundle, ['http', ...furtherNames(options)])
}

function refuseWhatIsMissing(settings: WorkerSettings, { bindings = {} }: RigOptions): void {
  const missing = settings.secretsRequired.filter((name) => !(name in bindings))
  if (missing.length > 0)
    throw new Error(`The rig needs bindings for ${missing.join(', ')} (wrangler.toml, secrets).`)
  if (settings.kv.length > 1) throw new Error('The rig serves one KV namespace; wrangler.toml binds several.')
}

function processOptions({
  inspector,
  asyncTrace,
  cpu,
}: RigOptions): Pick<WorkerdOptions, 'inspector' | 'asyncTrace' | 'cpu'> {
  return {
    ...(inspector !== undefined && { inspector }),
    ...(asyncTrace !== undefined && { asyncTrace }),
    ...(cpu !== undefined && { cpu }),
  }
}

/** Names of the services that are further isolates of the gateway; those of their sockets as well. */
function furtherNames({ isolates = 1 }: RigOptions): string[] {
  return Array.from({ length: isolates - 1 }, (_, at) => `http-${at + 2}`)
}

function socketNames(settings: WorkerSettings, options: RigOptions): string[] {
  return [
    'http',
    'cache',
    ...furtherNames(options),
    ...settings.kv.map(() => 'kv'),
    ...(options.durableFaults === true ? ['durable'] : []),
  ]
}

async function filesOf(
  settings: WorkerSettings,
  options: RigOptions,
  bundle: Bundle,
): Promise<Record<string, WorkerdFile>> {
  const files: Record<string, WorkerdFile> = {
    [bundleModule]: { copyOf: bundle.path },
    [ownDurableFolder]: { folder: true },
    [cacheModule]: { text: await workerModule(new URL('cache-service.ts', import.meta.url)) },
  }
  if (settings.kv.length > 0)
    files[kvModule] = { text: await workerModule(new URL('kv-service.ts', import.meta.url)) }
  if (options.durableFaults === true) {
    const classNames = settings.durable.map(({ className }) => className)
    files[mainModule] = { text: faultyShim(bundleModule, faultsModule, classNames) }
    files[faultsModule] = { text: await workerModule(new URL('durable-faults.ts', import.meta.url)) }
  }
  return files
}

function configuration(
  settings: WorkerSettings,
  options: RigOptions,
  durableFolder: string,
): Record<string, CapnpValue> {
  const services: CapnpValue[] = [
    { name: mainService, worker: gatewayWorker(settings, options) },
    ...furtherNames(options).map((name) => ({ name, worker: furtherWorker(settings, options) })),
    outbound,
    { name: 'cache', worker: workerOf(settings, cacheModule) },
    { name: diskService, disk: { path: durableFolder, writable: true } },
  ]
  const sockets: CapnpValue[] = [
    socket('http', mainService, options.port),
    socket('cache', { name: 'cache', entrypoint: 'control' }),
    ...furtherNames(options).map((name) => socket(name, name)),
  ]
  if (settings.kv.length > 0) {
    services.push({ name: 'kv', worker: workerOf(settings, kvModule) })
    sockets.push(socket('kv', { name: 'kv', entrypoint: 'control' }))
  }
  if (options.durableFaults === true) {
    sockets.push(socket('durable', { name: 'main', entrypoint: 'durableControl' }))
  }
  return { services, sockets }
}

function gatewayWorker(settings: WorkerSettings, options: RigOptions): CapnpValue {
  return {
    ...codeOf(settings, options),
    bindings: bindingsOf(settings, options, (className) => className),
    cacheApiOutbound: 'cache',
    durableObjectNamespaces: settings.durable.map(({ className }) => ({
      className,
      uniqueKey: className,
      enableSql: true,
    })),
    // SQLite needs a disk: workerd's own in-memory storage has none.
    durableObjectStorage: { localDisk: diskService },
  }
}

/** The same code once more, with the Durable Objects of the first. */
function furtherWorker(settings: WorkerSettings, options: RigOptions): CapnpValue {
  const bindings = bindingsOf(settings, options, (className) => ({ className, serviceName: mainService }))
  return { ...codeOf(settings, options), bindings }
}

function codeOf(settings: WorkerSettings, options: RigOptions): { readonly [field: string]: CapnpValue } {
  const modules = options.durableFaults === true ? [mainModule, bundleModule, faultsModule] : [bundleModule]
  return {
    ...workerOf(settings, bundleModule),
    modules: modules.map((name) => ({ name, esModule: embed(name) })),
  }
}

function bindingsOf(
  settings: WorkerSettings,
  { bindings = {} }: RigOptions,
  namespaceOf: (className: string) => CapnpValue,
): CapnpValue[] {
  return [
    ...settings.kv.map((name) => ({ name, kvNamespace: 'kv' })),
    ...settings.durable.map(({ binding, className }) => ({
      name: binding,
      durableObjectNamespace: namespaceOf(className),
    })),
    ...Object.entries(bindings)
      .filter(([, value]) => value !== null)
      .map(([name, value]) =>
        typeof value === 'string' ? { name, text: value } : { name, json: JSON.stringify(value) },
      ),
  ]
}

function rigOf(workerd: WorkerdProcess, bundle: Bundle, isolates: readonly string[]): Rig {
  const origin = (name: string): string => {
    const port = workerd.ports[name]
    if (port === undefined)
      throw new Error(`This rig has no socket for ${name}; see the options of startRig.`)
    return `http://127.0.0.1:${port}`
  }
  return {
    pid: workerd.pid,
    log: workerd.log,
    memory: workerd.memory,
    cpuNs: workerd.cpuNs,
    close: workerd.close,
    rssBytes: () => workerd.memory().total,
    url: origin('http'),
    urls: isolates.map(origin),
    bundle,
    get kvControl() {
      return kvControl(origin('kv'))
    },
    get cacheControl() {
      return cacheControl(origin('cache'))
    },
    get durableControl() {
      return durableControl(origin('durable'))
    },
    get inspectorUrl() {
      return `${origin('inspector').replace('http', 'ws')}/main`
    },
  }
}
