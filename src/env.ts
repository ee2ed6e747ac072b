import type { Ledger } from './durable/ledger/ledger.ts'
import type { Registry } from './durable/registry.ts'

/** The bindings of the Worker, as wrangler.toml declares them, and its secrets. */
export interface Env {
  /** Projection of the Ledgers' keys; written by Ledgers only. */
  readonly KEYS: KVNamespace
  readonly LEDGER: DurableObjectNamespace<Ledger>
  readonly REGISTRY: DurableObjectNamespace<Registry>
  /** Cloudflare's rate-limit binding: a cheap first gate per client address for keys that are not in memory. */
  readonly SHIELD?: RateLimit
  /** `name=base64url,name=base64url`: MAC keys of client keys, the first one issues. */
  readonly SLUICE_KEY_RING?: string
  /** Operator's token for the control plane; unset, the control plane answers 404. */
  readonly SLUICE_OPERATOR_TOKEN?: string
  /** A configuration document (JSON binding) in place of the bundled one; for local runs. */
  readonly SLUICE_CONFIG?: unknown
}

const required = ['KEYS', 'LEDGER', 'REGISTRY'] as const

/** Names of bindings that wrangler.toml promises and the Worker does not have. */
export function missingBindings(env: Partial<Env>): readonly string[] {
  return required.filter((name) => env[name] === undefined)
}
