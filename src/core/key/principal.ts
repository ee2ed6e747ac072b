import type { ModelRules } from '../config/types.ts'
import type { LimitSpec } from '../limit/spec.ts'

/** The holder of a key, as all later stages see it. */
export interface KeyPrincipal {
  readonly kind: 'key'
  readonly account: string
  readonly keyId: string
  readonly scopes: readonly string[]
  readonly models: ModelRules | null
  readonly limits: readonly LimitSpec[]
}
