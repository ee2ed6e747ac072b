import type { AdminOutcome } from '../core/key/admin-refusal.ts'
import { registryName } from '../core/storage-layout.ts'
import { within } from '../core/within.ts'
import type { Registry } from '../durable/registry.ts'
import type { Clock, ConfigHistory, SeenConfig } from '../ports.ts'

const answerMs = 2_000

/** The configurations seen, as the Registry keeps them. */
export function createConfigHistory(registry: DurableObjectNamespace<Registry>, clock: Clock): ConfigHistory {
  return {
    note(version, sha256): Promise<AdminOutcome<readonly SeenConfig[]>> {
      const asked = (async () => registry.getByName(registryName).noteConfig(version, sha256))()
      return within(clock, answerMs, asked, { refused: 'accounts_unavailable', retryAfterMs: 1_000 })
    },
  }
}
