import { readFileSync } from 'node:fs'
import { parse } from 'smol-toml'

interface DurableClass {
  readonly binding: string
  readonly className: string
}

/** What a bare workerd needs to know of wrangler.toml. */
export interface WorkerSettings {
  readonly compatibilityDate: string
  readonly compatibilityFlags: readonly string[]
  /** Names of the KV bindings. */
  readonly kv: readonly string[]
  readonly durable: readonly DurableClass[]
  /** Names of the secrets the Worker cannot do without. */
  readonly secretsRequired: readonly string[]
}

interface WranglerToml {
  readonly compatibility_date?: string
  readonly compatibility_flags?: readonly string[]
  readonly kv_namespaces?: readonly { readonly binding: string }[]
  readonly durable_objects?: {
    readonly bindings: readonly { readonly name: string; readonly class_name: string }[]
  }
  readonly exports?: Readonly<Record<string, { readonly type: string; readonly storage?: string }>>
  readonly secrets?: { readonly required?: readonly string[] }
}

/**
 * Reads the top-level settings of a wrangler.toml.
 * @throws {Error} when there is no compatibility date, or a bound class is not declared as a SQLite Durable Object
 */
export function readWorkerSettings(path: string | URL): WorkerSettings {
  const toml = parse(readFileSync(path, 'utf8')) as unknown as WranglerToml
  if (toml.compatibility_date === undefined) throw new Error('wrangler.toml has no compatibility_date.')
  return {
    compatibilityDate: toml.compatibility_date,
    compatibilityFlags: toml.compatibility_flags ?? [],
    kv: (toml.kv_namespaces ?? []).map(({ binding }) => binding),
    durable: durableClasses(toml),
    secretsRequired: toml.secrets?.required ?? [],
  }
}

function durableClasses(toml: WranglerToml): DurableClass[] {
  return (toml.durable_objects?.bindings ?? []).map(({ name, class_name: className }) => {
    const declared = toml.exports?.[className]
    if (declared?.type !== 'durable-object' || declared.storage !== 'sqlite') {
      throw new Error(`wrangler.toml binds ${className} but does not export it as a SQLite Durable Object.`)
    }
    return { binding: name, className }
  })
}
