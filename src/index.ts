import bundledConfig from '../sluice.config.json'
import type { ControlApp } from './control/app.ts'
import { hexOf } from './core/hex.ts'
import { KeyCache } from './core/key/key-cache.ts'
import { parseKeyRing, type KeyRing } from './core/key/key-ring.ts'
import { TokenEstimator } from './core/llm/estimate.ts'
import { isRefusal } from './core/outcome.ts'
import { canonicalTarget } from './core/route/canonical-target.ts'
import { Pools } from './core/upstream/pools.ts'
import { missingBindings, type Env } from './env.ts'
import type { Deps } from './gateway/deps.ts'
import { handle } from './gateway/handle.ts'
import { clock } from './platform/clock.ts'
import { createConfigHistory } from './platform/config-history.ts'
import { documentConfigSource } from './platform/config-source.ts'
import { digest } from './platform/digest.ts'
import { createKeyAdmin } from './platform/key-admin.ts'
import { createKeySource } from './platform/key-source.ts'
import { LedgerLinks } from './platform/ledger-links.ts'
import { createLimiter } from './platform/limiter.ts'
import { random } from './platform/random.ts'
import { createPurgeSource } from './platform/purge-source.ts'
import { createReadiness } from './platform/readiness.ts'
import { createRecorder } from './platform/recorder.ts'
import { createResponseCache } from './platform/response-cache.ts'
import { createShield, noShield } from './platform/shield.ts'
import { createUpstreams } from './platform/upstreams.ts'
import { createUsageReader } from './platform/usage-reader.ts'
import type { Recorder } from './ports.ts'

export { Ledger } from './durable/ledger/ledger.ts'
export { Registry } from './durable/registry.ts'

/** Everything under this segment is the control plane's. */
const reservedPrefix = '/_sluice'

/** What one isolate makes once, from its bindings. */
interface Composition {
  readonly deps: Deps
  control(): Promise<ControlApp>
}

let composition: Composition | null = null

export default {
  async fetch(request, env, ctx) {
    composition ??= compose(env)
    const target = canonicalTarget(request.url, request.headers.get('host'))
    if (!isRefusal(target) && isReserved(target.path)) {
      const app = await composition.control()
      return app.fetch(new Request(`https://${target.host}${target.path}${target.query}`, request))
    }
    return handle(request, target, composition.deps, (work) => ctx.waitUntil(work))
  },
} satisfies ExportedHandler<Env>

function isReserved(path: string): boolean {
  return path === reservedPrefix || path.startsWith(`${reservedPrefix}/`)
}

/** @throws {Error} when a binding that wrangler.toml declares is not there: nothing could work without it. */
function compose(env: Env): Composition {
  const missing = missingBindings(env)
  if (missing.length > 0) throw new Error(`missing bindings: ${missing.join(', ')}; see wrangler.toml`)
  const config = documentConfigSource(bundledConfig, env.SLUICE_CONFIG)
  const settings = () => {
    const snapshot = config.snapshot()
    return isRefusal(snapshot) ? null : snapshot.settings
  }
  const recorder = createRecorder(settings, random)
  const ring = readRing(env, recorder)
  if (config.problems.length > 0) recorder.misconfigured('configuration', config.problems)
  const cache = new KeyCache()
  const pools = new Pools()
  const links = new LedgerLinks({ ledgers: env.LEDGER, clock, random, pools }, (record) =>
    cache.override(record),
  )
  const shield = env.SHIELD === undefined ? noShield : createShield(env.SHIELD, settings)
  const deps: Deps = {
    config,
    keys: createKeySource({ kv: env.KEYS, links, cache, ring, shield, settings, digest, clock }),
    limiter: createLimiter(links, clock),
    usage: createUsageReader({ ledgers: env.LEDGER, clock }),
    estimator: new TokenEstimator(),
    upstreams: createUpstreams({ ...env }, clock),
    pools,
    cache: createResponseCache(() => caches.default, clock),
    purges: createPurgeSource(links),
    recorder,
    readiness: createReadiness(env, clock),
    digest,
    clock,
    random,
  }
  return { deps, control: controlOnce(env, deps, ring) }
}

/** The ring, or null when there is none that can be used; what is wrong is said in the log. */
function readRing(env: Env, recorder: Recorder): KeyRing | null {
  const ring = parseKeyRing(env.SLUICE_KEY_RING)
  if (ring === null || !('problem' in ring)) return ring
  recorder.misconfigured('SLUICE_KEY_RING', [ring.problem])
  return null
}

/** The control plane, made when it is first asked for, so that the data plane does not pay for it. */
function controlOnce(env: Env, deps: Deps, ring: KeyRing | null): () => Promise<ControlApp> {
  let app: ControlApp | null = null
  const make = async (): Promise<ControlApp> => {
    const { createControlApp } = await import('./control/app.ts')
    const sha256 = hexOf(await digest.sha256(JSON.stringify(env.SLUICE_CONFIG ?? bundledConfig)))
    return createControlApp({
      operatorToken: env.SLUICE_OPERATOR_TOKEN,
      admin: createKeyAdmin({ ledgers: env.LEDGER, registry: env.REGISTRY, ring, digest, random, clock }),
      config: () => {
        const snapshot = deps.config.snapshot()
        return isRefusal(snapshot)
          ? null
          : { version: snapshot.version, sha256, routes: snapshot.routes.length }
      },
      history: createConfigHistory(env.REGISTRY, clock),
      digest,
      random,
      clock,
      recorder: deps.recorder,
    })
  }
  return async () => (app ??= await make())
}
